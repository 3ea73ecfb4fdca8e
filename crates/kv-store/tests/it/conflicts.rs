//! Deadlocks and serialisation failures: what PostgreSQL rolled back is begun anew, a few times, and happens once.
//!
//! The service cannot make a deadlock with itself, so these tests take part in one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use kv_store::StoreError;
use kv_store::conflict::{Conflict, MAX_RETRIES};
use kv_store::idempotency::{Answer, Asked};
use kv_store::stock::StockError;
use kv_types::catalogue::{CustomerPatch, NewCustomer};
use sandbox::Session;
use sandbox::testing::eventually;

use crate::support::{House, reserve};

const SOON: Duration = Duration::from_secs(20);

/// Somebody who holds locks and never is the victim: PostgreSQL looks for deadlocks on behalf of whoever has waited for a second.
async fn rival(house: &House) -> Session {
    let rival = house.database.connect().await.unwrap();
    rival.batch_execute("set deadlock_timeout = '1min'; begin").await.unwrap();
    rival
}

async fn until_service_waits(house: &House) {
    let watcher = house.database.connect().await.unwrap();
    let waiting =
        "select exists (select from pg_stat_activity where datname = current_database() and usename = 'kv_app'
        and wait_event_type = 'Lock')";
    eventually(SOON, async || watcher.query_one(waiting, &[]).await.unwrap().get::<_, bool>(0)).await;
}

fn customer(code: &str) -> NewCustomer {
    NewCustomer { code: code.to_owned(), name: "N".to_owned(), email: None, phone: None }
}

