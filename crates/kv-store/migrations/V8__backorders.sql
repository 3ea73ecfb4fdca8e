-- A level may promise more than there is, up to a limit. What is not there cannot leave: the units on the shelf are never negative.
alter table stock_levels
    add column backorder_limit bigint not null default 0 check (backorder_limit >= 0),
    drop constraint stock_levels_quantity_check,
    add constraint stock_levels_backorder check (quantity >= -backorder_limit),
    add constraint stock_levels_on_hand check (quantity + reserved_quantity >= 0);
grant update (backorder_limit) on stock_levels to kv_app;
