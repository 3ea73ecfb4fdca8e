-- Reservations that end by themselves, end in parts, and whose goods come back; orders that are shipped.
alter table reservations
    add column expires_at timestamptz,
    -- expires_at as long as the reservation is pending. Not the status but this column is what the indexes look at, so that the
    -- end of a reservation without a life touches no index.
    add column due_at timestamptz,
    add column returned_quantity bigint not null default 0,
    drop constraint reservations_check1,
    drop constraint reservations_status_check,
    add constraint reservations_status check (status in ('pending', 'fulfilled', 'released', 'expired')),
    add constraint reservations_fulfilled check (fulfilled_quantity = 0 or status in ('pending', 'fulfilled')),
    add constraint reservations_returned check (returned_quantity between 0 and fulfilled_quantity),
    add constraint reservations_due check (due_at is not distinct from case status when 'pending' then expires_at end);
create index reservations_due on reservations (due_at) where due_at is not null;
create index reservations_due_by_level on reservations (tenant_id, product_id, warehouse_id, due_at) where due_at is not null;

alter table orders
    drop constraint orders_status_check,
    add constraint orders_status
        check (status in ('pending', 'confirmed', 'partially_fulfilled', 'fulfilled', 'cancelled', 'expired'));

grant insert (expires_at, due_at), update (expires_at, due_at, returned_quantity) on reservations to kv_app;

-- The sweeper knows no tenant. This function is its only way past the policies, and it gives ids alone; ending a reservation is
-- the ledger's, tenant by tenant.
create policy due on reservations for select to kv_owner using (due_at <= now());
create function app.due_reservations(most integer) returns table (tenant_id bigint, id uuid)
    language sql stable security definer set search_path = public, pg_temp
    as $$ select r.tenant_id, r.id from reservations r where r.due_at <= now()
           group by r.tenant_id, r.id order by min(r.due_at) limit most $$;
revoke execute on function app.due_reservations(integer) from public;
grant execute on function app.due_reservations(integer) to kv_app;
