-- The platform makes, suspends and resumes tenants over the interface, and lists them. These functions are the service's only way to
-- the table, and reach nothing else: a tenant's data stay behind its policies.
create function app.create_tenant(new_slug text, new_name text)
    returns table (id bigint, slug text, name text, status text, created_at timestamptz, suspended_at timestamptz)
    language sql volatile security definer set search_path = public, pg_temp
    as $$ insert into tenants (slug, name) values (new_slug, new_name)
          returning id, slug, name, status, created_at, suspended_at $$;

create function app.list_tenants(behind bigint, most integer)
    returns table (id bigint, slug text, name text, status text, created_at timestamptz, suspended_at timestamptz)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select t.id, t.slug, t.name, t.status, t.created_at, t.suspended_at
            from tenants t where t.id > behind order by t.id limit most $$;

create function app.set_tenant_status(wanted bigint, new_status text)
    returns table (id bigint, slug text, name text, status text, created_at timestamptz, suspended_at timestamptz)
    language sql volatile security definer set search_path = public, pg_temp
    as $$ update tenants t
             set status = new_status,
                 suspended_at = case new_status when 'suspended' then coalesce(t.suspended_at, now()) end
           where t.id = wanted
          returning t.id, t.slug, t.name, t.status, t.created_at, t.suspended_at $$;

revoke execute on function app.create_tenant(text, text), app.list_tenants(bigint, integer), app.set_tenant_status(bigint, text)
    from public;
grant execute on function app.create_tenant(text, text), app.list_tenants(bigint, integer), app.set_tenant_status(bigint, text)
    to kv_app;
