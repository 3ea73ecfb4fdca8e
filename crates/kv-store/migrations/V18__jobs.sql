-- Jobs: what is to be done because something was committed. A row is written in the transaction of that, and the row is the truth:
-- the queue that workers claim from holds references and may lose them. No foreign key to tenants: each check would lock the
-- tenant's row for every job of that tenant. Jobs of the service itself belong to the tenant with the largest number, which nobody is.
create table jobs (
    tenant_id    bigint not null,
    id           uuid not null,
    kind         text not null check (kind ~ '^[A-Za-z0-9_.:@+-]{1,64}$'),
    payload      jsonb not null default '{}',
    priority     text not null default 'default' check (priority in ('high', 'default', 'low')),
    state        text not null default 'open' check (state in ('open', 'done', 'dead')),
    -- Of the open jobs of one kind with the same key there is one.
    unique_key   text check (length(unique_key) between 1 and 128),
    -- How often it was begun anew after its death. Its name in the queue tells these lives apart.
    replays      integer not null default 0,
    -- How many attempts of this life failed.
    attempts     integer not null default 0,
    last_error   text,
    not_before   timestamptz not null default now(),
    -- When the relay looks at it next: when its time has come, and then whenever it has been silent for too long.
    look_at      timestamptz not null default now(),
    pushed_at    timestamptz,
    pushes       integer not null default 0,
    created_at   timestamptz not null default now(),
    finished_at  timestamptz,
    primary key (tenant_id, id),
    constraint jobs_finished check ((finished_at is null) = (state = 'open'))
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);
create unique index jobs_unique on jobs (tenant_id, kind, unique_key) where unique_key is not null and state = 'open';
-- The relay's: which tenants have open jobs, and of each those that are to be looked at first.
create index jobs_due on jobs (tenant_id, look_at) where state = 'open';
create index jobs_dead on jobs (tenant_id, id) where state = 'dead';
create index jobs_finished on jobs (finished_at) where finished_at is not null;

alter table jobs enable row level security;
alter table jobs force row level security;
create policy tenant on jobs using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
grant select on jobs to kv_app;
grant insert (tenant_id, id, kind, payload, priority, unique_key, not_before, look_at),
      update (state, replays, attempts, last_error, look_at, pushed_at, pushes, finished_at) on jobs to kv_app;

-- The relay and the clean-up know no tenant. These functions are their only way past the policies: they give what a queue has to
-- know of a job and no payload, and change nothing but when a job is looked at.
create policy relay on jobs to kv_owner using (true) with check (true);

-- Takes jobs that are to be looked at, or were pushed before a time at which the queue lost everything: at most so many, and so
-- many of each tenant, beginning behind a tenant. Each is looked at again after a time that doubles with each push.
create function app.take_jobs(lost_before timestamptz, after_tenant bigint, patience interval, most integer, most_each integer)
    returns table (tenant_id bigint, id uuid, kind text, priority text, replays integer, due_at timestamptz)
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with recursive whose as (
              (select j.tenant_id from jobs j where j.state = 'open' and j.tenant_id > after_tenant order by j.tenant_id limit 1)
              union all
              select (select j.tenant_id from jobs j where j.state = 'open' and j.tenant_id > w.tenant_id order by j.tenant_id limit 1)
                from whose w where w.tenant_id is not null),
          picked as materialized (
              select p.tenant_id, p.id, p.look_at
                from (select w.tenant_id from whose w where w.tenant_id is not null) w
               cross join lateral (
                   select j.tenant_id, j.id, j.look_at from jobs j
                    where j.tenant_id = w.tenant_id and j.state = 'open'
                      -- A bound that the index knows: without a loss, what is due stands in front, and nothing behind it is read.
                      and j.look_at <= case when lost_before is null then now() else 'infinity'::timestamptz end
                      and (j.look_at <= now() or j.pushed_at < lost_before)
                    order by j.look_at limit most_each for update skip locked) p
               limit most)
          update jobs j
             set look_at = now() + least(patience * (1 << least(j.pushes, 4)), interval '15 minutes'),
                 pushed_at = clock_timestamp(), pushes = j.pushes + 1
            from picked p
           where j.tenant_id = p.tenant_id and j.id = p.id
          returning j.tenant_id, j.id, j.kind, j.priority, j.replays, p.look_at $$;

-- Jobs that could not be pushed are looked at again after a while.
create function app.put_off_jobs(tenants bigint[], ids uuid[], pause interval) returns void
    language sql volatile security definer set search_path = public, pg_temp
    as $$ update jobs j set look_at = now() + pause, pushes = greatest(j.pushes - 1, 0)
            from unnest(tenants, ids) as c(tenant_id, id)
           where j.tenant_id = c.tenant_id and j.id = c.id and j.state = 'open' $$;

