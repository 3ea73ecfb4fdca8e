-- Accounts that are managed over the interface, tokens that are narrower than their account, tenants that may be suspended.
alter table tenants
    add column status text not null default 'active' check (status in ('active', 'suspended')),
    add column suspended_at timestamptz,
    add constraint tenants_suspended check ((status = 'suspended') = (suspended_at is not null));

alter table users
    -- The address as it is compared: Unicode's NFKC in lower case, made by the service and not by the database, whose own idea of
    -- lower case depends on how it was set up.
    add column email_key text,
    add column name text check (length(name) between 1 and 200),
    add column active boolean not null default true,
    add column version bigint not null default 1,
    add column updated_at timestamptz not null default now();

-- The owner of the tables is bound by their policies too, and here it acts for all tenants.
alter table users no force row level security;
update users set email_key = lower(normalize(email, nfkc));
-- Accounts are the owner's to manage, so every tenant needs one. Where there is none, the managers become owners, who could do
-- everything so far; where there is no manager either, the oldest account does.
update users u set role = 'owner'
 where role = 'manager' and not exists (select from users o where o.tenant_id = u.tenant_id and o.role = 'owner');
update users u set role = 'owner'
 where not exists (select from users o where o.tenant_id = u.tenant_id and o.role = 'owner')
   and id = (select id from users f where f.tenant_id = u.tenant_id order by created_at, id limit 1);
alter table users force row level security;

alter table users alter column email_key set not null;
drop index users_email;
create unique index users_email on users (email_key);
grant select (tenant_id, id, email, email_key, name, role, active, rate_limit_per_minute, version, created_at, updated_at),
      insert (tenant_id, id, email, email_key, name, password_hash, role, rate_limit_per_minute),
      update (email, email_key, name, role, active, rate_limit_per_minute, password_hash, version, updated_at)
    on users to kv_app;

alter table api_tokens
    add column id uuid not null default gen_random_uuid(),
    add column name text check (length(name) between 1 and 200),
    -- How the token begins.
    add column hint text,
    -- What it may do; null for all that its account may.
    add column scopes text[],
    -- The tokens by which it was made: whoever revokes one of them revokes it.
    add column lineage uuid[] not null default '{}',
    add column rate_limit_per_minute integer check (rate_limit_per_minute > 0),
    add column last_used_at timestamptz,
    add constraint api_tokens_id unique (tenant_id, id);
grant select (id, user_id, kind, name, hint, scopes, lineage, rate_limit_per_minute, created_at, expires_at, last_used_at),
      insert (id, name, hint, scopes, lineage, rate_limit_per_minute), update (last_used_at)
    on api_tokens to kv_app;

create policy lookup on tenants for select to kv_auth using (true);
grant select (id, status) on tenants to kv_auth;

drop function app.find_login(text);
drop function app.find_token(bytea);

create function app.find_login(wanted text)
    returns table (tenant_id bigint, user_id uuid, email text, role text, password_hash text, rate_limit_per_minute integer,
                   is_suspended boolean)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select u.tenant_id, u.id, u.email, u.role, u.password_hash, u.rate_limit_per_minute, t.status = 'suspended'
            from users u join tenants t on t.id = u.tenant_id
           where u.email_key in (wanted, lower(wanted)) and u.active $$;

create function app.find_token(wanted bytea)
    returns table (tenant_id bigint, user_id uuid, email text, role text, rate_limit_per_minute integer, expires_at timestamptz,
                   is_suspended boolean, token_id uuid, kind text, scopes text[], lineage uuid[],
                   token_rate_limit_per_minute integer, last_used_at timestamptz)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select u.tenant_id, u.id, u.email, u.role, u.rate_limit_per_minute, t.expires_at,
                 n.status = 'suspended', t.id, t.kind, t.scopes, t.lineage, t.rate_limit_per_minute, t.last_used_at
            from api_tokens t
            join users u on (u.tenant_id, u.id) = (t.tenant_id, t.user_id)
            join tenants n on n.id = u.tenant_id
           where t.token_sha256 = wanted and t.revoked_at is null and t.expires_at > now() and u.active $$;

revoke execute on function app.find_login(text), app.find_token(bytea) from public;
grant execute on function app.find_login(text), app.find_token(bytea) to kv_app;
grant create on schema app to kv_auth;
alter function app.find_login(text) owner to kv_auth;
alter function app.find_token(bytea) owner to kv_auth;
revoke create on schema app from kv_auth;
