-- Where in the order of a level's movements a reservation's last one stands: its making, until a part of it leaves, comes back, or
-- is given back.
alter table reservations add column last_version bigint;
-- The owner sees its tables' rows only with a tenant, of which there may be many.
alter table reservations no force row level security;
alter table stock_movements no force row level security;
update reservations r set last_version = m.version
  from (select tenant_id, reservation_id, product_id, warehouse_id, max(version) as version
          from stock_movements where reservation_id is not null
         group by tenant_id, reservation_id, product_id, warehouse_id) m
 where r.tenant_id = m.tenant_id and r.id = m.reservation_id
   and r.product_id = m.product_id and r.warehouse_id = m.warehouse_id;
update reservations set last_version = level_version where last_version is null;
alter table stock_movements force row level security;
alter table reservations force row level security;
alter table reservations alter column last_version set not null,
    add constraint reservations_last_version check (last_version >= level_version);
grant insert (last_version), update (last_version) on reservations to kv_app;
