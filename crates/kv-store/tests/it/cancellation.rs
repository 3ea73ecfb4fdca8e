//! A future dropped at any await leaves no open transaction and no foreign tenant on a pooled connection, and what it was to write
//! is there as a whole or not at all.
//!
//! Each sweep cuts one poll later than the last time, on a store that has yet to connect and to prepare its statements, until the
//! future is done before the cut; so every await of it has been the last. Both kinds of cut must occur: the write that happened
//! although nobody waited for it any more, and the one that never began.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use kv_store::{Store, StoreConfig};
use kv_types::catalogue::{NewCustomer, NewWarehouse};
use kv_types::stock::Reserve;
use sandbox::testing::eventually;

use crate::support::{House, app_config, reserve};

/// More awaits than any operation has; a sweep that gets here polls in vain.
const MOST_POLLS: u32 = 1_000;
/// Sweeps over all cuts: where an answer arrives in pieces, polls fall differently each time.
const SWEEPS: u32 = 4;

/// Polls at most `polls` times, each when there is news, and drops the future right after the last poll.
async fn cut_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls once, lets everybody else run `turns` times, and drops the future.
async fn cut_after_turns<F: Future>(turns: u32, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let first = cut_after(1, future.as_mut()).await;
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    first
}

/// What became of the writes that were cut, by name: whether the caller had its answer.
#[derive(Debug, Default)]
struct Cuts(BTreeMap<String, bool>);

impl Cuts {
    /// Every answered write is there, and of the others both kinds occurred.
    fn assert_both_kinds(&self, there: &[String]) {
        let count = |answered: bool, happened: bool| {
            self.0.iter().filter(|(name, was)| **was == answered && there.contains(name) == happened).count()
        };
        assert_eq!(count(true, false), 0, "an acknowledged write was lost");
        assert!(count(false, true) > 0, "no write happened although it was dropped: {self:?}");
        assert!(count(false, false) > 0, "no write was dropped before it began: {self:?}");
        assert!(there.iter().all(|name| self.0.contains_key(name)), "{there:?}");
    }
}

/// A store of its own with one connection, which is yet to be made.
fn fresh_store(house: &House) -> Store {
    let mut config = StoreConfig::new(app_config(&house.database));
    config.pool_size = 1;
    Store::open(&config).unwrap()
}

fn customer(code: &str) -> NewCustomer {
    NewCustomer { code: code.to_owned(), name: "N".to_owned(), email: None, phone: None }
}

/// The next borrower of the only connection is another tenant: it must see nothing of the first, and its write must last.
async fn assert_clean(house: &House, store: &Store, code: &str) {
    let two = house.two.tenant;
    assert!(store.customers(two, None, 100).await.unwrap().rows.is_empty());
    let kept = NewWarehouse { code: code.to_owned(), name: "N".to_owned(), priority: 1, active: true };
    let id = store.create_warehouse(two, &kept).await.unwrap().id;
    assert!(house.store.warehouse(two, id).await.unwrap().is_some(), "an acknowledged write was lost");
}

/// The values of one column of text, as the superuser sees them.
async fn texts(house: &House, query: &str) -> Vec<String> {
    let rows = house.database.connect().await.unwrap().query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn dropped_writes_leave_a_pool_clean_that_is_still_connecting() {
    let house = House::new().await;
    let mut cuts = Cuts::default();
    for sweep in 0..SWEEPS {
        let mut polls = 0;
        loop {
            let store = fresh_store(&house);
            let name = format!("cold-{sweep}-{polls}");
            let answer = cut_after(polls, store.create_customer(house.one.tenant, &customer(&name))).await;
            let is_done = answer.map(Result::unwrap).is_some();
            cuts.0.insert(name.clone(), is_done);
            assert_clean(&house, &store, &name).await;
            if is_done {
                break;
            }
            polls += 1;
            assert!(polls < MOST_POLLS, "a sweep did not come to its end");
        }
    }
    assert!(cuts.0.len() > 3 * SWEEPS as usize, "too few awaits to have connected and prepared: {cuts:?}");
    cuts.assert_both_kinds(&texts(&house, "select code from customers").await);
    assert_no_open_transaction(&house).await;
}

#[tokio::test]
async fn dropped_reads_and_writes_leave_a_warm_pool_clean() {
    let house = House::with(|config| config.pool_size = 1).await;
    let one = house.one.tenant;
    assert_clean(&house, &house.store, "warm").await;
    let mut cuts = Cuts::default();
    for round in 0..100 {
        let (polls, name) = (round % 5, format!("warm-{round}"));
        let answer = cut_after(polls, house.store.create_customer(one, &customer(&name))).await;
        cuts.0.insert(name.clone(), answer.map(Result::unwrap).is_some());
        cut_after(polls, house.store.customers(one, None, 100)).await;
        assert_clean(&house, &house.store, &name).await;
    }
    cuts.assert_both_kinds(&texts(&house, "select code from customers").await);
    assert_no_open_transaction(&house).await;
}

#[tokio::test]
async fn dropped_reservations_happen_wholly_or_not() {
    let house = House::new().await;
    let keys = [house.stocked(house.one, "hot", 10_000).await, house.stocked(house.one, "cold", 10_000).await];
    let (tenant, user) = (house.one.tenant, house.one.user);
    let named = |name: &str| Reserve { reference: Some(name.to_owned()), ..reserve(&[(keys[0], 1), (keys[1], 2)]) };
    let mut cuts = Cuts::default();
    let mut waited = 0;
    for round in 0..120 {
        // Every other time by a writer that is yet to connect.
        let store = if round % 2 == 0 { house.store.clone() } else { fresh_store(&house) };
        let name = format!("cut-{round}");
        let reservation = store.stock().reserve(tenant, user, named(&name), None);
        let answer = match round % 40 {
            polls @ 0..10 => cut_after(polls / 2, reservation).await,
            turns => cut_after_turns(turns - 10, reservation).await,
        };
        cuts.0.insert(name, answer.map(Result::unwrap).is_some());
        // One that is waited for stands behind all others of its writer.
        store.stock().reserve(tenant, user, named("waited"), None).await.unwrap();
        waited += 1;
    }
    let all = texts(&house, "select reference from reservations where line = 1").await;
    let there: Vec<String> = all.iter().filter(|name| *name != "waited").cloned().collect();
    cuts.assert_both_kinds(&there);
    let times = there.iter().map(|name| there.iter().filter(|other| *other == name).count()).max();
    assert_eq!((times, all.len() - there.len()), (Some(1), waited), "a reservation happened twice");
    for (key, units) in keys.into_iter().zip([1, 2]) {
        let level = house.store.stock_level(tenant, key.0, key.1).await.unwrap().unwrap();
        let expected = units * i64::try_from(all.len()).unwrap();
        assert_eq!(level.reserved_quantity, expected, "a part of a reservation");
    }
    house.assert_ledger_holds().await;
    assert_no_open_transaction(&house).await;
}

async fn assert_no_open_transaction(house: &House) {
    let superuser = house.database.connect().await.unwrap();
    eventually(Duration::from_secs(10), async || {
        let row = superuser
            .query_one(
                "select count(*) from pg_stat_activity where datname = current_database() and usename = 'kv_app'
                    and state in ('idle in transaction', 'idle in transaction (aborted)', 'active')",
                &[],
            )
            .await
            .unwrap();
        row.get::<_, i64>(0) == 0
    })
    .await;
}
