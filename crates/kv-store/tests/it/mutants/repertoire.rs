//! Everything that the service does for a tenant, done as the first twin: with its own ids, which are also the second one's, and with
//! ids that only the second one has. The outcome is all that it is told.

use std::fmt::Debug;
use std::sync::Arc;

use kv_store::Store;
use kv_store::access::TokenHash;
use kv_store::catalogue::customers;
use kv_store::idempotency::{Answer, Asked};
use kv_store::stock::{Action, Command, FenceClaim, LevelFilter, Outcome};
use kv_types::catalogue::{CustomerPatch, NewCustomer, NewProduct, NewWarehouse, ProductPatch, WarehousePatch};
use kv_types::order::{OrderLine, ReturnGoods};
use kv_types::stock::{PartLine, Receive, ReceiveLine, Reserve, ReserveLine};
use kv_types::{Expected, ProductId, Ttl, WarehouseId};

use super::world::{Idle, Twins};
use crate::isolation::{FENCED, Goods, counted, moved, order_of};
use crate::support::{Account, quantity, reserve};
use crate::wire::Wire;

type Key = (ProductId, WarehouseId);

const PARTS: u32 = 21;

/// What was told, step by step, each with the statements that were run for it.
pub(super) struct Told<'a> {
    pub(super) twins: &'a Twins,
    pub(super) wire: &'a Wire,
    pub(super) store: Store,
    pub(super) me: Account,
    pub(super) lines: Vec<String>,
}

impl<'a> Told<'a> {
    /// Does everything, or stops soon after the first thing that was told otherwise than expected.
    pub(super) async fn all(twins: &'a Twins, wire: &'a Wire, expected: Option<&[String]>) -> Vec<String> {
        let mut config = twins.config();
        config.connection = wire.config().into();
        let store = Store::open(&config).unwrap();
        let mut told = Self { twins, wire, store, me: twins.one, lines: Vec::new() };
        for part in 0..PARTS {
            match part {
                0 => told.read(&twins.own).await,
                1 => told.read(&twins.foreign).await,
                2 | 16 => told.list().await,
                3 => told.export().await,
                4 => told.import().await,
                5 => told.write_batches().await,
                6 => told.write_catalogue().await,
                7 => told.write_under_keys().await,
                8 => told.order_twice().await,
                9 => told.move_stock(&twins.own).await,
                10 => told.change_orders(&twins.own).await,
                11 => told.move_stock(&twins.foreign).await,
                12 => told.change_orders(&twins.foreign).await,
                13 => told.run_short().await,
                14 => Box::pin(told.manage_access()).await,
                17 => told.keep_files(&twins.own).await,
                18 => told.keep_files(&twins.foreign).await,
                19 => told.follow(&twins.own).await,
                20 => told.follow(&twins.foreign).await,
                _ => told.prove().await,
            }
            if expected.is_some_and(|expected| !expected.starts_with(&told.lines)) {
                break;
            }
        }
        told.lines
    }

    pub(super) fn note(&mut self, what: &str, outcome: impl Debug) {
        let told = self.twins.settle(&format!("{outcome:?}"));
        self.lines.push(format!("{what}: {told} by {:?}", self.wire.run()));
    }

    async fn read(&mut self, goods: &Goods) {
        let (store, tenant, (product, warehouse)) = (self.store.clone(), self.me.tenant, goods.key);
        self.note("customer", store.customer(tenant, goods.customer.id).await);
        self.note("product", store.product(tenant, product).await);
        self.note("warehouse", store.warehouse(tenant, warehouse).await);
        self.note("level", store.stock_level(tenant, product, warehouse).await);
        self.note("movements", store.stock_movements(tenant, goods.key, 0, 50).await);
        self.note("reservation", store.reservation(tenant, goods.held.id).await);
        self.note("order", store.order(tenant, goods.order.id).await);
        self.note("adjustment", store.adjustment(tenant, goods.adjustment.id).await);
        self.note("transfer", store.transfer(tenant, goods.transfer.id).await);
        let account = if goods.customer.id == self.twins.own.customer.id { self.me } else { self.twins.two };
        let sql = "select id from kept.receipts where tenant_id = $1 order by id limit 1";
        let row = self.twins.superuser.query_one(sql, &[&account.tenant.get()]).await.unwrap();
        self.note("receipt", store.receipt(tenant, kv_types::ReceiptId::from_uuid(row.get(0))).await);
        self.note("import", store.import(tenant, goods.import).await);
        self.note("rejections", store.import_rejections(tenant, goods.import, 0, 50).await);
    }

