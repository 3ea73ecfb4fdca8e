-- What the filters, the sorts and the searches of lists need.
create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- Lists by the time of making, oldest or newest first. Rows come in that order, so each insert adds at the right end.
create index customers_by_creation on customers (tenant_id, created_at, id);
create index products_by_creation on products (tenant_id, created_at, id);
create index orders_by_creation on orders (tenant_id, created_at, id);
create index reservations_by_creation on reservations (tenant_id, created_at, id) where line = 1;
create index receipts_by_creation on receipts (tenant_id, created_at, id);
create index adjustments_by_creation on adjustments (tenant_id, created_at, id);
create index transfers_by_creation on transfers (tenant_id, created_at, id);
create index customers_by_name on customers (tenant_id, name, id);
create index products_by_name on products (tenant_id, name, id);
create index customers_by_email on customers (tenant_id, email, id) where email is not null;
create index reservations_by_reference on reservations (tenant_id, reference, id) where line = 1 and reference is not null;
create index receipts_by_reference on receipts (tenant_id, reference, id) where reference is not null;
create index adjustments_by_reference on adjustments (tenant_id, reference, id) where reference is not null;
create index transfers_by_reference on transfers (tenant_id, reference, id) where reference is not null;

-- Text anywhere in a row's words. A line feed stands between them, which none of them has, so no text is found across two. With the
-- tenant in the index, another tenant's rows with the text are not looked at.
create index customers_by_text on customers
    using gin (tenant_id, (lower(code || E'\n' || name || E'\n' || coalesce(email, ''))) gin_trgm_ops);
create index products_by_text on products using gin (tenant_id, (lower(sku || E'\n' || name)) gin_trgm_ops);
create index warehouses_by_text on warehouses using gin (tenant_id, (lower(code || E'\n' || name)) gin_trgm_ops);

-- LIKE might tell what it compares, so under row-level security PostgreSQL compares only rows that the policy has let pass, and no
-- index is used. These functions look past the policies and give ids alone, of the transaction's own tenant; nothing is shown by
-- them. kv_auth owns them, as it owns the other ways past the policies, and may read no other column.
create policy search on customers for select to kv_auth using (true);
create policy search on products for select to kv_auth using (true);
create policy search on warehouses for select to kv_auth using (true);
-- kv_owner is a member of kv_auth and would be let past with it. kv_auth is no member of kv_owner, so the functions are not held up.
create policy owner on customers as restrictive for select to kv_owner using (tenant_id = app.tenant_id());
create policy owner on products as restrictive for select to kv_owner using (tenant_id = app.tenant_id());
create policy owner on warehouses as restrictive for select to kv_owner using (tenant_id = app.tenant_id());
grant select (tenant_id, id, code, name, email) on customers to kv_auth;
grant select (tenant_id, id, sku, name) on products to kv_auth;
grant select (tenant_id, id, code, name) on warehouses to kv_auth;

create function app.find_customers(wanted_tenant bigint, pattern text, most integer) returns uuid[]
    language sql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_indexscan = off
    as $$ select array_agg(id) from (
              select id from customers where tenant_id = wanted_tenant and tenant_id = app.tenant_id()
                 and lower(code || E'\n' || name || E'\n' || coalesce(email, '')) like lower(pattern) limit most) found $$;
create function app.find_products(wanted_tenant bigint, pattern text, most integer) returns uuid[]
    language sql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_indexscan = off
    as $$ select array_agg(id) from (
              select id from products where tenant_id = wanted_tenant and tenant_id = app.tenant_id()
                 and lower(sku || E'\n' || name) like lower(pattern) limit most) found $$;
create function app.find_warehouses(wanted_tenant bigint, pattern text, most integer) returns uuid[]
    language sql stable security definer set search_path = public, pg_temp set enable_seqscan = off set enable_indexscan = off
    as $$ select array_agg(id) from (
              select id from warehouses where tenant_id = wanted_tenant and tenant_id = app.tenant_id()
                 and lower(code || E'\n' || name) like lower(pattern) limit most) found $$;

do $$
declare f text;
begin
    execute 'grant create on schema app to kv_auth';
    foreach f in array array['find_customers', 'find_products', 'find_warehouses'] loop
        execute format('revoke execute on function app.%I(bigint, text, integer) from public', f);
        execute format('grant execute on function app.%I(bigint, text, integer) to kv_app', f);
        execute format('alter function app.%I(bigint, text, integer) owner to kv_auth', f);
    end loop;
    execute 'revoke create on schema app from kv_auth';
end $$;
