//! A database that was filled under an earlier schema: it migrates, and the ledger goes on from what is there.

use kv_store::access::Role;
use kv_store::stock::{Action, verify_chains};
use kv_store::{Store, StoreConfig};
use kv_types::order::OrderStatus;
use kv_types::stock::ReservationStatus;
use kv_types::{OrderId, ProductId, ReservationId, TenantId, UserId, WarehouseId};
use uuid::Uuid;

use crate::support::app_config;

/// The schema that the rows below were written under.
const BEFORE: [&str; 5] = [
    include_str!("../../migrations/V1__tenants_and_access.sql"),
    include_str!("../../migrations/V2__catalogue.sql"),
    include_str!("../../migrations/V3__stock_and_orders.sql"),
    include_str!("../../migrations/V4__idempotency_keys.sql"),
    include_str!("../../migrations/V5__orders_by_reference.sql"),
];
/// What came after.
const SINCE: [&str; 15] = [
    include_str!("../../migrations/V6__adjustments_and_transfers.sql"),
    include_str!("../../migrations/V7__lives_of_reservations_and_orders.sql"),
    include_str!("../../migrations/V8__backorders.sql"),
    include_str!("../../migrations/V9__chained_movements.sql"),
    include_str!("../../migrations/V10__pages_of_due_reservations.sql"),
    include_str!("../../migrations/V11__last_versions_of_reservations.sql"),
    include_str!("../../migrations/V12__lists.sql"),
    include_str!("../../migrations/V13__cursor_secret.sql"),
    include_str!("../../migrations/V14__imports.sql"),
    include_str!("../../migrations/V15__accounts_and_tokens.sql"),
    include_str!("../../migrations/V16__audit_log.sql"),
    include_str!("../../migrations/V17__tenants_over_the_interface.sql"),
    include_str!("../../migrations/V18__jobs.sql"),
    include_str!("../../migrations/V19__events.sql"),
    include_str!("../../migrations/V20__webhooks.sql"),
];

/// Ten came in; three are held, two by an order; two have left; one was given back.
const ROWS: &str = "
    insert into tenants (slug, name) values ('old', 'Old'), ('small', 'Small'), ('led', 'Led');
    insert into users (tenant_id, id, email, password_hash, role, created_at)
        select tenant, ('00000000-0000-0000-0000-0000000000e' || n)::uuid, email, '-', role, now() + n * interval '1 s'
          from (values (1, 1, 'Boss@Old.example', 'manager'), (1, 2, 'clerk@old.example', 'clerk'),
                       (2, 3, 'first@small.example', 'clerk'), (2, 4, 'second@small.example', 'clerk'),
                       (3, 5, 'owner@led.example', 'owner'), (3, 6, 'manager@led.example', 'manager'))
               as account (tenant, n, email, role);
    insert into customers (tenant_id, id, code, name) values (1, '00000000-0000-0000-0000-0000000000c1', 'C', 'C');
    insert into products (tenant_id, id, sku, name, price_minor, currency)
        values (1, '00000000-0000-0000-0000-0000000000a1', 'A', 'A', 100, 'EUR');
    insert into warehouses (tenant_id, id, code, name) values (1, '00000000-0000-0000-0000-0000000000b1', 'B', 'B');
    insert into stock_levels (tenant_id, product_id, warehouse_id, quantity, reserved_quantity, shipped_quantity,
            received_quantity, version)
        values (1, '00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-0000000000b1', 5, 3, 2, 10, 7);
    insert into receipts (tenant_id, id, actor_id)
        values (1, '00000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-0000000000e1');
    insert into orders (tenant_id, id, customer_id, status, currency, total_minor)
        values (1, '00000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-0000000000c1', 'pending', 'EUR', 200);
    insert into order_items (tenant_id, order_id, line, product_id, quantity, unit_price_minor)
        values (1, '00000000-0000-0000-0000-0000000000f1', 1, '00000000-0000-0000-0000-0000000000a1', 2, 100);
    insert into reservations (tenant_id, id, line, product_id, warehouse_id, quantity, fulfilled_quantity, status,
            level_version, order_id)
        select 1, ('00000000-0000-0000-0000-00000000010' || n)::uuid, 1, '00000000-0000-0000-0000-0000000000a1',
               '00000000-0000-0000-0000-0000000000b1', units, gone, status, level_version, order_id
          from (values (1, 2, 0, 'pending', 2, '00000000-0000-0000-0000-0000000000f1'::uuid), (2, 2, 2, 'fulfilled', 3, null),
                       (3, 1, 0, 'released', 4, null), (4, 1, 0, 'pending', 7, null))
               as held (n, units, gone, status, level_version, order_id);
    insert into stock_movements (tenant_id, product_id, warehouse_id, version, kind, d_quantity, d_reserved, d_shipped,
            d_received, quantity_after, reserved_after, reservation_id, order_id, receipt_id, actor_id)
        select 1, '00000000-0000-0000-0000-0000000000a1', '00000000-0000-0000-0000-0000000000b1', version, kind, q, r, s, t,
               q_after, r_after, ('00000000-0000-0000-0000-00000000010' || held)::uuid,
               case held when 1 then '00000000-0000-0000-0000-0000000000f1'::uuid end,
               case kind when 'received' then '00000000-0000-0000-0000-0000000000d1'::uuid end,
               '00000000-0000-0000-0000-0000000000e1'
          from (values (1, 'received', 10, 0, 0, 10, 10, 0, null), (2, 'reserved', -2, 2, 0, 0, 8, 2, 1),
                       (3, 'reserved', -2, 2, 0, 0, 6, 4, 2), (4, 'reserved', -1, 1, 0, 0, 5, 5, 3),
                       (5, 'shipped', 0, -2, 2, 0, 5, 3, 2), (6, 'released', 1, -1, 0, 0, 6, 2, 3),
                       (7, 'reserved', -1, 1, 0, 0, 5, 3, 4))
               as moved (version, kind, q, r, s, t, q_after, r_after, held)";

