//! Stock under real concurrency.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use kv_store::stock::{Refusal, StockError};
use kv_types::order::{OrderLine, OrderStatus, PlaceOrder};
use kv_types::stock::{MAX_LINES, ReservationStatus, Reserve, ReserveLine};
use kv_types::{ProductId, WarehouseId};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::{House, quantity, reserve};

fn short(error: StockError) -> Vec<kv_store::stock::Shortage> {
    match error {
        StockError::Refused(Refusal::Short(short)) => short,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_unit_is_sold_once() {
    let house = House::with(|config| config.stock_writers = 4).await;
    let key = house.stocked(house.one, "a", 50).await;
    let attempts = (0..100).map(|_| {
        let store = house.store.clone();
        let account = house.one;
        tokio::spawn(
            async move { store.stock().reserve(account.tenant, account.user, reserve(&[(key, 1)]), None).await },
        )
    });
    let outcomes = join_all(attempts).await;
    let won = outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
    assert_eq!(won, 50);
    for outcome in outcomes {
        if let Err(error) = outcome.unwrap() {
            assert_eq!(short(error)[0].available, 0);
        }
    }
    let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
    assert_eq!((level.quantity, level.reserved_quantity, level.version), (0, 50, 51));
    house.assert_ledger_holds().await;
}

/// Two stores are two processes: separate writers, one database. The row arbitrates.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_never_oversell_and_never_deadlock() {
    let house = House::with(|config| config.stock_writers = 4).await;
    let other = House::with(|_| {}).await;
    drop(other);
    let second =
        kv_store::Store::open(&kv_store::StoreConfig::new(crate::support::app_config(&house.database))).unwrap();
    let mut keys = Vec::new();
    for sku in ["a", "b", "c", "d", "e"] {
        keys.push(house.stocked(house.one, sku, 400).await);
    }
    let tasks = (0..16_u64).map(|seed| {
        let store = if seed % 2 == 0 { house.store.clone() } else { second.clone() };
        let (account, keys) = (house.one, keys.clone());
        tokio::spawn(async move {
            let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
            let mut units = 0;
            for _ in 0..60 {
                // Lines in any order, so that only the store's own order stands between us and a deadlock.
                let lines: Vec<_> = keys.sample(&mut rng, 3).map(|&key| (key, 1)).collect();
                match store.stock().reserve(account.tenant, account.user, reserve(&lines), None).await {
                    Ok(held) if rng.random_bool(0.3) => {
                        store.stock().release(account.tenant, account.user, held.id, None).await.unwrap();
                    }
                    Ok(held) => units += held.items.iter().map(|item| item.quantity).sum::<i64>(),
                    Err(StockError::Refused(Refusal::Short(_))) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            units
        })
    });
    let mut held = 0;
    for task in join_all(tasks).await {
        held += task.unwrap();
    }
    let mut reserved = 0;
    for key in keys {
        reserved += house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap().reserved_quantity;
    }
    assert_eq!(reserved, held);
    for store in [&house.store, &second] {
        assert_eq!(store.stock().stats().deadlocks.load(Ordering::Relaxed), 0);
        assert_eq!(store.stock().stats().failed_batches.load(Ordering::Relaxed), 0);
    }
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn every_short_line_is_reported_and_nothing_is_held() {
    let house = House::new().await;
    let (a, b, c) = (
        house.stocked(house.one, "a", 3).await,
        house.stocked(house.one, "b", 100).await,
        house.stocked(house.one, "c", 5).await,
    );
    // a is asked for twice: alone each line would pass.
    let wish = reserve(&[(a, 2), (b, 10), (c, 6), (a, 2)]);
    let error = house.store.stock().reserve(house.one.tenant, house.one.user, wish, None).await.unwrap_err();
    let lines: Vec<_> = short(error).into_iter().map(|s| (s.line, s.requested, s.available)).collect();
    assert_eq!(lines, [(0, 4, 3), (2, 6, 5)]);
    for key in [a, b, c] {
        let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
        assert_eq!((level.reserved_quantity, level.version), (0, 1));
    }
}

#[tokio::test]
async fn a_hundred_lines_are_one_decision() {
    let house = House::new().await;
    let mut lines = Vec::new();
    for index in 0..MAX_LINES {
        lines.push((house.stocked(house.one, &format!("p{index}"), 2).await, 1));
    }
    let held = house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&lines), None).await.unwrap();
    assert_eq!(held.items.len(), MAX_LINES);
    let read = house.store.reservation(house.one.tenant, held.id).await.unwrap().unwrap();
    assert_eq!(read, held);
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_reservation_ends_once() {
    let house = House::new().await;
    let key = house.stocked(house.one, "a", 10).await;
    let (tenant, user) = (house.one.tenant, house.one.user);
    let ledger = house.store.stock();
    let released = ledger.reserve(tenant, user, reserve(&[(key, 4)]), None).await.unwrap();
    let shipped = ledger.reserve(tenant, user, reserve(&[(key, 3)]), None).await.unwrap();
    for _ in 0..2 {
        assert_eq!(ledger.release(tenant, user, released.id, None).await.unwrap().status, ReservationStatus::Released);
        assert_eq!(ledger.ship(tenant, user, shipped.id, None).await.unwrap().status, ReservationStatus::Fulfilled);
    }
    let error = ledger.ship(tenant, user, released.id, None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::AlreadyReleased)), "{error:?}");
    let error = ledger.release(tenant, user, shipped.id, None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::AlreadyFulfilled)), "{error:?}");
    let level = house.store.stock_level(tenant, key.0, key.1).await.unwrap().unwrap();
    assert_eq!((level.quantity, level.reserved_quantity, level.shipped_quantity, level.version), (7, 0, 3, 5));
    let kinds: Vec<_> = house
        .store
        .stock_movements(tenant, key, 0, 10)
        .await
        .unwrap()
        .rows
        .into_iter()
        .map(|movement| (movement.version, movement.kind))
        .collect();
    let kinds: Vec<_> = kinds.iter().map(|(version, kind)| (*version, kind.as_str())).collect();
    assert_eq!(kinds, [(1, "received"), (2, "reserved"), (3, "reserved"), (4, "released"), (5, "shipped")]);
    house.assert_ledger_holds().await;
}