-- In how long the next job is to be looked at; null when there is none.
create function app.next_job_in() returns interval
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with recursive whose as (
              (select j.tenant_id from jobs j where j.state = 'open' order by j.tenant_id limit 1)
              union all
              select (select j.tenant_id from jobs j where j.state = 'open' and j.tenant_id > w.tenant_id order by j.tenant_id limit 1)
                from whose w where w.tenant_id is not null)
          select min(f.look_at) - clock_timestamp()
            from whose w
           cross join lateral (select j.look_at from jobs j where j.tenant_id = w.tenant_id and j.state = 'open'
                                order by j.look_at limit 1) f $$;

-- Deletes jobs that are over: done ones soon, dead ones later.
create function app.forget_jobs(done_before timestamptz, dead_before timestamptz, most integer) returns bigint
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with old as materialized (
              select j.tenant_id, j.id from jobs j
               where j.finished_at < greatest(done_before, dead_before)
                 and ((j.state = 'done' and j.finished_at < done_before) or (j.state = 'dead' and j.finished_at < dead_before))
               order by j.finished_at limit most for update skip locked),
          gone as (delete from jobs j using old where j.tenant_id = old.tenant_id and j.id = old.id returning 1)
          select count(*) from gone $$;

-- How many jobs there are of each kind and state that are not done, for whoever operates the service.
create function app.count_jobs() returns table (kind text, state text, jobs bigint)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select j.kind, j.state, count(*) from jobs j where j.state = 'open' group by 1, 2
          union all
          select j.kind, j.state, count(*) from jobs j where j.state = 'dead' group by 1, 2 $$;

-- Which incarnation of the queue the jobs were pushed to, and since when.
create table app.queue_incarnation (
    is_the_one  boolean primary key default true check (is_the_one),
    mark        text not null,
    since       timestamptz not null default clock_timestamp()
);
-- Notes the incarnation that a relay sees; gives since when that has been the one: what was pushed before may be lost.
create function app.note_queue(seen text) returns timestamptz
    language sql volatile security definer set search_path = public, pg_temp
    as $$ insert into app.queue_incarnation as q (mark) values (seen)
          on conflict (is_the_one) do update
             set mark = excluded.mark, since = case when q.mark = excluded.mark then q.since else clock_timestamp() end
          returning since $$;

-- When each kind of regular job was last made: whoever moves the time on makes the job.
create table app.cron_ticks (
    kind    text primary key,
    due_at  timestamptz not null
);
create function app.make_tick(job uuid, wanted text, urgency text, due timestamptz) returns boolean
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with taken as (
              insert into app.cron_ticks as c (kind, due_at) values (wanted, due)
              on conflict (kind) do update set due_at = excluded.due_at where c.due_at < excluded.due_at
              returning 1),
          made as (
              insert into jobs (tenant_id, id, kind, priority, unique_key)
              select 9223372036854775807, job, wanted, urgency, 'cron' from taken
              on conflict do nothing returning 1)
          select exists (select from made) $$;

do $$
declare f text;
begin
    foreach f in array array[
        'app.take_jobs(timestamptz, bigint, interval, integer, integer)', 'app.put_off_jobs(bigint[], uuid[], interval)',
        'app.next_job_in()', 'app.forget_jobs(timestamptz, timestamptz, integer)', 'app.count_jobs()', 'app.note_queue(text)',
        'app.make_tick(uuid, text, text, timestamptz)'] loop
        execute format('revoke execute on function %s from public', f);
        execute format('grant execute on function %s to kv_app', f);
    end loop;
end $$;

-- What an order's customer is told: one row an order, written in the transaction that ends its job.
create table order_confirmations (
    tenant_id    bigint not null,
    order_id     uuid not null,
    -- The job that made it.
    job_id       uuid not null,
    -- Where it goes; null when the customer has no address.
    recipient    text,
    subject      text not null,
    body         text not null,
    created_at   timestamptz not null default now(),
    primary key (tenant_id, order_id),
    constraint order_confirmations_order foreign key (tenant_id, order_id) references orders
);
alter table order_confirmations enable row level security;
alter table order_confirmations force row level security;
create policy tenant on order_confirmations using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
grant select, insert (tenant_id, order_id, job_id, recipient, subject, body) on order_confirmations to kv_app;

-- Imports that are over are forgotten with their rejections after a while; so are those that nobody went on with.
create policy expiry on imports to kv_owner using (updated_at < now() - interval '7 days') with check (false);
create policy expiry on import_rejections to kv_owner using (exists (
    select from imports i where i.tenant_id = import_rejections.tenant_id and i.id = import_id and i.updated_at < now() - interval '7 days')) with check (false);
create index imports_by_age on imports (updated_at);
create function app.forget_imports(before timestamptz, most integer) returns bigint
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with old as materialized (
              select i.tenant_id, i.id from imports i where i.updated_at < before order by i.updated_at limit most for update skip locked),
          lines as (delete from import_rejections r using old where r.tenant_id = old.tenant_id and r.import_id = old.id),
          gone as (delete from imports i using old where i.tenant_id = old.tenant_id and i.id = old.id returning 1)
          select count(*) from gone $$;
revoke execute on function app.forget_imports(timestamptz, integer) from public;
grant execute on function app.forget_imports(timestamptz, integer) to kv_app;