#[tokio::test]
async fn a_batch_that_is_a_deadlocks_victim_is_begun_anew() {
    let house = House::with(|config| config.stock_writers = 1).await;
    house.database.expect_deadlocks().await.unwrap();
    let mut keys = [house.stocked(house.one, "a", 5).await, house.stocked(house.one, "b", 5).await];
    keys.sort_unstable();
    let [first, second] = keys;
    let lock = "select 1 from stock_levels where product_id = $1 for update";
    let rival = rival(&house).await;
    rival.execute(lock, &[&second.0.uuid()]).await.unwrap();
    let (stock, one) = (house.store.stock().clone(), house.one);
    let wish = reserve(&[(first, 2), (second, 2)]);
    let reserving = tokio::spawn(async move { stock.reserve(one.tenant, one.user, wish, None).await });
    until_service_waits(&house).await;
    rival.execute(lock, &[&first.0.uuid()]).await.unwrap();
    rival.batch_execute("commit").await.unwrap();
    reserving.await.unwrap().unwrap();
    assert_eq!(house.store.conflicts().retries(Conflict::Deadlock), 1);
    assert_eq!(house.store.stock().stats().deadlocks.load(Ordering::Relaxed), 1);
    for key in keys {
        let level = house.store.stock_level(one.tenant, key.0, key.1).await.unwrap().unwrap();
        assert_eq!((level.quantity, level.reserved_quantity, level.version), (3, 2, 2));
    }
    house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_write_of_the_catalogue_that_is_a_deadlocks_victim_is_begun_anew() {
    let house = House::new().await;
    house.database.expect_deadlocks().await.unwrap();
    let tenant = house.one.tenant;
    let rival = rival(&house).await;
    let insert = |code: &str| {
        format!("insert into customers (tenant_id, id, code, name) values ({tenant}, gen_random_uuid(), '{code}', 'R')")
    };
    rival.batch_execute(&insert("b")).await.unwrap();
    let store = house.store.clone();
    let making = tokio::spawn(async move { store.create_customers(tenant, &[customer("a"), customer("b")]).await });
    until_service_waits(&house).await;
    rival.batch_execute(&insert("a")).await.unwrap();
    rival.batch_execute("rollback").await.unwrap();
    assert_eq!(making.await.unwrap().unwrap(), 2);
    assert_eq!(house.store.conflicts().retries(Conflict::Deadlock), 1);
    assert_eq!(house.store.customers(tenant, None, 10).await.unwrap().rows.len(), 2);
}

/// The effect holds a row that the rival wants, and its answer wants the key that the rival holds.
#[tokio::test]
async fn a_write_under_a_key_that_is_a_deadlocks_victim_is_begun_anew() {
    let house = House::new().await;
    house.database.expect_deadlocks().await.unwrap();
    let tenant = house.one.tenant;
    let id = house.store.create_customer(tenant, &customer("a")).await.unwrap().id;
    let rival = rival(&house).await;
    let key = format!("insert into idempotency_keys (tenant_id, key) values ({tenant}, 'k')");
    rival.batch_execute(&key).await.unwrap();
    let store = house.store.clone();
    let changing = tokio::spawn(async move {
        let asked = Asked { key: "k".parse().unwrap(), fingerprint: [7; 32], line: "PATCH /a".to_owned() };
        let seal =
            |_: &kv_types::catalogue::Customer| Answer { head: "200".to_owned(), body: Vec::new(), numbers_at: Vec::new() };
        let once = store.once(tenant, asked, std::sync::Arc::new(seal));
        let patch = CustomerPatch { name: Some("New".to_owned()), ..CustomerPatch::default() };
        store.apply(kv_store::catalogue::customers::change(tenant, id, &patch, &kv_types::Expected::Any), Some(once)).await
    });
    until_service_waits(&house).await;
    rival.execute("update customers set phone = '1' where id = $1", &[&id.uuid()]).await.unwrap();
    rival.batch_execute("rollback").await.unwrap();
    assert!(changing.await.unwrap().unwrap().is_some());
    assert_eq!(house.store.conflicts().retries(Conflict::Deadlock), 1);
    let changed = house.store.customer(tenant, id).await.unwrap().unwrap();
    assert_eq!((changed.name.as_str(), changed.version), ("New", 2));
}

/// Writes of stock and of the catalogue, and reads, that meet others each time: tried a few times, then told, and nothing is written.
#[tokio::test]
async fn after_a_few_tries_the_caller_is_told() {
    let house = House::new().await;
    let key = house.stocked(house.one, "a", 5).await;
    let superuser = house.database.connect().await.unwrap();
    let refuse = "create function refuse() returns trigger language plpgsql
            as $$ begin raise exception 'met others' using errcode = '40001'; end $$;
        create trigger refuse before insert on customers for each row execute function refuse();
        create trigger refuse before update on stock_levels for each row execute function refuse();
        create function meet() returns boolean language plpgsql
            as $$ begin raise exception 'met others' using errcode = '40001'; end $$;
        create policy meet on warehouses as restrictive for select using (meet());
        create policy meet on receipts as restrictive for select using (meet());";
    superuser.batch_execute(refuse).await.unwrap();
    let (store, one) = (&house.store, house.one);
    let mut told = Vec::new();
    told.push(store.create_customer(one.tenant, &customer("a")).await.map(drop).unwrap_err());
    told.push(store.warehouses(one.tenant, None, 10).await.map(drop).unwrap_err());
    told.push(store.warehouse(one.tenant, key.1).await.map(drop).unwrap_err());
    told.push(store.receipts(one.tenant, None, 10).await.map(drop).unwrap_err());
    match store.stock().reserve(one.tenant, one.user, reserve(&[(key, 1)]), None).await.unwrap_err() {
        StockError::Store(error) => told.push(error),
        refused @ StockError::Refused(_) => panic!("{refused:?}"),
    }
    for error in &told {
        let is_it = matches!(error, StoreError::Conflict { kind: Conflict::SerializationFailure, .. });
        assert!(is_it && error.is_transient(), "{error:?}");
    }
    let retries = u64::from(MAX_RETRIES) * told.len() as u64;
    assert_eq!(store.conflicts().retries(Conflict::SerializationFailure), retries);
    assert!(store.customers(one.tenant, None, 10).await.unwrap().rows.is_empty());
    let level = store.stock_level(one.tenant, key.0, key.1).await.unwrap().unwrap();
    assert_eq!((level.quantity, level.version), (5, 1));
}
