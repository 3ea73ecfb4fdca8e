//! Reservations with a life: exact at the moment of a decision, with nobody sweeping.

use std::time::Duration;

use futures_util::future::join_all;
use kv_store::stock::{Action, Refusal, StockError};
use kv_types::order::{OrderStatus, PlaceOrder};
use kv_types::stock::{PartLine, Reservation, ReservationStatus, Reserve};
use kv_types::{ProductId, ReservationId, Ttl, WarehouseId};
use sandbox::testing::eventually;

use crate::isolation::{fill, order_of};
use crate::support::{Account, House, quantity, reserve};

type Key = (ProductId, WarehouseId);

const SOON: Duration = Duration::from_secs(20);

fn ttl(seconds: i64) -> Ttl {
    Ttl::parse(seconds).unwrap()
}

async fn hold(house: &House, lines: &[(Key, i64)], seconds: i64) -> Reservation {
    let wish = Reserve { ttl: Some(ttl(seconds)), ..reserve(lines) };
    house.store.stock().reserve(house.one.tenant, house.one.user, wish, None).await.unwrap()
}

/// Lets every life be over, as waiting for it would.
async fn let_time_pass(house: &House) {
    let superuser = house.database.connect().await.unwrap();
    let passed = "update reservations set expires_at = now(), due_at = now() where due_at is not null";
    superuser.batch_execute(passed).await.unwrap();
}

/// Waits until so many lives are over by PostgreSQL's own clock.
pub(crate) async fn until_due(house: &House, lives: i64) {
    let superuser = house.database.connect().await.unwrap();
    let over = "select count(*) from reservations where due_at <= clock_timestamp()";
    eventually(SOON, async || superuser.query_one(over, &[]).await.unwrap().get::<_, i64>(0) == lives).await;
}

async fn end(house: &House, account: Account, action: Action) -> Result<Reservation, StockError> {
    house.store.stock().change_reservation(account.tenant, account.user, action).await
}

#[tokio::test]
async fn a_life_ends_when_it_was_said_to() {
    let house = House::new().await;
    let key = house.stocked(house.one, "a", 5).await;
    let held = hold(&house, &[(key, 5)], 1).await;
    let life = held.expires_at.unwrap().duration_since(held.created_at);
    assert_eq!(life, jiff::SignedDuration::from_secs(1));
    let (stock, tenant, user) = (house.store.stock(), house.one.tenant, house.one.user);
    let error = stock.reserve(tenant, user, reserve(&[(key, 1)]), None).await.unwrap_err();
    assert!(matches!(error, StockError::Refused(Refusal::Short(_))), "{error:?}");
    until_due(&house, 1).await;
    let taken = stock.reserve(tenant, user, reserve(&[(key, 2)]), None).await.unwrap();
    assert!(taken.created_at >= held.expires_at.unwrap());
    let read = house.store.reservation(tenant, held.id).await.unwrap().unwrap();
    assert_eq!((read.status, read.expires_at), (ReservationStatus::Expired, held.expires_at));
    let rows = house.store.stock_movements(tenant, key, 0, 10).await.unwrap().rows;
    let kinds: Vec<_> = rows.iter().map(|movement| movement.kind.as_str()).collect();
    assert_eq!(kinds, ["received", "reserved", "expired", "reserved"]);
    house.assert_ledger_holds().await;
}

