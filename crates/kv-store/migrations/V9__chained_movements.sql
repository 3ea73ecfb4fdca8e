-- A level's movements are chained: each one's hash covers the one before it. Movements that are older than this column have none.
alter table stock_movements add column hash bytea check (length(hash) = 32);
alter table stock_levels add column last_hash bytea check (length(last_hash) = 32);
grant update (last_hash) on stock_levels to kv_app;
