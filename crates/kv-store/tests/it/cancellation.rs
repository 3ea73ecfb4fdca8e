//! A future dropped at any await leaves no open transaction and no foreign tenant on a pooled connection.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sandbox::testing::eventually;

use crate::support::{House, reserve};

/// Polls at most `polls` times, giving the connection's task a chance in between, then drops the future.
async fn cut_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test]
async fn dropped_reads_and_writes_leave_the_pool_clean() {
    let house = House::with(|config| config.pool_size = 1).await;
    let (one, two) = (house.one.tenant, house.two.tenant);
    let mut made = 0;
    for polls in 0..200 {
        let new = kv_types::catalogue::NewCustomer {
            code: format!("cut-{polls}"),
            name: "N".to_owned(),
            email: None,
            phone: None,
        };
        cut_after(polls % 40, house.store.create_customer(one, &new)).await;
        // The next borrower of the only connection is another tenant: it must see none of this, and its write must last.
        assert!(house.store.customers(two, None, 100).await.unwrap().rows.is_empty());
        let kept = kv_types::catalogue::NewWarehouse {
            code: format!("kept-{polls}"),
            name: "N".to_owned(),
            priority: 1,
            active: true,
        };
        house.store.create_warehouse(two, &kept).await.unwrap();
        made += 1;
    }
    let mut seen = 0;
    let mut after = None;
    loop {
        let page = house.store.warehouses(two, after, 100).await.unwrap();
        seen += page.rows.len();
        after = page.rows.last().map(|row| row.id);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, made, "an acknowledged write was lost");
    assert_no_open_transaction(&house).await;
}

#[tokio::test]
async fn dropped_reservations_happen_wholly_or_not() {
    let house = House::new().await;
    let key = house.stocked(house.one, "hot", 10_000).await;
    let mut answered = 0;
    for polls in 0..120 {
        let reserve = house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&[(key, 1)]), None);
        if cut_after(polls % 30, reserve).await.is_some_and(|done| done.is_ok()) {
            answered += 1;
        }
    }
    // A last one that is waited for stands behind all others of its writer.
    house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&[(key, 1)]), None).await.unwrap();
    let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
    assert!(level.reserved_quantity > answered, "{} reserved, {answered} answered", level.reserved_quantity);
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