async fn two_places(house: &House, units: [i64; 2]) -> (ProductId, [WarehouseId; 2]) {
    let product = house.product(house.one, "split").await;
    let far = house.warehouse(house.one, "far", 20).await;
    let near = house.warehouse(house.one, "near", 10).await;
    house.receive(house.one, (product, near), units[0]).await;
    house.receive(house.one, (product, far), units[1]).await;
    (product, [near, far])
}

#[tokio::test]
async fn a_line_without_a_warehouse_goes_by_priority_and_splits_when_it_must() {
    let house = House::new().await;
    let (product, [near, far]) = two_places(&house, [3, 5]).await;
    let take = async |units: i64| {
        let lines = vec![ReserveLine { product, warehouse: None, quantity: quantity(units) }];
        let wish = Reserve { lines, reference: None, ttl: None };
        let held = house.store.stock().reserve(house.one.tenant, house.one.user, wish, None).await?;
        let mut taken: Vec<_> = held.items.iter().map(|item| (item.warehouse_id, item.quantity)).collect();
        taken.sort_unstable_by_key(|(warehouse, _)| *warehouse != near);
        Ok::<_, StockError>(taken)
    };
    assert_eq!(take(2).await.unwrap(), [(near, 2)], "the nearest that has it all");
    assert_eq!(take(4).await.unwrap(), [(far, 4)], "the next that has it all, rather than a split");
    assert_eq!(take(2).await.unwrap(), [(near, 1), (far, 1)], "a split when no one has it all");
    assert_eq!(short(take(1).await.unwrap_err())[0].available, 0);
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn an_order_holds_its_stock_until_it_is_cancelled() {
    let house = House::new().await;
    let (product, [near, far]) = two_places(&house, [3, 5]).await;
    let (tenant, user) = (house.one.tenant, house.one.user);
    let new = kv_types::catalogue::NewCustomer { code: "c".to_owned(), name: "C".to_owned(), email: None, phone: None };
    let customer = house.store.create_customer(tenant, &new).await.unwrap().id;
    let line = |units| OrderLine { product, quantity: quantity(units) };
    let wish = PlaceOrder {
        customer,
        lines: vec![line(3), line(4)],
        reference: Some("web-1".to_owned()),
        ttl: None,
        allow_partial: false,
    };
    let order = house.store.stock().place_order(tenant, user, wish.clone(), None).await.unwrap();
    assert_eq!((order.status, order.total_minor, order.items.len()), (OrderStatus::Pending, 7 * 250, 1));
    assert!(order.order_number > 0);
    assert_eq!(house.store.order(tenant, order.id).await.unwrap().unwrap(), order);
    assert_eq!(house.store.orders(tenant, None, 10).await.unwrap().rows, std::slice::from_ref(&order));
    assert_eq!(short(house.store.stock().place_order(tenant, user, wish, None).await.unwrap_err())[0].available, 1);

    let reservation = order.reservation_id.unwrap();
    let error = house.store.stock().release(tenant, user, reservation, None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::BelongsToOrder(id)) if id == order.id), "{error:?}");
    let confirmed = house.store.stock().confirm_order(tenant, user, order.id, None).await.unwrap();
    assert_eq!((confirmed.status, confirmed.version), (OrderStatus::Confirmed, 2));
    for _ in 0..2 {
        let cancelled = house.store.stock().cancel_order(tenant, user, order.id, None).await.unwrap();
        assert_eq!((cancelled.status, cancelled.version), (OrderStatus::Cancelled, 3));
    }
    let error = house.store.stock().confirm_order(tenant, user, order.id, None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::OrderState(OrderStatus::Cancelled, _))), "{error:?}");
    for (warehouse, units) in [(near, 3), (far, 5)] {
        let level = house.store.stock_level(tenant, product, warehouse).await.unwrap().unwrap();
        assert_eq!((level.quantity, level.reserved_quantity), (units, 0));
    }
    house.assert_ledger_holds().await;
}

