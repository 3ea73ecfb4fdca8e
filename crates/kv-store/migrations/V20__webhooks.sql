-- Webhooks: where a tenant wants its events sent, and what became of each.
create table webhook_endpoints (
    tenant_id        bigint not null references tenants,
    id               uuid not null,
    url              text not null check (length(url) <= 2048),
    description      text,
    -- Empty for all.
    event_types      text[] not null default '{}' check (cardinality(event_types) <= 64),
    -- What deliveries are signed with. It has to be known to sign, so it is stored as it is.
    secret           bytea not null check (length(secret) between 24 and 64),
    state            text not null default 'enabled' check (state in ('enabled', 'disabled')),
    disabled_reason  text,
    -- Attempts that failed since one succeeded.
    failures         integer not null default 0,
    version          bigint not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    primary key (tenant_id, id)
);

create table webhook_deliveries (
    tenant_id        bigint not null,
    id               uuid not null,
    endpoint_id      uuid not null,
    event_id         uuid not null,
    state            text not null default 'pending' check (state in ('pending', 'succeeded', 'failed')),
    attempts         integer not null default 0,
    last_status      integer,
    last_error       text,
    -- The beginning of the last answer's body.
    last_answer      text,
    last_attempt_at  timestamptz,
    created_at       timestamptz not null default now(),
    finished_at      timestamptz,
    primary key (tenant_id, id),
    constraint webhook_deliveries_endpoint foreign key (tenant_id, endpoint_id) references webhook_endpoints on delete cascade
) with (fillfactor = 80);
create index webhook_deliveries_by_endpoint on webhook_deliveries (tenant_id, endpoint_id, id);
create index webhook_deliveries_by_age on webhook_deliveries (created_at);

do $$
declare t text;
begin
    foreach t in array array['webhook_endpoints', 'webhook_deliveries'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id())', t);
        execute format('create policy publication on %I to kv_owner using (true) with check (true)', t);
    end loop;
end $$;
grant select, delete on webhook_endpoints to kv_app;
grant insert (tenant_id, id, url, description, event_types, secret),
      update (url, description, event_types, secret, state, disabled_reason, failures, version, updated_at) on webhook_endpoints to kv_app;
grant select on webhook_deliveries to kv_app;
grant update (state, attempts, last_status, last_error, last_answer, last_attempt_at, finished_at) on webhook_deliveries to kv_app;

-- An id of now, as the service makes them itself: rows that are made together lie together.
create function app.new_id() returns uuid language sql volatile
    as $$ select encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
              placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1),
              'hex')::uuid $$;

-- Gives places to some events, and makes the deliveries and the jobs of the endpoints that want them: an event with a place has them.
-- One session at a time, until its commit: a place is seen before the next higher one is given.
create function app.place_events(most integer) returns bigint
    language plpgsql volatile security definer set search_path = public, pg_temp
    as $$
declare placed bigint;
begin
    if not pg_try_advisory_xact_lock(hashtext('kv-erp events')) then
        return 0;
    end if;
    -- A new statement, so that it sees what the session before committed.
    with unplaced as materialized (
        select e.tenant_id, e.id, e.seq from events e where e.position is null order by e.seq limit most),
    numbered as materialized (
        select u.tenant_id, u.id, nextval('event_positions') as position from (select * from unplaced order by seq) u),
    done as (
        update events e set position = n.position from numbered n
         where e.tenant_id = n.tenant_id and e.id = n.id
        returning e.tenant_id, e.id, e.type, e.position),
    wanted as materialized (
        select d.tenant_id, d.id as event_id, w.id as endpoint_id, app.new_id() as delivery_id, app.new_id() as job_id
          from (select * from done order by position) d
          join webhook_endpoints w
            on w.tenant_id = d.tenant_id and w.state = 'enabled' and (w.event_types = '{}' or d.type = any(w.event_types))),
    deliveries as (
        insert into webhook_deliveries (tenant_id, id, endpoint_id, event_id)
        select w.tenant_id, w.delivery_id, w.endpoint_id, w.event_id from wanted w),
    sending as (
        insert into jobs (tenant_id, id, kind, payload)
        select w.tenant_id, w.job_id, 'deliver_webhook', jsonb_build_object('delivery_id', w.delivery_id) from wanted w)
    select count(*) into placed from done;
    return placed;
end $$;

create function app.forget_deliveries(before timestamptz, most integer) returns bigint
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with old as materialized (
              select d.tenant_id, d.id from webhook_deliveries d where d.created_at < before
               order by d.created_at limit most for update skip locked),
          gone as (delete from webhook_deliveries d using old where d.tenant_id = old.tenant_id and d.id = old.id returning 1)
          select count(*) from gone $$;
revoke execute on function app.new_id(), app.place_events(integer), app.forget_deliveries(timestamptz, integer) from public;
grant execute on function app.new_id() to kv_app, kv_owner;
grant execute on function app.place_events(integer), app.forget_deliveries(timestamptz, integer) to kv_app;