fn id(last: u128) -> Uuid {
    Uuid::from_u128(last)
}

#[tokio::test]
async fn an_older_ledger_goes_on() {
    let postgres = sandbox::testing::postgres().await;
    // The roles belong to the server, and come with its first database.
    drop(crate::support::database().await);
    let database = postgres.empty_database().await.unwrap();
    let superuser = database.connect().await.unwrap();
    let prepare = "grant create on schema public to kv_owner; grant usage on schema public to kv_app, kv_auth;
         do $$ begin execute format('grant create, connect on database %I to kv_owner', current_database());
                     execute format('grant connect on database %I to kv_app', current_database()); end $$;
         set role kv_owner";
    superuser.batch_execute(prepare).await.unwrap();
    for script in BEFORE {
        superuser.batch_execute(script).await.unwrap();
    }
    superuser.batch_execute(&format!("reset role; {ROWS}; set role kv_owner")).await.unwrap();
    for script in SINCE {
        superuser.batch_execute(script).await.unwrap();
    }
    let store = Store::open(&StoreConfig::new(app_config(&database))).unwrap();
    let (tenant, user) = (TenantId::new(1).unwrap(), UserId::from_uuid(id(0xe1)));
    let (product, warehouse) = (ProductId::from_uuid(id(0xa1)), WarehouseId::from_uuid(id(0xb1)));
    assert_eq!(store.audit_stock(tenant).await.unwrap(), vec![]);
    let receipts = store.receipts(tenant, None, 10).await.unwrap().rows;
    assert_eq!((receipts.len(), receipts[0].items[0].quantity.units()), (1, 10));

    let order = OrderId::from_uuid(id(0xf1));
    store.stock().confirm_order(tenant, user, order, None).await.unwrap();
    let shipped = store.stock().change_order(tenant, user, Action::FulfillOrder(order, None)).await.unwrap();
    assert_eq!((shipped.status, shipped.items[0].fulfilled_quantity), (OrderStatus::Fulfilled, 2));
    let held = ReservationId::from_uuid(id(0x104));
    let released = store.stock().release(tenant, user, held, None).await.unwrap();
    assert_eq!(released.status, ReservationStatus::Released);
    let level = store.stock_level(tenant, product, warehouse).await.unwrap().unwrap();
    assert_eq!((level.quantity, level.reserved_quantity, level.shipped_quantity, level.version), (6, 0, 4, 9));
    assert_eq!(store.audit_stock(tenant).await.unwrap(), vec![]);
    let mut broken = Vec::new();
    let verified = verify_chains(&database.url().parse().unwrap(), None, |each| broken.push(each)).await.unwrap();
    assert_eq!((verified.unwrap().unhashed, broken), (7, vec![]));

    // Every tenant has somebody who manages the accounts, and nobody may less than before.
    for (email, role) in [
        ("boss@old.example", Role::Owner),
        ("clerk@old.example", Role::Clerk),
        ("first@small.example", Role::Owner),
        ("second@small.example", Role::Clerk),
        ("owner@led.example", Role::Owner),
        ("manager@led.example", Role::Manager),
    ] {
        assert_eq!(store.find_login(email).await.unwrap().unwrap().account.role, role, "{email}");
    }
}