/// A row lock held by somebody else costs those who need that row a refusal in time, and nobody else anything.
#[tokio::test]
async fn a_lock_held_elsewhere_is_a_timeout_not_a_hang() {
    let house = House::with(|config| config.stock_writers = 1).await;
    let (stuck, free) = (house.stocked(house.one, "stuck", 5).await, house.stocked(house.one, "free", 5).await);
    let superuser = house.database.connect().await.unwrap();
    superuser.batch_execute("begin").await.unwrap();
    superuser.execute("select 1 from stock_levels where product_id = $1 for update", &[&stuck.0.uuid()]).await.unwrap();
    let (tenant, user) = (house.one.tenant, house.one.user);
    let wish = |key| house.store.stock().reserve(tenant, user, reserve(&[(key, 1)]), None);
    let both = async { tokio::join!(wish(stuck), wish(free)) };
    let (blocked, served) = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    assert!(matches!(blocked, Err(StockError::Store(kv_store::StoreError::LockTimeout))), "{blocked:?}");
    served.unwrap();
    superuser.batch_execute("rollback").await.unwrap();
    wish(stuck).await.unwrap();
    house.assert_ledger_holds().await;
}

/// The ledger cannot be rewritten, and an unbalanced row cannot be written, by the service's own role or even the owner's.
#[tokio::test]
async fn the_tables_refuse_what_is_wrong() {
    let house = House::new().await;
    house.stocked(house.one, "a", 5).await;
    let superuser = house.database.connect().await.unwrap();
    for attempt in [
        "update stock_levels set quantity = quantity - 1",
        "update stock_levels set quantity = -1, reserved_quantity = 6",
        "update stock_movements set d_quantity = 1",
        "delete from stock_movements",
        "truncate stock_movements",
        "insert into stock_movements select tenant_id, product_id, warehouse_id, version, kind, d_quantity, d_reserved, d_shipped,
            d_received, quantity_after, reserved_after, null, null, null, actor_id from stock_movements",
    ] {
        assert!(superuser.batch_execute(attempt).await.is_err(), "{attempt} was allowed");
    }
    house.assert_ledger_holds().await;
}

