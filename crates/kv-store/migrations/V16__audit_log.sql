-- Who did what: an entry in the transaction of each write, and one for what was refused. No foreign keys: each check would lock the
-- tenant's row for every write of that tenant.
create table audit_log (
    tenant_id    bigint not null,
    -- A UUIDv7, so that the key is the order in time too.
    id           uuid not null,
    at           timestamptz not null default now(),
    -- Null when nobody was known, or it was the platform.
    actor_id     uuid,
    -- Null for a session.
    token_id     uuid,
    operation    text not null,
    outcome      text not null check (outcome in ('done', 'refused')),
    object_type  text not null,
    object_id    text,
    request_id   text,
    address      text,
    primary key (tenant_id, id)
);
-- Each insert would pay for a tree; these know for 32 pages each what may be in them, and cost next to nothing.
create index audit_log_by_content on audit_log
    using brin (object_id text_bloom_ops, actor_id uuid_bloom_ops, token_id uuid_bloom_ops, request_id text_bloom_ops)
    with (pages_per_range = 32, autosummarize = on);

create trigger audit_log_append_only before update or delete or truncate on audit_log
    for each statement execute function app.refuse_change();

alter table audit_log enable row level security;
alter table audit_log force row level security;
create policy tenant on audit_log using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
grant select on audit_log to kv_app;
grant insert (tenant_id, id, actor_id, token_id, operation, outcome, object_type, object_id, request_id, address)
    on audit_log to kv_app;
