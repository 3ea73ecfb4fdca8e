-- Customers, products and warehouses. Every key begins with tenant_id: isolation, and the shard key of tomorrow.
create table customers (
    tenant_id   bigint not null references tenants,
    id          uuid not null,
    code        text not null,
    name        text not null,
    email       text,
    phone       text,
    version     bigint not null default 1,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint customers_code unique (tenant_id, code)
);

create table products (
    tenant_id    bigint not null references tenants,
    id           uuid not null,
    sku          text not null,
    name         text not null,
    description  text,
    uom          text not null default 'unit',
    price_minor  bigint not null check (price_minor >= 0),
    currency     text not null check (currency ~ '^[A-Z]{3}$'),
    active       boolean not null default true,
    version      bigint not null default 1,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint products_sku unique (tenant_id, sku)
);

create table warehouses (
    tenant_id   bigint not null references tenants,
    id          uuid not null,
    code        text not null,
    name        text not null,
    -- Orders take stock from the lowest number first.
    priority    integer not null default 100,
    active      boolean not null default true,
    version     bigint not null default 1,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint warehouses_code unique (tenant_id, code)
);

do $$
declare t text;
begin
    foreach t in array array['customers', 'products', 'warehouses'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id())', t);
        execute format('grant select, delete on %I to kv_app', t);
    end loop;
end $$;
-- A row's key and its time of creation are never changed.
grant insert (tenant_id, id, code, name, email, phone), update (code, name, email, phone, version, updated_at)
    on customers to kv_app;
grant insert (tenant_id, id, sku, name, description, uom, price_minor, currency, active),
      update (sku, name, description, uom, price_minor, currency, active, version, updated_at) on products to kv_app;
grant insert (tenant_id, id, code, name, priority, active), update (code, name, priority, active, version, updated_at)
    on warehouses to kv_app;
