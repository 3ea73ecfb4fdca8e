-- A caller looks for its order by its own word for it.
create index orders_by_reference on orders (tenant_id, reference, id) where reference is not null;
