//! The predicates alone: they hold where row-level security does not, for a superuser is not bound by it.

use kv_store::stock::{Action, FenceClaim, LevelFilter, Refusal, StockError};
use kv_store::{Store, StoreConfig};
use kv_types::Ttl;
use kv_types::catalogue::{CustomerPatch, NewCustomer, ProductPatch, WarehousePatch};
use kv_types::order::ReturnGoods;
use kv_types::stock::{PartLine, Receive, ReceiveLine};

use crate::isolation::{FENCED, Goods, counted, fill, moved, order_of};
use crate::support::{House, quantity, reserve};

/// A house whose first tenant has one of everything, and a store that no security binds.
async fn unbound() -> (House, Goods, Store) {
    let house = House::new().await;
    let goods = fill(&house, house.one, "a").await;
    let store = Store::open(&StoreConfig::new(house.database.url().parse().unwrap())).unwrap();
    (house, goods, store)
}

#[tokio::test]
async fn lists_and_reads_by_id_show_nothing_foreign() {
    let (house, goods, store) = unbound().await;
    let (one, two) = (house.one.tenant, house.two.tenant);
    let (product, warehouse) = goods.key;
    // What is not there for the second tenant is there for the first: each read below can fail.
    for (tenant, own) in [(one, 1), (two, 0)] {
        assert_eq!(store.customers(tenant, None, 10).await.unwrap().rows.len(), own);
        assert_eq!(store.customer(tenant, goods.customer.id).await.unwrap().iter().count(), own);
        assert_eq!(store.products(tenant, None, 10).await.unwrap().rows.len(), own);
        assert_eq!(store.product(tenant, product).await.unwrap().iter().count(), own);
        assert_eq!(store.warehouses(tenant, None, 10).await.unwrap().rows.len(), 2 * own);
        assert_eq!(store.warehouse(tenant, warehouse).await.unwrap().iter().count(), own);
        assert_eq!(store.stock_levels(tenant, LevelFilter::default(), None, 10).await.unwrap().rows.len(), 2 * own);
        assert_eq!(store.stock_level(tenant, product, warehouse).await.unwrap().iter().count(), own);
        // A receipt, a reservation, an order, an adjustment and a transfer.
        assert_eq!(store.stock_movements(tenant, goods.key, 0, 10).await.unwrap().rows.len(), 5 * own);
        let receipts = store.receipts(tenant, None, 10).await.unwrap().rows;
        assert_eq!((receipts.len(), receipts.iter().map(|receipt| receipt.items.len()).sum()), (own, own));
        let receipt = store.receipts(one, None, 10).await.unwrap().rows.remove(0);
        assert_eq!(store.receipt(tenant, receipt.id).await.unwrap(), Some(receipt).filter(|_| own > 0));
        assert_eq!(store.adjustments(tenant, None, 10).await.unwrap().rows.len(), own);
        let adjustment = Some(&goods.adjustment).filter(|_| own > 0);
        assert_eq!(store.adjustment(tenant, goods.adjustment.id).await.unwrap().as_ref(), adjustment);
        assert_eq!(store.transfers(tenant, None, 10).await.unwrap().rows.len(), own);
        let transfer = Some(&goods.transfer).filter(|_| own > 0);
        assert_eq!(store.transfer(tenant, goods.transfer.id).await.unwrap().as_ref(), transfer);
        assert_eq!(store.reservation(tenant, goods.held.id).await.unwrap().iter().count(), own);
        assert_eq!(store.orders(tenant, None, 10).await.unwrap().rows.len(), own);
        assert_eq!(store.order(tenant, goods.order.id).await.unwrap().iter().count(), own);
    }
}

