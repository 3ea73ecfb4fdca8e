-- Events: what happened to a tenant's things, in an order that whoever reads them in pieces can rely on. A row is written in the
-- transaction of what happened, without a place. Transactions commit in another order than they draw numbers, so a place is given
-- afterwards, to committed rows alone and by one session at a time: whoever has read up to a place has missed nothing before it.
create sequence event_positions as bigint;
create table events (
    tenant_id   bigint not null,
    id          uuid not null,
    type        text not null check (type ~ '^[a-z_.]{1,64}$'),
    data        jsonb not null,
    -- The order of the transaction's own events.
    seq         bigint generated always as identity,
    position    bigint,
    created_at  timestamptz not null default now(),
    primary key (tenant_id, id)
) with (fillfactor = 80);
create unique index events_by_position on events (tenant_id, position) where position is not null;
create index events_unplaced on events (seq) where position is null;
create index events_by_age on events (created_at);

alter table events enable row level security;
alter table events force row level security;
create policy tenant on events using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
grant select on events to kv_app;
grant insert (tenant_id, id, type, data, created_at) on events to kv_app;

create policy publication on events to kv_owner using (true) with check (true);
create function app.forget_events(before timestamptz, most integer) returns bigint
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with old as materialized (
              select e.tenant_id, e.id from events e where e.created_at < before and e.position is not null
               order by e.created_at limit most for update skip locked),
          gone as (delete from events e using old where e.tenant_id = old.tenant_id and e.id = old.id returning 1)
          select count(*) from gone $$;

revoke execute on function app.forget_events(timestamptz, integer) from public;
grant execute on function app.forget_events(timestamptz, integer) to kv_app;

-- A level with so many available units, or fewer, is low; null when nobody wants to know.
alter table stock_levels add column reorder_point bigint check (reorder_point between 0 and 1000000000);
grant update (reorder_point) on stock_levels to kv_app;
