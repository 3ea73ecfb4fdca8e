//! Row-level security and the predicates, each alone.

use kv_store::stock::{Refusal, StockError};
use kv_types::order::{OrderLine, PlaceOrder};

use crate::support::{House, app_config, quantity, reserve};

/// What the service's role sees without a tenant, whatever it asks: nothing. And it may write nothing.
#[tokio::test]
async fn without_a_tenant_there_are_no_rows() {
    let house = House::new().await;
    house.stocked(house.one, "a", 5).await;
    let client = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    let tables = client
        .query("select tablename::text from pg_tables where schemaname = 'public' and tablename <> 'refinery_schema_history'", &[])
        .await
        .unwrap();
    assert!(tables.len() >= 12, "{} tables", tables.len());
    for row in tables {
        let table: &str = row.get(0);
        let count: i64 = client.query_one(&format!("select count(*) from {table}"), &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{table} shows rows without a tenant");
    }
    let write = client
        .execute("insert into customers (tenant_id, id, code, name) values (1, gen_random_uuid(), 'x', 'x')", &[])
        .await;
    assert!(write.is_err());
}

/// A query without the predicate still sees one tenant's rows alone, and the setting does not outlive its transaction.
#[tokio::test]
async fn security_holds_without_the_predicate() {
    let house = House::new().await;
    house.stocked(house.one, "a", 5).await;
    house.stocked(house.two, "b", 7).await;
    let client = kv_store::admin::connect(&app_config(&house.database)).await.unwrap();
    for (account, units) in [(house.one, 5_i64), (house.two, 7)] {
        client.batch_execute("begin").await.unwrap();
        client
            .query("select set_config('app.tenant_id', $1::bigint::text, true)", &[&account.tenant.get()])
            .await
            .unwrap();
        let rows = client.query("select quantity from stock_levels", &[]).await.unwrap();
        client.batch_execute("commit").await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [units]);
        let after = client.query("select quantity from stock_levels", &[]).await.unwrap();
        assert!(after.is_empty(), "the tenant outlived its transaction");
    }
}

/// The predicates hold where row-level security does not: a superuser is not bound by it.
#[tokio::test]
async fn the_predicates_hold_without_security() {
    let house = House::new().await;
    let key = house.stocked(house.one, "a", 5).await;
    let held = house.store.stock().reserve(house.one.tenant, house.one.user, reserve(&[(key, 1)]), None).await.unwrap();
    let unbound = kv_store::Store::open(&kv_store::StoreConfig::new(house.database.url().parse().unwrap())).unwrap();
    let two = house.two.tenant;
    assert!(unbound.customers(two, None, 10).await.unwrap().rows.is_empty());
    assert!(unbound.products(two, None, 10).await.unwrap().rows.is_empty());
    assert!(unbound.warehouses(two, None, 10).await.unwrap().rows.is_empty());
    assert!(
        unbound.stock_levels(two, kv_store::stock::LevelFilter::default(), None, 10).await.unwrap().rows.is_empty()
    );
    assert!(unbound.stock_movements(two, key, 0, 10).await.unwrap().rows.is_empty());
    assert!(unbound.reservation(two, held.id).await.unwrap().is_none());
    assert!(unbound.orders(two, None, 10).await.unwrap().rows.is_empty());
    let refused = unbound.stock().release(two, house.two.user, held.id, None).await.unwrap_err();
    assert!(matches!(refused, StockError::Refused(Refusal::NotFound)), "{refused:?}");
    let refused = unbound.stock().reserve(two, house.two.user, reserve(&[(key, 1)]), None).await.unwrap_err();
    assert!(matches!(refused, StockError::Refused(Refusal::Unknown(_))), "{refused:?}");
}

/// Composite foreign keys: a row cannot refer to another tenant's.
#[tokio::test]
async fn a_foreign_customer_or_product_is_unknown() {
    let house = House::new().await;
    let (product, _) = house.stocked(house.one, "a", 5).await;
    let customer =
        kv_types::catalogue::NewCustomer { code: "c".to_owned(), name: "C".to_owned(), email: None, phone: None };
    let customer = house.store.create_customer(house.one.tenant, &customer).await.unwrap().id;
    let lines = vec![OrderLine { product, quantity: quantity(1) }];
    let order = PlaceOrder { customer, lines, reference: None };
    let refused =
        house.store.stock().place_order(house.two.tenant, house.two.user, order.clone(), None).await.unwrap_err();
    let StockError::Refused(Refusal::Unknown(unknown)) = refused else { panic!("{refused:?}") };
    assert_eq!(unknown.len(), 2, "the customer and the product are both named: {unknown:?}");
    house.store.stock().place_order(house.one.tenant, house.one.user, order, None).await.unwrap();
    house.assert_ledger_holds().await;
}