    async fn list(&mut self) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        self.note("customers", store.customers(tenant, None, 50).await);
        self.note("products", store.products(tenant, None, 50).await);
        self.note("warehouses", store.warehouses(tenant, None, 50).await);
        self.note("levels", store.stock_levels(tenant, LevelFilter::default(), None, 50).await);
        self.note("receipts", store.receipts(tenant, None, 50).await);
        self.note("adjustments", store.adjustments(tenant, None, 50).await);
        self.note("transfers", store.transfers(tenant, None, 50).await);
        self.note("orders", store.orders(tenant, None, 50).await);
        self.note("audit", store.audit_stock(tenant).await);
        self.search().await;
        for key in ["k-a", "k-b", "k-old"] {
            self.note(key, store.key(tenant, &key.parse().unwrap()).await);
        }
    }

    async fn write_catalogue(&mut self) {
        let (store, tenant) = (self.store.clone(), self.me.tenant);
        // The second tenant has these codes.
        self.note("new customer", store.create_customer(tenant, &customer("c-b")).await);
        self.note("new customers", store.create_customers(tenant, &[customer("idle-b"), customer("c-a")]).await);
        self.note("new product", store.create_product(tenant, &product("b")).await);
        self.note("new products", store.create_products(tenant, &[product("idle-b"), product("a")]).await);
        self.note("new warehouse", store.create_warehouse(tenant, &warehouse("w-b")).await);
        for Idle { customer, product, warehouse } in [&self.twins.own_idle, &self.twins.foreign_idle] {
            let name = Some("changed".to_owned());
            let patch = CustomerPatch { name: name.clone(), ..CustomerPatch::default() };
            self.note("change customer", store.change_customer(tenant, *customer, &patch).await);
            let patch = ProductPatch { name: name.clone(), ..ProductPatch::default() };
            self.note("change product", store.change_product(tenant, *product, &patch).await);
            let patch = WarehousePatch { name, ..WarehousePatch::default() };
            self.note("change warehouse", store.change_warehouse(tenant, *warehouse, &patch).await);
            self.note("delete customer", store.delete_customer(tenant, *customer).await);
            self.note("delete product", store.delete_product(tenant, *product).await);
            self.note("delete warehouse", store.delete_warehouse(tenant, *warehouse).await);
        }
        let (token, later) = (TokenHash::of("new"), jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1));
        self.note("session", store.insert_session(tenant, self.me.user, &token, later).await);
        for token in [&self.twins.own.token, &token] {
            self.note("revoke", store.revoke_token(tenant, token).await);
            self.note("token", store.find_token(token).await.map(|found| found.is_some()));
        }
        self.note("revoke another's", store.revoke_token(tenant, &self.twins.foreign.token).await);
    }

    async fn write_under_keys(&mut self) {
        let (store, tenant, me) = (self.store.clone(), self.me.tenant, self.me);
        // New to all, void for the first tenant, and of the second one alone.
        for key in ["k-new", "k-a", "k-b"] {
            let write = customers::creation(tenant, &customer(key));
            let encode = |_: &_| Answer { head: "201".to_owned(), body: b"made".to_vec(), numbers_at: Vec::new() };
            let once = store.once(tenant, asked(key), Arc::new(encode));
            self.note(key, store.apply(write, Some(once)).await);
        }
        for key in ["k-old", "k-void", "k-b"] {
            self.note(key, store.void_key(tenant, &key.parse().unwrap()).await);
        }
        // An order of the second tenant has the id of this one.
        let place = Action::place_order(tenant, order_of(self.twins.own.customer.id, self.twins.own.key.0, 1));
        let Action::PlaceOrder(_, reservation, wish) = place else { unreachable!("an order is placed") };
        let action = Action::PlaceOrder(self.twins.foreign_placed, reservation, wish);
        let encode = |outcome: &Outcome| {
            let is_open = matches!(outcome, Outcome::Order(order) if order.order_number == 0);
            Answer {
                head: "201".to_owned(),
                body: b"number ".to_vec(),
                numbers_at: is_open.then_some(7).into_iter().collect(),
            }
        };
        for _ in 0..2 {
            let once = Some(store.once(tenant, asked("k-order"), Arc::new(encode)));
            let command =
                Command { actor: me.user, fence: None, once, expected: Expected::Any, action: action.clone() };
            self.note("order under a key", store.stock().run(tenant, command).await);
        }
    }

    async fn move_stock(&mut self, goods: &Goods) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let (stock, own, key) = (store.stock(), self.twins.own.key, goods.key);
        self.note("receive", stock.receive(tenant, user, goods_of(key, 4), None).await);
        self.note("receive elsewhere", stock.receive(tenant, user, goods_of((own.0, key.1), 4), None).await);
        self.note("receive another", stock.receive(tenant, user, goods_of((key.0, own.1), 4), None).await);
        self.note("adjust", stock.adjust(tenant, user, counted(key, 1), None).await);
        self.note("transfer", stock.transfer(tenant, user, moved(key, goods.transfer.to_warehouse_id, 1), None).await);
        self.note("limit", stock.limit_backorders(tenant, user, key, 3).await);
        let fence = FenceClaim::new(FENCED.0, FENCED.1 + 1);
        self.note("reserve", stock.reserve(tenant, user, reserve(&[(key, 1)]), Some(fence)).await);
        let anywhere = ReserveLine { product: key.0, warehouse: None, quantity: quantity(1) };
        let anywhere = Reserve { lines: vec![anywhere], reference: None, ttl: None };
        self.note("reserve anywhere", stock.reserve(tenant, user, anywhere, None).await);
        let extend = Action::Extend(goods.held.id, Ttl::parse(600).unwrap());
        self.note("extend", stock.change_reservation(tenant, user, extend).await);
        let part = PartLine { product: key.0, warehouse: key.1, quantity: quantity(1) };
        self.note("ship", stock.change_reservation(tenant, user, Action::ShipPart(goods.held.id, vec![part])).await);
        self.note("release", stock.release(tenant, user, goods.held.id, None).await);
    }

    async fn change_orders(&mut self, goods: &Goods) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let (stock, own) = (store.stock(), &self.twins.own);
        let part = PartLine { product: goods.key.0, warehouse: goods.key.1, quantity: quantity(1) };
        let back = ReturnGoods { lines: vec![part], reason: "broken".to_owned() };
        let id = goods.order.id;
        self.note("confirm", stock.confirm_order(tenant, user, id, None).await);
        self.note("fulfil", stock.change_order(tenant, user, Action::FulfillOrder(id, None)).await);
        self.note("return", stock.change_order(tenant, user, Action::ReturnOrder(id, back)).await);
        self.note("cancel", stock.cancel_order(tenant, user, id, None).await);
        let order = order_of(goods.customer.id, own.key.0, 1);
        self.note("order", stock.place_order(tenant, user, order, None).await);
        let order = order_of(own.customer.id, goods.key.0, 1);
        let placed = stock.place_order(tenant, user, order, None).await;
        let id = placed.as_ref().map(|order| order.id).ok();
        self.note("order another", placed);
        if let Some(id) = id {
            self.note("cancel it", stock.cancel_order(tenant, user, id, None).await);
        }
        self.note("close", stock.change_order(tenant, user, Action::CloseOrder(goods.order.id)).await);
        let placed = stock.place_order(tenant, user, order_of(own.customer.id, goods.key.0, 2), None).await;
        let id = placed.as_ref().map(|order| order.id).ok();
        self.note("order two", placed);
        if let Some(id) = id {
            self.note("confirm two", stock.confirm_order(tenant, user, id, None).await);
            let one = vec![OrderLine { product: goods.key.0, quantity: quantity(1) }];
            self.note("fulfil one", stock.change_order(tenant, user, Action::FulfillOrder(id, Some(one))).await);
            self.note("close the rest", stock.change_order(tenant, user, Action::CloseOrder(id)).await);
        }
    }

    /// More is asked for than is available, so that what is due counts: the tenant's own, and nothing else.
    async fn run_short(&mut self) {
        let (store, Account { tenant, user }) = (self.store.clone(), self.me);
        let stock = store.stock();
        let ([by_key, anywhere], reserved, ordered) = (self.twins.reclaimed, self.twins.reserved, self.twins.ordered);
        self.note("short", stock.reserve(tenant, user, reserve(&[(by_key, 2)]), None).await);
        self.note("enough", stock.reserve(tenant, user, reserve(&[(by_key, 1)]), None).await);
        let order = |product| order_of(self.twins.own.customer.id, product, 2);
        self.note("short anywhere", stock.place_order(tenant, user, order(anywhere.0), None).await);
        self.note("short for long", stock.reserve(tenant, user, reserve(&[(reserved, 1)]), None).await);
        self.note("short everywhere", stock.place_order(tenant, user, order(reserved.0), None).await);
        let new = (reserved.0, self.twins.own.key.1);
        self.note("a new level", stock.receive(tenant, user, goods_of(new, 4), None).await);
        self.note("an order that is due", stock.place_order(tenant, user, order(ordered.0), None).await);
    }
}

pub(super) fn asked(key: &str) -> Asked {
    Asked { key: key.parse().unwrap(), fingerprint: [1; 32], line: "POST /own".to_owned() }
}

pub(super) fn customer(code: &str) -> NewCustomer {
    NewCustomer { code: code.to_owned(), name: "N".to_owned(), email: None, phone: None }
}

pub(super) fn warehouse(code: &str) -> NewWarehouse {
    NewWarehouse { code: code.to_owned(), name: "N".to_owned(), priority: 50, active: true }
}

pub(super) fn product(sku: &str) -> NewProduct {
    NewProduct {
        sku: sku.to_owned(),
        name: "N".to_owned(),
        description: None,
        uom: "unit".to_owned(),
        price: kv_types::MinorUnits::parse_price(5).unwrap(),
        currency: "EUR".parse().unwrap(),
        active: true,
    }
}

fn goods_of((product, warehouse): Key, units: i64) -> Receive {
    Receive { lines: vec![ReceiveLine { product, warehouse, quantity: quantity(units) }], reference: None }
}
