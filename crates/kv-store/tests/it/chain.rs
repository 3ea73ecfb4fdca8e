//! The chain of movements: whole as the service writes it, and broken by whoever goes behind its back.

use kv_store::stock::{BrokenChain, Verified, verify_chains};
use kv_types::{ProductId, WarehouseId};

use crate::isolation::{counted, fill};
use crate::support::House;

async fn verify(house: &House, tenant: Option<&str>) -> (Verified, Vec<BrokenChain>) {
    let mut broken = Vec::new();
    let verified = verify_chains(&house.database.url().parse().unwrap(), tenant, |each| broken.push(each)).await;
    (verified.unwrap().expect("the tenant is there"), broken)
}

/// As the owner of the tables, who can switch their guards off.
async fn tamper(house: &House, change: &str, (product, warehouse): (ProductId, WarehouseId)) {
    let owner = kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap();
    let script = format!(
        "set role kv_owner; begin; set local app.tenant_id = '1';
         alter table stock_movements disable trigger stock_movements_append_only;
         {change} and tenant_id = 1 and product_id = '{product}' and warehouse_id = '{warehouse}';
         alter table stock_movements enable trigger stock_movements_append_only; commit"
    );
    owner.batch_execute(&script).await.unwrap();
}

#[tokio::test]
async fn the_service_writes_whole_chains() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    fill(&house, house.two, "b").await;
    house.store.stock().cancel_order(house.one.tenant, house.one.user, goods.order.id, None).await.unwrap();
    let (verified, broken) = verify(&house, None).await;
    assert_eq!((verified.levels, verified.movements, verified.unhashed, broken), (4, 13, 0, vec![]));
    let (verified, broken) = verify(&house, Some("two")).await;
    assert_eq!((verified.levels, verified.movements, broken), (2, 6, vec![]));
    let config = house.database.url().parse().unwrap();
    assert_eq!(verify_chains(&config, Some("nobody"), |_| {}).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_owner_changes_is_found_at_its_version() {
    let changes = [
        (
            "update stock_movements set actor_id = gen_random_uuid() where version = 3",
            3,
            "the movement is not what was hashed",
        ),
        ("update stock_movements set reason = 'stolen' where version = 4", 4, "the movement is not what was hashed"),
        (
            "update stock_movements set created_at = created_at - interval '1 day' where version = 1",
            1,
            "the movement is not what was hashed",
        ),
        ("update stock_movements set hash = sha256('x') where version = 2", 2, "the movement is not what was hashed"),
        ("update stock_movements set hash = null where version = 2", 2, "the movement has no hash"),
        ("delete from stock_movements where version = 2", 2, "the movement is missing"),
        ("delete from stock_movements where version = 5", 5, "the movements do not end where the level does"),
        ("delete from stock_movements where true", 1, "the movements do not end where the level does"),
        ("update stock_levels set last_hash = null where true", 5, "the level's hash is not that of its last movement"),
    ];
    for (change, version, fault) in changes {
        let house = House::new().await;
        let goods = fill(&house, house.one, "a").await;
        fill(&house, house.two, "b").await;
        tamper(&house, change, goods.key).await;
        let (product, warehouse) = goods.key;
        let expected = BrokenChain { tenant: "one".to_owned(), product, warehouse, version, fault };
        let (verified, broken) = verify(&house, None).await;
        assert_eq!((verified.broken, broken), (1, vec![expected]), "{change}");
    }
}

/// Movements and level together, so that no two of them contradict each other.
#[tokio::test]
async fn hashes_that_were_taken_away_together_are_missed() {
    let unhash = "update stock_levels set last_hash = null where true";
    let changes = [
        ("version >= 3", 3, "the movement has no hash"),
        // The tenant's other level is still chained, and began to be before.
        ("true", 1, "the movement has no hash and is not older than the chain"),
    ];
    for (which, version, fault) in changes {
        let house = House::new().await;
        let first = house.stocked(house.one, "first", 1).await;
        let goods = fill(&house, house.one, "a").await;
        tamper(&house, &format!("update stock_movements set hash = null where {which}"), goods.key).await;
        tamper(&house, unhash, goods.key).await;
        let (verified, broken) = verify(&house, None).await;
        let (product, warehouse) = goods.key;
        let expected = BrokenChain { tenant: "one".to_owned(), product, warehouse, version, fault };
        assert_eq!((verified.broken, broken), (1, vec![expected]), "{which}");
        assert!(first != goods.key);
    }
}

#[tokio::test]
async fn movements_without_a_level_are_named() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let (product, warehouse) = goods.key;
    let superuser = house.database.connect().await.unwrap();
    let damage = format!(
        "set session_replication_role = replica;
         delete from stock_levels where product_id = '{product}' and warehouse_id = '{warehouse}'"
    );
    superuser.batch_execute(&damage).await.unwrap();
    let (verified, broken) = verify(&house, None).await;
    let fault = "the movements have no level";
    let expected = BrokenChain { tenant: "one".to_owned(), product, warehouse, version: 1, fault };
    assert_eq!((verified.levels, verified.movements, broken), (1, 6, vec![expected]));
}

/// A ledger that is older than the chain: accepted as it is, and chained from the next movement on.
#[tokio::test]
async fn an_older_ledger_is_chained_from_now_on() {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    for (product, warehouse) in [goods.key, (goods.key.0, goods.transfer.to_warehouse_id)] {
        tamper(&house, "update stock_movements set hash = null where true", (product, warehouse)).await;
        tamper(&house, "update stock_levels set last_hash = null where true", (product, warehouse)).await;
    }
    assert_eq!(verify(&house, None).await.1, vec![]);
    let (tenant, user) = (house.one.tenant, house.one.user);
    for _ in 0..2 {
        house.store.stock().adjust(tenant, user, counted(goods.key, 1), None).await.unwrap();
    }
    let (verified, broken) = verify(&house, None).await;
    assert_eq!((verified.unhashed, broken), (6, vec![]));
    tamper(&house, "update stock_movements set reason = 'stolen' where version = 6", goods.key).await;
    assert_eq!(verify(&house, None).await.1[0].version, 6);
}
