//! The audit finds every kind of damage, with the guards of the schema taken away.

use std::time::Duration;

use kv_store::stock::{Action, LedgerFault};
use kv_store::{Store, StoreConfig};
use sandbox::testing::eventually;

use crate::isolation::fill;
use crate::support::{House, app_config};

/// Damage, and what is found: whether at a level or at an order, and the words.
const DAMAGES: [(&str, &str, &str); 22] = [
    ("update stock_levels set quantity = quantity + 1", "level", "units are not conserved"),
    (
        "update stock_levels set quantity = quantity + 1, received_quantity = received_quantity + 1",
        "level",
        "the ledger does not sum to the level",
    ),
    (
        "update stock_levels set quantity = -quantity - 1, received_quantity = received_quantity - 2 * quantity - 1",
        "level",
        "more is promised than may be",
    ),
    ("update stock_levels set version = version + 1", "level", "the ledger has a gap"),
    ("delete from stock_movements where version = 2", "level", "the ledger has a gap"),
    ("delete from stock_movements", "level", "the ledger has a gap"),
    (
        "update stock_movements set quantity_after = 99 where version = 2",
        "level",
        "an after-image differs from the sum so far",
    ),
    (
        "update reservations set quantity = 9 where order_id is null",
        "level",
        "held units are not those of the pending reservations",
    ),
    ("delete from stock_levels", "level", "movements or reservations are without a level"),
    (
        "delete from stock_levels; delete from reservations; delete from order_items; delete from orders",
        "level",
        "movements or reservations are without a level",
    ),
    ("delete from stock_levels; delete from stock_movements", "level", "movements or reservations are without a level"),
    ("update order_items set quantity = 3", "order", "held units are not those of the order"),
    ("delete from reservations where order_id is not null", "order", "held units are not those of the order"),
    ("update orders set status = 'fulfilled' where status = 'pending'", "order", "the order is not where its stock is"),
    ("update orders set status = 'confirmed'", "order", "the order is not where its stock is"),
    ("update orders set status = 'expired'", "order", "stock of an expired order was not given back"),
    (
        "update reservations set returned_quantity = 1 where status = 'fulfilled'",
        "level",
        "a reservation is not what its movements say",
    ),
    ("update reservations set last_version = last_version + 1", "level", "a reservation is not what its movements say"),
    (
        "update reservations set id = gen_random_uuid() where order_id is null",
        "level",
        "a reservation is not what its movements say",
    ),
    (
        "update stock_movements set transfer_id = gen_random_uuid() where kind = 'transferred_in'",
        "level",
        "a transfer does not balance",
    ),
    ("update orders set status = 'cancelled'", "order", "stock of a cancelled order was not given back"),
    ("delete from orders", "order", "lines or reservations are without an order"),
];

fn words(fault: &LedgerFault) -> (&'static str, &str) {
    match fault {
        LedgerFault::Level { fault, .. } => ("level", fault),
        LedgerFault::Order { fault, .. } => ("order", fault),
    }
}

#[tokio::test]
async fn every_damage_is_found() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    fill(&house, house.two, "b").await;
    let stock = house.store.stock();
    let order = crate::isolation::order_of(goods.customer.id, goods.key.0, 1);
    let order = stock.place_order(house.one.tenant, house.one.user, order, None).await.unwrap();
    stock.cancel_order(house.one.tenant, house.one.user, order.id, None).await.unwrap();
    let order = crate::isolation::order_of(goods.customer.id, goods.key.0, 1);
    let order = stock.place_order(house.one.tenant, house.one.user, order, None).await.unwrap();
    stock.confirm_order(house.one.tenant, house.one.user, order.id, None).await.unwrap();
    let shipped = Action::FulfillOrder(order.id, None);
    stock.change_order(house.one.tenant, house.one.user, shipped).await.unwrap();
    house.assert_ledger_holds().await;
    let superuser = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    superuser
        .batch_execute(
            "alter table stock_levels drop constraint stock_levels_conservation, drop constraint stock_levels_backorder,
                 drop constraint stock_levels_on_hand;
             set session_replication_role = replica;
             create schema kept;
             create table kept.stock_levels as table stock_levels; create table kept.stock_movements as table stock_movements;
             create table kept.reservations as table reservations; create table kept.orders as table orders;
             create table kept.order_items as table order_items",
        )
        .await
        .unwrap();
    for (damage, place, expected) in DAMAGES {
        superuser.batch_execute(damage).await.unwrap();
        let found = house.store.audit_stock(house.one.tenant).await.unwrap();
        assert!(found.iter().map(words).any(|fault| fault == (place, expected)), "{damage}: {found:?}");
        for table in ["stock_levels", "stock_movements", "reservations", "orders", "order_items"] {
            let restore = format!("delete from {table}; insert into {table} table kept.{table}");
            superuser.batch_execute(&restore).await.unwrap();
        }
        house.assert_ledger_holds().await;
    }
}

