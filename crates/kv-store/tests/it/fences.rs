//! A write that carries an older token than one seen before is refused, by PostgreSQL.

use kv_store::stock::{FenceClaim, Refusal, StockError};

use crate::support::{House, reserve};

#[tokio::test]
async fn a_stale_token_is_refused_and_nothing_is_written() {
    let house = House::new().await;
    let key = house.stocked(house.one, "a", 10).await;
    let resource = format!("stock:product-{}", key.0);
    let attempt = async |fence: i64| {
        let claim = Some(FenceClaim::new(&resource, fence));
        house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&[(key, 1)]), claim).await
    };
    attempt(7).await.unwrap();
    attempt(7).await.unwrap();
    attempt(9).await.unwrap();
    let refused = attempt(8).await.unwrap_err();
    assert!(matches!(&refused, StockError::Refused(Refusal::FenceStale { .. })), "{refused:?}");
    let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
    assert_eq!(level.reserved_quantity, 3);
}

#[tokio::test]
async fn tokens_of_two_tenants_do_not_meet() {
    let house = House::new().await;
    let (key_one, key_two) = (house.stocked(house.one, "a", 10).await, house.stocked(house.two, "a", 10).await);
    for (account, key, fence) in [(house.one, key_one, 100), (house.two, key_two, 1)] {
        let claim = Some(FenceClaim::new("stock:shared-name", fence));
        house.store.stock().reserve(account.tenant, account.user, reserve(&[(key, 1)]), claim).await.unwrap();
    }
}

/// Two believers in one batch: whoever has the older token loses, whichever came first.
#[tokio::test]
async fn within_a_batch_only_the_newest_token_passes() {
    let house = House::with(|config| config.stock_writers = 1).await;
    let key = house.stocked(house.one, "a", 1_000).await;
    let attempts = (0..50).map(|fence| {
        let claim = Some(FenceClaim::new("stock:x", 1 + fence % 10));
        house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&[(key, 1)]), claim)
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    let mut newest_seen = 0;
    let mut granted = 0;
    for (index, outcome) in outcomes.iter().enumerate() {
        let fence = 1 + index % 10;
        match outcome {
            Ok(_) => {
                assert!(fence >= newest_seen, "token {fence} passed after {newest_seen}");
                newest_seen = fence;
                granted += 1;
            }
            Err(StockError::Refused(Refusal::FenceStale { .. })) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(granted >= 1);
    let level = house.store.stock_level(house.one.tenant, key.0, key.1).await.unwrap().unwrap();
    assert_eq!(level.reserved_quantity, granted);
}