/// The reservation that is over holds a further level, which nobody asked for and which is locked nevertheless.
#[tokio::test]
async fn what_is_due_gives_back_all_its_levels() {
    let house = House::new().await;
    let (a, b) = (house.stocked(house.one, "a", 5).await, house.stocked(house.one, "b", 5).await);
    let held = hold(&house, &[(a, 5), (b, 5)], 60).await;
    let_time_pass(&house).await;
    let (stock, tenant, user) = (house.store.stock(), house.one.tenant, house.one.user);
    stock.reserve(tenant, user, reserve(&[(b, 5)]), None).await.unwrap();
    let level = house.store.stock_level(tenant, a.0, a.1).await.unwrap().unwrap();
    assert_eq!((level.quantity, level.reserved_quantity), (5, 0));
    assert_eq!(house.store.reservation(tenant, held.id).await.unwrap().unwrap().status, ReservationStatus::Expired);
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn after_the_end_it_is_too_late_for_everything() {
    let house = House::new().await;
    let key = house.stocked(house.one, "a", 5).await;
    let held = hold(&house, &[(key, 5)], 60).await;
    let extended = end(&house, house.one, Action::Extend(held.id, ttl(600))).await.unwrap();
    assert!(extended.expires_at > held.expires_at);
    let again = end(&house, house.one, Action::Extend(held.id, ttl(1))).await.unwrap();
    assert_eq!(again.expires_at, extended.expires_at, "a life is never shortened");
    let_time_pass(&house).await;
    let part = vec![PartLine { product: key.0, warehouse: key.1, quantity: quantity(1) }];
    for action in [
        Action::Ship(held.id),
        Action::ShipPart(held.id, part),
        Action::Release(held.id),
        Action::Extend(held.id, ttl(1)),
    ] {
        let refused = end(&house, house.one, action).await;
        assert!(matches!(refused, Err(StockError::Refused(Refusal::Expired))), "{refused:?}");
    }
    // The first of them gave the stock back, although it was refused.
    let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
    assert_eq!((level.quantity, level.reserved_quantity, level.version), (5, 0, 3));
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn an_order_nobody_confirms_expires_with_its_stock() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let (stock, tenant, user) = (house.store.stock(), house.one.tenant, house.one.user);
    let wish = |units| PlaceOrder { ttl: Some(ttl(60)), ..order_of(goods.customer.id, goods.key.0, units) };
    let kept = stock.place_order(tenant, user, wish(1), None).await.unwrap();
    assert!(kept.expires_at.is_some());
    let confirmed = stock.confirm_order(tenant, user, kept.id, None).await.unwrap();
    assert_eq!((confirmed.status, confirmed.expires_at), (OrderStatus::Confirmed, None));
    let lost = stock.place_order(tenant, user, wish(1), None).await.unwrap();
    let_time_pass(&house).await;
    // By whoever needs the stock, with the order not in sight.
    stock.place_order(tenant, user, order_of(goods.customer.id, goods.key.0, 2), None).await.unwrap();
    let read = house.store.order(tenant, lost.id).await.unwrap().unwrap();
    assert_eq!((read.status, read.version), (OrderStatus::Expired, 2));
    assert_eq!(house.store.order(tenant, kept.id).await.unwrap().unwrap(), confirmed);
    // By a call on the order itself.
    stock.cancel_order(tenant, user, kept.id, None).await.unwrap();
    let lost = stock.place_order(tenant, user, wish(1), None).await.unwrap();
    let_time_pass(&house).await;
    for _ in 0..2 {
        let error = stock.confirm_order(tenant, user, lost.id, None).await.unwrap_err();
        assert!(matches!(error, StockError::Refused(Refusal::OrderState(OrderStatus::Expired, _))), "{error:?}");
    }
    let read = house.store.order(tenant, lost.id).await.unwrap().unwrap();
    assert_eq!((read.status, read.version), (OrderStatus::Expired, 2));
    house.assert_ledger_holds().await;
}

/// Through two services, and with more than one due reservation on each level: the units are sold again, each once.
#[tokio::test(flavor = "multi_thread")]
async fn units_that_are_due_are_sold_again_once() {
    let house = House::with(|config| config.stock_writers = 4).await;
    let (a, b) = (house.stocked(house.one, "a", 30).await, house.stocked(house.one, "b", 30).await);
    for _ in 0..10 {
        hold(&house, &[(a, 1), (b, 2)], 60).await;
        hold(&house, &[(a, 2), (b, 1)], 60).await;
    }
    let_time_pass(&house).await;
    let second =
        kv_store::Store::open(&kv_store::StoreConfig::new(crate::support::app_config(&house.database))).unwrap();
    let tasks = (0..80).map(|number| {
        let store = if number % 2 == 0 { house.store.clone() } else { second.clone() };
        let (account, key) = (house.one, if number % 4 < 2 { a } else { b });
        tokio::spawn(
            async move { store.stock().reserve(account.tenant, account.user, reserve(&[(key, 1)]), None).await },
        )
    });
    let outcomes = join_all(tasks).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count(), 60);
    for error in outcomes.into_iter().filter_map(|outcome| outcome.unwrap().err()) {
        assert!(matches!(error, StockError::Refused(Refusal::Short(_))), "{error:?}");
    }
    for store in [&house.store, &second] {
        assert_eq!(store.stock().stats().deadlocks.load(std::sync::atomic::Ordering::Relaxed), 0);
    }
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn what_is_due_is_found_for_every_tenant_and_ended_once() {
    let house = House::new().await;
    let (mine, theirs) = (fill(&house, house.one, "a").await, fill(&house, house.two, "b").await);
    let mut due: Vec<(_, ReservationId)> = Vec::new();
    for (account, key) in [(house.one, mine.key), (house.two, theirs.key)] {
        let wish = Reserve { ttl: Some(ttl(60)), ..reserve(&[(key, 1)]) };
        let held = house.store.stock().reserve(account.tenant, account.user, wish, None).await.unwrap();
        due.push((account.tenant, held.id));
    }
    assert_eq!(house.store.due_reservations(None, 10).await.unwrap(), []);
    let_time_pass(&house).await;
    let all = house.store.due_reservations(None, 10).await.unwrap();
    let mut found: Vec<_> = all.iter().map(|due| (due.tenant, due.id)).collect();
    found.sort_unstable_by_key(|(tenant, _)| tenant.get());
    assert_eq!(found, due);
    assert_eq!(house.store.due_reservations(None, 1).await.unwrap(), all[..1]);
    assert_eq!(house.store.due_reservations(Some(&all[0]), 10).await.unwrap(), all[1..]);
    assert_eq!(house.store.due_reservations(Some(&all[1]), 10).await.unwrap(), []);
    for _ in 0..2 {
        for (account, (_, id)) in [house.one, house.two].into_iter().zip(&due) {
            let ended = end(&house, account, Action::Expire(*id)).await.unwrap();
            assert_eq!(ended.status, ReservationStatus::Expired);
        }
        assert_eq!(house.store.due_reservations(None, 10).await.unwrap(), []);
    }
    // What is not due does not end.
    let kept = end(&house, house.one, Action::Expire(mine.held.id)).await.unwrap();
    assert_eq!(kept.status, ReservationStatus::Pending);
    let foreign = end(&house, house.two, Action::Expire(mine.held.id)).await;
    assert!(matches!(foreign, Err(StockError::Refused(Refusal::NotFound(_)))), "{foreign:?}");
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_part_leaves_and_the_rest_comes_back() {
    let house = House::new().await;
    let (a, b) = (house.stocked(house.one, "a", 5).await, house.stocked(house.one, "b", 5).await);
    let held = hold(&house, &[(a, 4), (b, 3)], 60).await;
    let part = |key: Key, units| PartLine { product: key.0, warehouse: key.1, quantity: quantity(units) };
    let refused = end(&house, house.one, Action::ShipPart(held.id, vec![part(a, 3), part(a, 2)])).await;
    let Err(StockError::Refused(Refusal::Exceeds(lines))) = refused else { panic!("{refused:?}") };
    assert_eq!((lines[0].line, lines[0].requested, lines[0].available), (0, 5, 4));
    let ship = || Action::ShipPart(held.id, vec![part(a, 1), part(a, 2)]);
    let shipped = end(&house, house.one, ship()).await.unwrap();
    assert_eq!(shipped.status, ReservationStatus::Fulfilled);
    assert_eq!(shipped.items.iter().map(|item| item.fulfilled_quantity).sum::<i64>(), 3);
    assert_eq!(end(&house, house.one, ship()).await.unwrap(), shipped, "once more is no change");
    let other = end(&house, house.one, Action::ShipPart(held.id, vec![part(b, 1)])).await;
    assert!(matches!(other, Err(StockError::Refused(Refusal::AlreadyFulfilled))), "{other:?}");
    for (key, quantity, gone) in [(a, 2, 3), (b, 5, 0)] {
        let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
        assert_eq!((level.quantity, level.reserved_quantity, level.shipped_quantity), (quantity, 0, gone));
    }
    assert_eq!(house.store.reservation(house.one.tenant, held.id).await.unwrap().unwrap(), shipped);
    house.assert_ledger_holds().await;
}

/// One batch names a reservation by its own id and by its order's. Its units are there once.
#[tokio::test]
async fn a_reservation_that_a_batch_names_twice_ends_once() {
    let house = House::new().await;
    let (one, customer) = (house.one, fill(&house, house.one, "x").await.customer.id);
    let (holder, watcher) = (house.database.connect().await.unwrap(), house.database.connect().await.unwrap());
    for (sku, which) in [("a", 0), ("b", 1), ("c", 2)] {
        let key = house.stocked(one, sku, 10).await;
        house.store.stock().reserve(one.tenant, one.user, reserve(&[(key, 5)]), None).await.unwrap();
        let wish = PlaceOrder { ttl: Some(ttl(60)), ..order_of(customer, key.0, 5) };
        let order = house.store.stock().place_order(one.tenant, one.user, wish, None).await.unwrap();
        let held = order.reservation_id.unwrap();
        if which == 1 {
            let confirmed =
                house.store.stock().change_order(one.tenant, one.user, Action::ConfirmOrder(order.id)).await;
            confirmed.unwrap();
        }
        let (of_held, of_order) = match which {
            0 => (Action::Release(held), Action::CancelOrder(order.id)),
            1 => (Action::Extend(held, ttl(90)), Action::FulfillOrder(order.id, None)),
            _ => (Action::Expire(held), Action::CancelOrder(order.id)),
        };
        // While the writer waits for the row, the two gather behind it.
        holder.batch_execute("begin; select from stock_levels for update").await.unwrap();
        let stock = house.store.stock().clone();
        let first = tokio::spawn(async move { stock.reserve(one.tenant, one.user, reserve(&[(key, 1)]), None).await });
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        eventually(SOON, async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
        let (stock, other) = (house.store.stock().clone(), house.store.stock().clone());
        let second = tokio::spawn(async move { stock.change_reservation(one.tenant, one.user, of_held).await });
        let third = tokio::spawn(async move { other.change_order(one.tenant, one.user, of_order).await });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        holder.batch_execute("commit").await.unwrap();
        assert!(first.await.unwrap().is_err(), "nothing was left to reserve");
        let (second, third) = (second.await.unwrap(), third.await.unwrap());
        assert!(third.is_ok(), "{sku}: {second:?} {third:?}");
        house.assert_ledger_holds().await;
    }
    assert!(house.store.stock().stats().largest_batch.load(std::sync::atomic::Ordering::Relaxed) >= 2);
}
