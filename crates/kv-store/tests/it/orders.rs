//! Orders from their placing to the last return.

use kv_store::stock::{Action, OrderStep, Refusal, StockError};
use kv_types::order::{Order, OrderLine, OrderStatus, PlaceOrder, ReturnGoods};
use kv_types::stock::{PartLine, ReservationStatus};
use kv_types::{CustomerId, OrderId, ProductId, Ttl, WarehouseId};

use crate::isolation::order_of;
use crate::lives::until_due;
use crate::support::{House, quantity, reserve};

struct Shop {
    house: House,
    product: ProductId,
    near: WarehouseId,
    far: WarehouseId,
    customer: CustomerId,
}

impl Shop {
    async fn new() -> Self {
        let house = House::new().await;
        let product = house.product(house.one, "a").await;
        let near = house.warehouse(house.one, "near", 10).await;
        let far = house.warehouse(house.one, "far", 20).await;
        house.receive(house.one, (product, near), 3).await;
        house.receive(house.one, (product, far), 5).await;
        let new =
            kv_types::catalogue::NewCustomer { code: "c".to_owned(), name: "C".to_owned(), email: None, phone: None };
        let customer = house.store.create_customer(house.one.tenant, &new).await.unwrap().id;
        Self { house, product, near, far, customer }
    }

    async fn place(&self, wish: PlaceOrder) -> Result<Order, StockError> {
        self.house.store.stock().place_order(self.house.one.tenant, self.house.one.user, wish, None).await
    }

    async fn confirmed(&self, units: i64) -> OrderId {
        let order = self.place(order_of(self.customer, self.product, units)).await.unwrap();
        let (tenant, user) = (self.house.one.tenant, self.house.one.user);
        self.house.store.stock().confirm_order(tenant, user, order.id, None).await.unwrap().id
    }

    async fn act(&self, action: Action) -> Result<Order, StockError> {
        self.house.store.stock().change_order(self.house.one.tenant, self.house.one.user, action).await
    }

    fn some(&self, units: i64) -> Vec<OrderLine> {
        vec![OrderLine { product: self.product, quantity: quantity(units) }]
    }

    fn back(&self, lines: &[(WarehouseId, i64)]) -> ReturnGoods {
        let part = |&(warehouse, units)| PartLine { product: self.product, warehouse, quantity: quantity(units) };
        ReturnGoods { lines: lines.iter().map(part).collect(), reason: "damaged".to_owned() }
    }
}

#[tokio::test]
async fn an_order_leaves_in_parts_and_some_comes_back() {
    let shop = Shop::new().await;
    let order = shop.confirmed(7).await;
    let refused = shop.act(Action::FulfillOrder(order, Some(shop.some(8)))).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::Exceeds(_)))), "{refused:?}");
    let refused = shop.act(Action::ReturnOrder(order, shop.back(&[(shop.near, 1)]))).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::Confirmed, _)))), "{refused:?}");

    let partly = shop.act(Action::FulfillOrder(order, Some(shop.some(4)))).await.unwrap();
    assert_eq!(
        (partly.status, partly.items[0].fulfilled_quantity, partly.version),
        (OrderStatus::PartiallyFulfilled, 4, 3)
    );
    let refused = shop.act(Action::CancelOrder(order)).await;
    let state = |refused: &_| {
        matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::PartiallyFulfilled, _))))
    };
    assert!(state(&refused), "{refused:?}");
    let all = shop.act(Action::FulfillOrder(order, None)).await.unwrap();
    assert_eq!((all.status, all.items[0].fulfilled_quantity, all.version), (OrderStatus::Fulfilled, 7, 4));
    assert_eq!(shop.act(Action::FulfillOrder(order, None)).await.unwrap(), all, "once more is no change");

    let gone: Vec<_> = all.items[0].allocations.iter().map(|from| (from.warehouse_id, from.quantity)).collect();
    let back = shop.act(Action::ReturnOrder(order, shop.back(&[(gone[0].0, 1), (gone[0].0, 1)]))).await.unwrap();
    assert_eq!((back.status, back.items[0].returned_quantity, back.version), (OrderStatus::Fulfilled, 2, 5));
    let refused = shop.act(Action::ReturnOrder(order, shop.back(&[(gone[0].0, gone[0].1 - 1)]))).await;
    let Err(StockError::Refused(Refusal::Exceeds(lines))) = refused else { panic!("{refused:?}") };
    assert_eq!((lines[0].requested, lines[0].available), (gone[0].1 - 1, gone[0].1 - 2));
    assert_eq!(shop.house.store.order(shop.house.one.tenant, order).await.unwrap().unwrap(), back);
    let key = (shop.product, gone[0].0);
    let last = shop.house.store.stock_movements(shop.house.one.tenant, key, 0, 50).await.unwrap().rows.pop().unwrap();
    assert_eq!((last.kind.as_str(), last.d_quantity, last.d_shipped), ("returned", 2, -2));
    assert_eq!((last.order_id, last.reason.as_deref()), (Some(order), Some("damaged")));
    shop.house.assert_ledger_holds().await;
}