/// A batch that holds levels and a DELETE of their product, or of an order's customer: neither waits for the other in a circle.
#[tokio::test(flavor = "multi_thread")]
async fn deletes_in_the_catalogue_meet_orders_without_a_deadlock() {
    let house = House::with(|config| config.stock_writers = 2).await;
    let mut products = Vec::new();
    for sku in ["a", "b", "c"] {
        products.push(house.stocked(house.one, sku, 10_000).await.0);
    }
    let new = kv_types::catalogue::NewCustomer { code: "c".to_owned(), name: "C".to_owned(), email: None, phone: None };
    let customer = house.store.create_customer(house.one.tenant, &new).await.unwrap().id;
    let orders = (0..8).map(|_| async {
        for _ in 0..40 {
            let lines = products.iter().map(|&product| OrderLine { product, quantity: quantity(1) }).collect();
            let wish = PlaceOrder { customer, lines, reference: None, ttl: None, allow_partial: false };
            let order = house.store.stock().place_order(house.one.tenant, house.one.user, wish, None).await.unwrap();
            house.store.stock().confirm_order(house.one.tenant, house.one.user, order.id, None).await.unwrap();
        }
    });
    let deletes = async {
        for round in 0..120 {
            let product = products[round % products.len()];
            let refused = house.store.delete_product(house.one.tenant, product).await.unwrap_err();
            assert!(matches!(refused, kv_store::StoreError::Constraint { .. }), "{refused:?}");
            // The first ones may come before the first order.
            drop(
                house
                    .store
                    .delete_customer(house.one.tenant, kv_types::CustomerId::from_uuid(uuid::Uuid::now_v7()))
                    .await,
            );
        }
    };
    tokio::join!(join_all(orders), deletes);
    assert_eq!(house.store.stock().stats().deadlocks.load(Ordering::Relaxed), 0);
    assert_eq!(house.store.stock().stats().failed_batches.load(Ordering::Relaxed), 0);
    let superuser = house.database.connect().await.unwrap();
    let row = superuser
        .query_one("select deadlocks from pg_stat_database where datname = current_database()", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
    house.assert_ledger_holds().await;
}

/// One tenant's flood does not keep another waiting for all of it.
#[tokio::test]
async fn a_flood_of_one_tenant_costs_another_a_batch_not_the_flood() {
    let house = House::with(|config| config.stock_writers = 1).await;
    let (mine, theirs) = (house.stocked(house.one, "a", 10_000).await, house.stocked(house.two, "a", 10).await);
    let flood_done = std::sync::atomic::AtomicUsize::new(0);
    let flood = (0..3_000).map(|_| async {
        house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&[(mine, 1)]), None).await.unwrap();
        flood_done.fetch_add(1, Ordering::Relaxed);
    });
    let single = async {
        house.store.stock().reserve(house.two.tenant, house.two.user, reserve(&[(theirs, 1)]), None).await.unwrap();
        flood_done.load(Ordering::Relaxed)
    };
    let (_, before) = tokio::join!(join_all(flood), single);
    assert!(before < 1_000, "{before} of the flood were answered before");
    house.assert_ledger_holds().await;
}
