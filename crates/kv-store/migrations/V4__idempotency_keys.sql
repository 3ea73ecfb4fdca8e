-- What became of a write that its caller gave a key. Written in the transaction of the effect, so a row is there exactly when the
-- effect is. No foreign key to tenants: each check would lock the tenant's row for every keyed write of that tenant.
create table idempotency_keys (
    tenant_id    bigint not null,
    key          text collate "C" not null check (length(key) between 1 and 255),
    -- SHA-256 of what was asked. Null when the key was made void before anything with it had an effect.
    fingerprint  bytea check (length(fingerprint) = 32),
    -- Method and path.
    line         text,
    -- The answer, as the HTTP face wrote it.
    head         text,
    body         bytea,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null default now() + interval '24 hours',
    primary key (tenant_id, key),
    constraint idempotency_keys_whole check (num_nulls(fingerprint, line, head, body) in (0, 4))
);
-- For the clean-up, which goes over all tenants from the oldest row on.
create index idempotency_keys_by_expiry on idempotency_keys (expires_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy tenant on idempotency_keys
    using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
-- An answer is kept as it was given until it expires: nobody may change it, or delete it before.
create policy kept on idempotency_keys as restrictive for delete using (expires_at <= now());
grant select, delete on idempotency_keys to kv_app;
grant insert (tenant_id, key, fingerprint, line, head, body) on idempotency_keys to kv_app;

-- The clean-up knows no tenant. This function is its only way past the policies, and it reaches what has expired alone; rows that
-- somebody holds are left for the next time.
create policy expiry on idempotency_keys to kv_owner using (expires_at <= now()) with check (false);
create function app.forget_expired_keys(most integer) returns bigint
    language sql volatile security definer set search_path = public, pg_temp
    as $$ with old as materialized (
              select tenant_id, key from idempotency_keys where expires_at <= now() order by expires_at limit most
                 for update skip locked),
          gone as (
              delete from idempotency_keys k using old where k.tenant_id = old.tenant_id and k.key = old.key returning 1)
          select count(*) from gone $$;
revoke execute on function app.forget_expired_keys(integer) from public;
grant execute on function app.forget_expired_keys(integer) to kv_app;
