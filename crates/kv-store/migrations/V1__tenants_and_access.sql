-- Who exists and who may come in. Run as kv_owner, which owns every table and may not log in.
create schema app;
grant usage on schema app to kv_app, kv_auth;

-- The tenant of this transaction; null when none is set. After a local setting ends PostgreSQL leaves '' behind, hence nullif.
create function app.tenant_id() returns bigint language sql stable parallel safe
    as $$ select nullif(current_setting('app.tenant_id', true), '')::bigint $$;

create table tenants (
    id          bigint generated always as identity primary key,
    slug        text not null unique,
    name        text not null,
    created_at  timestamptz not null default now()
);
alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants using (id = app.tenant_id());
create policy administration on tenants to kv_owner using (true) with check (true);

create table users (
    tenant_id              bigint not null references tenants,
    id                     uuid not null,
    email                  text not null check (length(email) between 3 and 320),
    password_hash          text not null,
    role                   text not null check (role in ('owner', 'manager', 'clerk', 'read_only')),
    -- Overrides the service's default number of requests per minute.
    rate_limit_per_minute  integer check (rate_limit_per_minute > 0),
    created_at             timestamptz not null default now(),
    primary key (tenant_id, id)
);
-- Unique over all tenants, because a login names no tenant.
create unique index users_email on users (lower(email));
alter table users enable row level security;
alter table users force row level security;
create policy tenant on users using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
-- kv_app has no grant on tenants and users: no statement of its reads them, and app.find_login and app.find_token run as kv_auth.

create table api_tokens (
    token_sha256  bytea primary key check (length(token_sha256) = 32),
    tenant_id     bigint not null,
    user_id       uuid not null,
    kind          text not null check (kind in ('session', 'api')),
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    revoked_at    timestamptz,
    foreign key (tenant_id, user_id) references users
);
create index api_tokens_user on api_tokens (tenant_id, user_id);
alter table api_tokens enable row level security;
alter table api_tokens force row level security;
create policy tenant on api_tokens using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id());
-- A token is stored and revoked. Its expiry, its kind and its account are never changed.
grant insert (tenant_id, token_sha256, user_id, kind, expires_at), update (revoked_at) on api_tokens to kv_app;
grant select (tenant_id, token_sha256, revoked_at) on api_tokens to kv_app;

-- Before anybody is known, no tenant is. These two functions are the only way past the policies, and each answers only for
-- an exact secret or address. kv_auth owns them, may not log in and may read nothing else.
create policy lookup on users for select to kv_auth using (true);
create policy lookup on api_tokens for select to kv_auth using (true);
grant select on users, api_tokens to kv_auth;

create function app.find_login(wanted text)
    returns table (tenant_id bigint, user_id uuid, email text, role text, password_hash text, rate_limit_per_minute integer)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select u.tenant_id, u.id, u.email, u.role, u.password_hash, u.rate_limit_per_minute
            from users u where lower(u.email) = lower(wanted) $$;

create function app.find_token(wanted bytea)
    returns table (tenant_id bigint, user_id uuid, email text, role text, rate_limit_per_minute integer, expires_at timestamptz)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select u.tenant_id, u.id, u.email, u.role, u.rate_limit_per_minute, t.expires_at
            from api_tokens t join users u on (u.tenant_id, u.id) = (t.tenant_id, t.user_id)
           where t.token_sha256 = wanted and t.revoked_at is null and t.expires_at > now() $$;

revoke execute on function app.find_login(text), app.find_token(bytea) from public;
grant execute on function app.find_login(text), app.find_token(bytea) to kv_app;
grant create on schema app to kv_auth;
alter function app.find_login(text) owner to kv_auth;
alter function app.find_token(bytea) owner to kv_auth;
revoke create on schema app from kv_auth;