#[tokio::test]
async fn changes_and_ends_in_the_catalogue_reach_nothing_foreign() {
    let (house, goods, store) = unbound().await;
    let (one, two) = (house.one.tenant, house.two.tenant);
    // Not stocked and not ordered, so that nothing but the predicate keeps them from being deleted.
    let (product, warehouse) = (house.product(house.one, "idle").await, house.warehouse(house.one, "idle", 1).await);
    let idle = NewCustomer { code: "idle".to_owned(), name: "Idle".to_owned(), email: None, phone: None };
    let customer = store.create_customer(one, &idle).await.unwrap().id;
    let name = Some("stolen".to_owned());
    let patch = CustomerPatch { name: name.clone(), ..CustomerPatch::default() };
    assert!(store.change_customer(two, customer, &patch).await.unwrap().is_none());
    let patch = ProductPatch { name: name.clone(), ..ProductPatch::default() };
    assert!(store.change_product(two, product, &patch).await.unwrap().is_none());
    let patch = WarehousePatch { name, ..WarehousePatch::default() };
    assert!(store.change_warehouse(two, warehouse, &patch).await.unwrap().is_none());
    assert!(store.delete_customer(two, customer).await.unwrap().is_none());
    assert!(store.delete_product(two, product).await.unwrap().is_none());
    assert!(store.delete_warehouse(two, warehouse).await.unwrap().is_none());
    assert_eq!(store.customer(one, customer).await.unwrap().unwrap().name, "Idle");
    assert_eq!(store.product(one, product).await.unwrap().unwrap().name, "Product idle");
    assert_eq!(store.warehouse(one, warehouse).await.unwrap().unwrap().name, "idle");
    // A code is taken within a tenant only.
    assert_eq!(store.create_customers(two, &[idle]).await.unwrap(), 1);
    // A token is ended by its own tenant only.
    store.revoke_token(two, &goods.token).await.unwrap();
    assert!(store.find_token(&goods.token).await.unwrap().is_some());
    store.revoke_token(one, &goods.token).await.unwrap();
    assert!(store.find_token(&goods.token).await.unwrap().is_none());
}

#[tokio::test]
async fn stock_and_orders_of_another_tenant_are_unknown() {
    let (house, goods, store) = unbound().await;
    let two = house.two;
    let before = snapshot(&house, &goods).await;
    let stock = store.stock();
    let part = PartLine { product: goods.key.0, warehouse: goods.key.1, quantity: quantity(1) };
    let ttl = Ttl::parse(60).unwrap();
    let back = ReturnGoods { lines: vec![part], reason: "broken".to_owned() };
    let not_found = [
        stock.release(two.tenant, two.user, goods.held.id, None).await.map(drop),
        stock.ship(two.tenant, two.user, goods.held.id, None).await.map(drop),
        stock.confirm_order(two.tenant, two.user, goods.order.id, None).await.map(drop),
        stock.cancel_order(two.tenant, two.user, goods.order.id, None).await.map(drop),
        stock.change_reservation(two.tenant, two.user, Action::ShipPart(goods.held.id, vec![part])).await.map(drop),
        stock.change_reservation(two.tenant, two.user, Action::Extend(goods.held.id, ttl)).await.map(drop),
        stock.change_reservation(two.tenant, two.user, Action::Expire(goods.held.id)).await.map(drop),
        stock.limit_backorders(two.tenant, two.user, goods.key, 5).await.map(drop),
        stock.change_order(two.tenant, two.user, Action::FulfillOrder(goods.order.id, None)).await.map(drop),
        stock.change_order(two.tenant, two.user, Action::ReturnOrder(goods.order.id, back)).await.map(drop),
    ];
    for refused in not_found {
        assert!(matches!(refused, Err(StockError::Refused(Refusal::NotFound(_)))), "{refused:?}");
    }
    let line = ReceiveLine { product: goods.key.0, warehouse: goods.key.1, quantity: quantity(1) };
    let receive = Receive { lines: vec![line], reference: None };
    let order = order_of(goods.customer.id, goods.key.0, 1);
    let unknown = [
        stock.reserve(two.tenant, two.user, reserve(&[(goods.key, 1)]), None).await.map(drop),
        stock.receive(two.tenant, two.user, receive, None).await.map(drop),
        stock.place_order(two.tenant, two.user, order, None).await.map(drop),
        stock.adjust(two.tenant, two.user, counted(goods.key, 1), None).await.map(drop),
        stock.transfer(two.tenant, two.user, moved(goods.key, goods.transfer.to_warehouse_id, 1), None).await.map(drop),
    ];
    for refused in unknown {
        assert!(matches!(refused, Err(StockError::Refused(Refusal::Unknown(_)))), "{refused:?}");
    }
    assert_eq!(snapshot(&house, &goods).await, before);
    // A lock's name belongs to its tenant: the first one's newer token does not make the second one's stale.
    let key = house.stocked(two, "b", 1).await;
    let lower = FenceClaim::new(FENCED.0, FENCED.1 - 1);
    stock.reserve(two.tenant, two.user, reserve(&[(key, 1)]), Some(lower)).await.unwrap();
    house.assert_ledger_holds().await;
}

/// All that the attempts above could have changed of the first tenant's.
async fn snapshot(house: &House, goods: &Goods) -> String {
    let tenant = house.one.tenant;
    let order = house.store.order(tenant, goods.order.id).await.unwrap();
    let held = house.store.reservation(tenant, goods.held.id).await.unwrap();
    let levels = house.store.stock_levels(tenant, LevelFilter::default(), None, 10).await.unwrap().rows;
    format!("{order:?} {held:?} {levels:?}")
}
