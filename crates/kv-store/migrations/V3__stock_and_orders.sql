-- Stock. A row refuses what is wrong, whoever writes it: conservation is a CHECK, and the movements' key is a version without
-- gaps, so a lost update is a key violation.
create table stock_levels (
    tenant_id          bigint not null references tenants,
    product_id         uuid not null,
    warehouse_id       uuid not null,
    -- Available. A reservation moves units from here to reserved_quantity.
    quantity           bigint not null default 0 check (quantity >= 0),
    reserved_quantity  bigint not null default 0 check (reserved_quantity >= 0),
    shipped_quantity   bigint not null default 0 check (shipped_quantity >= 0),
    received_quantity  bigint not null default 0,
    version            bigint not null default 0,
    updated_at         timestamptz not null default now(),
    primary key (tenant_id, product_id, warehouse_id),
    constraint stock_levels_conservation check (quantity + reserved_quantity + shipped_quantity = received_quantity),
    constraint stock_levels_product foreign key (tenant_id, product_id) references products,
    constraint stock_levels_warehouse foreign key (tenant_id, warehouse_id) references warehouses
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);
-- For the DELETE of a warehouse, which otherwise reads every level. The column never changes, so updates of a level stay HOT.
create index stock_levels_by_warehouse on stock_levels (tenant_id, warehouse_id);

create table stock_movements (
    tenant_id       bigint not null,
    product_id      uuid not null,
    warehouse_id    uuid not null,
    version         bigint not null check (version > 0),
    kind            text not null,
    d_quantity      bigint not null,
    d_reserved      bigint not null,
    d_shipped       bigint not null,
    d_received      bigint not null,
    quantity_after  bigint not null,
    reserved_after  bigint not null,
    reservation_id  uuid,
    order_id        uuid,
    receipt_id      uuid,
    actor_id        uuid not null,
    created_at      timestamptz not null default clock_timestamp(),
    primary key (tenant_id, product_id, warehouse_id, version),
    constraint stock_movements_balance check (d_quantity + d_reserved + d_shipped = d_received),
    constraint stock_movements_effect check (case kind
        when 'received' then d_received > 0 and d_quantity = d_received and d_reserved = 0
        when 'reserved' then d_reserved > 0 and d_quantity = -d_reserved and d_shipped = 0
        when 'released' then d_reserved < 0 and d_quantity = -d_reserved and d_shipped = 0
        when 'shipped'  then d_shipped > 0 and d_reserved = -d_shipped and d_quantity = 0
        else false end)
);

create function app.refuse_change() returns trigger language plpgsql
    as $$ begin raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation'; end $$;
create trigger stock_movements_append_only before update or delete or truncate on stock_movements
    for each statement execute function app.refuse_change();

create table receipts (
    tenant_id   bigint not null references tenants,
    id          uuid not null,
    reference   text,
    actor_id    uuid not null,
    created_at  timestamptz not null default now(),
    primary key (tenant_id, id)
);

-- Six digits from the first one on.
create sequence order_numbers as bigint start with 100001;
grant usage on sequence order_numbers to kv_app;

create table orders (
    tenant_id    bigint not null references tenants,
    id           uuid not null,
    -- From a sequence, not a counter row: gaps are allowed, waiting for one another is not.
    number       bigint not null default nextval('order_numbers'),
    customer_id  uuid not null,
    status       text not null check (status in ('pending', 'confirmed', 'cancelled')),
    currency     text not null check (currency ~ '^[A-Z]{3}$'),
    total_minor  bigint not null check (total_minor >= 0),
    reference    text,
    version      bigint not null default 1,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    primary key (tenant_id, id),
    constraint orders_number unique (tenant_id, number),
    constraint orders_customer foreign key (tenant_id, customer_id) references customers
);
-- For the DELETE of a customer, as order_items_by_product is for that of a product.
create index orders_by_customer on orders (tenant_id, customer_id);

-- One reservation has one row per level it holds stock of.
create table reservations (
    tenant_id           bigint not null,
    id                  uuid not null,
    line                integer not null check (line > 0),
    product_id          uuid not null,
    warehouse_id        uuid not null,
    quantity            bigint not null check (quantity > 0),
    fulfilled_quantity  bigint not null default 0,
    status              text not null check (status in ('pending', 'fulfilled', 'released')),
    -- The level's version that this line's reservation made.
    level_version       bigint not null,
    order_id            uuid,
    reference           text,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    primary key (tenant_id, id, line),
    check (fulfilled_quantity between 0 and quantity),
    check ((status = 'fulfilled') = (fulfilled_quantity > 0)),
    constraint reservations_level foreign key (tenant_id, product_id, warehouse_id) references stock_levels,
    constraint reservations_order foreign key (tenant_id, order_id) references orders
);
-- order_id is no part of the primary key, so that an order finds its stock by this index.
create index reservations_order on reservations (tenant_id, order_id) where order_id is not null;

create table order_items (
    tenant_id         bigint not null,
    order_id          uuid not null,
    line              integer not null check (line > 0),
    product_id        uuid not null,
    quantity          bigint not null check (quantity > 0),
    unit_price_minor  bigint not null check (unit_price_minor >= 0),
    primary key (tenant_id, order_id, line),
    constraint order_items_order foreign key (tenant_id, order_id) references orders,
    constraint order_items_product foreign key (tenant_id, product_id) references products
);
create index order_items_by_product on order_items (tenant_id, product_id);

-- Fencing tokens of the lock service: a write that carries an older token than the newest seen here is refused.
create table lock_fences (
    tenant_id  bigint not null references tenants,
    resource   text not null,
    fence      bigint not null check (fence > 0),
    primary key (tenant_id, resource)
);
-- One number per life of a lock back end; it is the high part of every fencing token and has 18 bits there.
create sequence lock_epochs as bigint maxvalue 262143;
grant usage on sequence lock_epochs to kv_app;

do $$
declare t text;
begin
    foreach t in array array['stock_levels', 'stock_movements', 'receipts', 'orders', 'reservations', 'order_items', 'lock_fences'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id())', t);
    end loop;
end $$;
-- What the service does and no more: nothing is deleted, and of a row only what its life changes may be written again.
grant select on stock_levels, stock_movements, orders, order_items, reservations, lock_fences to kv_app;
grant insert on stock_movements, receipts, order_items to kv_app;
grant insert (tenant_id, product_id, warehouse_id),
      update (quantity, reserved_quantity, shipped_quantity, received_quantity, version, updated_at) on stock_levels to kv_app;
grant insert (tenant_id, id, customer_id, status, currency, total_minor, reference, created_at),
      update (status, version, updated_at) on orders to kv_app;
grant insert (tenant_id, id, line, product_id, warehouse_id, quantity, status, level_version, order_id, reference, created_at),
      update (status, fulfilled_quantity, updated_at) on reservations to kv_app;
grant insert, update (fence) on lock_fences to kv_app;
