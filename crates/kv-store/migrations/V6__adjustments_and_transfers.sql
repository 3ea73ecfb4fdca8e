-- Corrections of stock, and moves between warehouses. Their lines are movements, as a receipt's are.
create table adjustments (
    tenant_id   bigint not null references tenants,
    id          uuid not null,
    reason      text not null,
    reference   text,
    actor_id    uuid not null,
    created_at  timestamptz not null,
    primary key (tenant_id, id)
);

create table transfers (
    tenant_id          bigint not null references tenants,
    id                 uuid not null,
    from_warehouse_id  uuid not null,
    to_warehouse_id    uuid not null,
    reference          text,
    actor_id           uuid not null,
    created_at         timestamptz not null,
    primary key (tenant_id, id),
    constraint transfers_between_two check (from_warehouse_id <> to_warehouse_id)
);

alter table stock_movements
    add column adjustment_id uuid,
    add column transfer_id uuid,
    -- The place in the document, from 1. Documents that are older than this column have none.
    add column document_line integer check (document_line > 0),
    add column reason text,
    -- Time ends a reservation by itself; everything else is done by somebody.
    alter column actor_id drop not null,
    add constraint stock_movements_actor check (actor_id is not null or kind = 'expired'),
    add constraint stock_movements_reason check (kind <> 'adjusted' or (reason is not null and adjustment_id is not null)),
    add constraint stock_movements_transfer check ((kind in ('transferred_out', 'transferred_in')) = (transfer_id is not null)),
    drop constraint stock_movements_effect,
    add constraint stock_movements_effect check (case kind
        when 'received'        then d_received > 0 and d_quantity = d_received and d_reserved = 0
        -- Zero when a count found what the level said.
        when 'adjusted'        then d_quantity = d_received and d_reserved = 0
        when 'reserved'        then d_reserved > 0 and d_quantity = -d_reserved and d_shipped = 0
        when 'released'        then d_reserved < 0 and d_quantity = -d_reserved and d_shipped = 0
        when 'expired'         then d_reserved < 0 and d_quantity = -d_reserved and d_shipped = 0
        when 'shipped'         then d_shipped > 0 and d_reserved = -d_shipped and d_quantity = 0
        when 'returned'        then d_shipped < 0 and d_quantity = -d_shipped and d_reserved = 0
        when 'transferred_out' then d_received < 0 and d_quantity = d_received and d_reserved = 0
        when 'transferred_in'  then d_received > 0 and d_quantity = d_received and d_reserved = 0
        else false end);
-- A document's lines. Nothing of what orders and reservations do is in it.
create index stock_movements_by_document on stock_movements (tenant_id, (coalesce(receipt_id, adjustment_id, transfer_id)))
    where coalesce(receipt_id, adjustment_id, transfer_id) is not null;

do $$
declare t text;
begin
    foreach t in array array['adjustments', 'transfers'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy tenant on %I using (tenant_id = app.tenant_id()) with check (tenant_id = app.tenant_id())', t);
    end loop;
end $$;
grant select, insert on adjustments, transfers to kv_app;
grant select on receipts to kv_app;