/// What was promised and will not leave is given back, and the order is over with what has left.
#[tokio::test]
async fn an_order_is_closed_with_what_has_left() {
    let shop = Shop::new().await;
    let order = shop.confirmed(7).await;
    let refused = shop.act(Action::CloseOrder(order)).await;
    assert!(
        matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::Confirmed, OrderStep::Close)))),
        "{refused:?}"
    );
    shop.act(Action::FulfillOrder(order, Some(shop.some(4)))).await.unwrap();
    let closed = shop.act(Action::CloseOrder(order)).await.unwrap();
    assert_eq!((closed.status, closed.version), (OrderStatus::Fulfilled, 4));
    assert_eq!((closed.items[0].quantity, closed.items[0].fulfilled_quantity), (7, 4));
    assert_eq!(shop.act(Action::CloseOrder(order)).await.unwrap(), closed, "once more is no change");
    let tenant = shop.house.one.tenant;
    let held = shop.house.store.reservation(tenant, closed.reservation_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(held.status, ReservationStatus::Fulfilled);
    let (mut available, mut released) = (0, 0);
    for warehouse in [shop.near, shop.far] {
        let key = (shop.product, warehouse);
        let level = shop.house.store.stock_level(tenant, key.0, key.1).await.unwrap().unwrap();
        assert_eq!(level.reserved_quantity, 0);
        available += level.quantity;
        let movements = shop.house.store.stock_movements(tenant, key, 0, 50).await.unwrap().rows;
        let ends = movements.iter().filter(|movement| movement.kind == "released");
        released += ends.map(|end| end.d_quantity).sum::<i64>();
    }
    assert_eq!((available, released), (8 - 4, 3));
    // Not all of it has left, so this is no repeat.
    let refused = shop.act(Action::FulfillOrder(order, None)).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::Fulfilled, _)))), "{refused:?}");
    let back = shop.back(&[(closed.items[0].allocations[0].warehouse_id, 1)]);
    shop.act(Action::ReturnOrder(order, back)).await.unwrap();
    shop.house.assert_ledger_holds().await;
    // Of one that has left as a whole there is nothing to close.
    let whole = shop.confirmed(1).await;
    shop.act(Action::FulfillOrder(whole, None)).await.unwrap();
    let refused = shop.act(Action::CloseOrder(whole)).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::Fulfilled, _)))), "{refused:?}");
}

#[tokio::test]
async fn each_step_needs_the_state_before_it() {
    let shop = Shop::new().await;
    let pending = shop.place(order_of(shop.customer, shop.product, 1)).await.unwrap().id;
    let (stock, one) = (shop.house.store.stock(), shop.house.one);
    let refused = shop.act(Action::FulfillOrder(pending, None)).await;
    assert!(matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::Pending, _)))), "{refused:?}");
    stock.cancel_order(one.tenant, one.user, pending, None).await.unwrap();
    for action in [
        Action::ConfirmOrder(pending),
        Action::FulfillOrder(pending, None),
        Action::CloseOrder(pending),
        Action::ReturnOrder(pending, shop.back(&[(shop.far, 1)])),
    ] {
        let refused = shop.act(action).await;
        assert!(
            matches!(refused, Err(StockError::Refused(Refusal::OrderState(OrderStatus::Cancelled, _)))),
            "{refused:?}"
        );
    }
    shop.house.assert_ledger_holds().await;
}

#[tokio::test]
async fn a_content_customer_takes_what_there_is() {
    let shop = Shop::new().await;
    let other = shop.house.product(shop.house.one, "none").await;
    let mut wish = order_of(shop.customer, shop.product, 10);
    wish.lines.push(OrderLine { product: other, quantity: quantity(1) });
    wish.allow_partial = true;
    let order = shop.place(wish.clone()).await.unwrap();
    assert_eq!((order.items.len(), order.items[0].quantity, order.total_minor), (1, 8, 8 * 250));
    assert_eq!(shop.house.store.order(shop.house.one.tenant, order.id).await.unwrap().unwrap(), order);
    let refused = shop.place(wish.clone()).await;
    let Err(StockError::Refused(Refusal::Short(short))) = refused else { panic!("{refused:?}") };
    assert_eq!(short.len(), 2);
    // Stock whose time is over counts as there.
    let (stock, one) = (shop.house.store.stock(), shop.house.one);
    stock.cancel_order(one.tenant, one.user, order.id, None).await.unwrap();
    let mut hold = reserve(&[((shop.product, shop.far), 4)]);
    hold.ttl = Ttl::parse(1);
    stock.reserve(one.tenant, one.user, hold, None).await.unwrap();
    until_due(&shop.house, 1).await;
    assert_eq!(shop.place(wish).await.unwrap().items[0].quantity, 8);
    shop.house.assert_ledger_holds().await;
}