/// An order of which nothing is left but its row.
#[tokio::test]
async fn an_order_without_lines_is_found() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let superuser = house.database.connect().await.unwrap();
    let damage = "set session_replication_role = replica; delete from order_items; delete from reservations where order_id is not null";
    superuser.batch_execute(damage).await.unwrap();
    let found = house.store.audit_stock(house.one.tenant).await.unwrap();
    let fault = LedgerFault::Order { order: goods.order.id, product: None, fault: "the order has no lines".to_owned() };
    assert!(found.contains(&fault), "{found:?}");
}

/// A ledger that takes longer to read than the session's statement limit is read nevertheless.
#[tokio::test]
async fn the_audit_has_a_limit_of_its_own() {
    let house = House::new().await;
    fill(&house, house.one, "a").await;
    let mut hurried = app_config(&house.database);
    hurried.config_mut().options("-c statement_timeout=1s -c lock_timeout=0");
    let mut config = StoreConfig::new(hurried);
    config.pool_size = 1;
    let store = Store::open(&config).unwrap();
    // The first time the statements are prepared, which looks at the tables too and has the session's limit.
    assert_eq!(store.audit_stock(house.one.tenant).await.unwrap(), vec![]);
    let (holder, watcher) = (house.database.connect().await.unwrap(), house.database.connect().await.unwrap());
    holder.batch_execute("begin; lock table stock_movements in access exclusive mode").await.unwrap();
    let let_go = async {
        let waiting = "select exists (select from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '1500 ms')";
        eventually(Duration::from_secs(20), async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0))
            .await;
        holder.batch_execute("commit").await.unwrap();
    };
    let (found, ()) = tokio::join!(store.audit_stock(house.one.tenant), let_go);
    assert_eq!(found.unwrap(), vec![]);
}

/// Nobody waits for it any more, so PostgreSQL does not go on with it, and its connection is nobody else's.
#[tokio::test]
async fn an_audit_that_is_dropped_ends_in_postgresql_too() {
    let house = House::new().await;
    fill(&house, house.one, "a").await;
    let mut patient = app_config(&house.database);
    patient.config_mut().options("-c lock_timeout=0");
    let mut config = StoreConfig::new(patient);
    config.pool_size = 1;
    let store = Store::open(&config).unwrap();
    assert_eq!(store.audit_stock(house.one.tenant).await.unwrap(), vec![]);
    let (holder, watcher) = (house.database.connect().await.unwrap(), house.database.connect().await.unwrap());
    holder.batch_execute("begin; lock table stock_movements in access exclusive mode").await.unwrap();
    let waits = async || -> bool {
        let waiting =
            "select exists (select from pg_stat_activity where datname = current_database() and usename = 'kv_app'
            and wait_event_type = 'Lock')";
        watcher.query_one(waiting, &[]).await.unwrap().get(0)
    };
    let dropped = {
        let (store, tenant) = (store.clone(), house.one.tenant);
        tokio::spawn(async move { store.audit_stock(tenant).await })
    };
    eventually(Duration::from_secs(20), &waits).await;
    dropped.abort();
    eventually(Duration::from_secs(20), async || !waits().await).await;
    let late = store.audit_stock_within(house.one.tenant, Duration::from_millis(300)).await;
    assert!(matches!(late, Err(kv_store::StoreError::LockTimeout)), "{late:?}");
    eventually(Duration::from_secs(20), async || !waits().await).await;
    holder.batch_execute("commit").await.unwrap();
    assert_eq!(store.audit_stock(house.one.tenant).await.unwrap(), vec![]);
}
