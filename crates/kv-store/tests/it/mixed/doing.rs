//! What a tenant does next: everything that the store offers, on ids of its own and now and then on another tenant's.

use std::fmt::Debug;
use std::sync::Arc;

use kv_store::access::TokenHash;
use kv_store::catalogue::customers;
use kv_store::idempotency::{Answer, Asked, Done};
use kv_store::stock::{Action, Command, LevelFilter, Outcome};
use kv_store::{Store, StoreError};
use kv_types::catalogue::{CustomerPatch, NewCustomer, NewProduct, NewWarehouse, ProductPatch, WarehousePatch};
use kv_types::order::{OrderLine, PlaceOrder, ReturnGoods};
use kv_types::stock::{
    Adjust, AdjustLine, AdjustTo, PartLine, Receive, ReceiveLine, Reserve, ReserveLine, TransferLine, TransferStock,
};
use kv_types::{Expected, 
    AdjustmentId, CustomerId, MinorUnits, OrderId, ProductId, Quantity, ReceiptId, ReservationId, TenantId, TransferId,
    Ttl, WarehouseId,
};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio_postgres::Client;
use uuid::Uuid;

use super::belongs::{prime, tag};
use crate::support::{Account, House};

/// Tables whose ids a step may name.
const TABLES: [&str; 8] =
    ["customers", "products", "warehouses", "reservations", "orders", "receipts", "adjustments", "transfers"];
/// Kinds of steps; those before [`WITHOUT_ID`] name something.
const KINDS: u32 = 43;
const WITHOUT_ID: u32 = 31;
/// Words for keys, which all tenants use.
const KEYS: usize = 12;

/// What there is, by tenant and table.
pub(super) struct Known {
    accounts: Vec<Account>,
    ids: Vec<[Vec<Uuid>; TABLES.len()]>,
}

impl Known {
    /// Gives each tenant something to begin with.
    pub(super) async fn new(house: &House, accounts: &[Account]) -> Self {
        for &Account { tenant, user } in accounts {
            for number in 0..2 {
                let word = format!("{}first-{number}", tag(tenant));
                house.store.create_customer(tenant, &customer(&word)).await.unwrap();
                let product = house.store.create_product(tenant, &product(tenant, &word)).await.unwrap().id;
                let warehouse = house.store.create_warehouse(tenant, &warehouse(&word)).await.unwrap().id;
                let line = ReceiveLine { product, warehouse, quantity: units(tenant, 50) };
                let receive = Receive { lines: vec![line], reference: Some(word) };
                house.store.stock().receive(tenant, user, receive, None).await.unwrap();
            }
        }
        let mut known = Self { accounts: accounts.to_vec(), ids: Vec::new() };
        known.learn(&kv_store::admin::connect(&house.database.url().parse().unwrap()).await.unwrap()).await;
        known
    }

    /// Reads what there is now, also by steps whose answer nobody waited for.
    pub(super) async fn learn(&mut self, superuser: &Client) {
        self.ids = vec![std::array::from_fn(|_| Vec::new()); self.accounts.len()];
        for (place, table) in TABLES.iter().enumerate() {
            let ids = format!("select distinct tenant_id, id from {table} order by 1, 2");
            for row in superuser.query(&ids, &[]).await.unwrap() {
                let tenant: i64 = row.get(0);
                self.ids[usize::try_from(tenant - 1).unwrap()][place].push(row.get(1));
            }
        }
    }
}

/// One thing to do.
#[derive(Debug)]
pub(super) struct Step {
    account: Account,
    kind: u32,
    /// The one that is acted on: of each table one.
    target: [Uuid; TABLES.len()],
    /// Others, the tenant's own.
    own: [Uuid; TABLES.len()],
    is_foreign: bool,
    units: Quantity,
    word: String,
    key: String,
}

/// What came of it.
pub(super) struct Told {
    pub(super) text: String,
    /// Whether it was done, or something was found.
    pub(super) is_done: bool,
}

impl Told {
    fn of<T: Debug, E: Debug>(result: &Result<T, E>) -> Self {
        Self { text: format!("{result:?}"), is_done: result.is_ok() }
    }

    fn found<T: Debug>(result: &Result<Option<T>, StoreError>) -> Self {
        Self { text: format!("{result:?}"), is_done: matches!(result, Ok(Some(_))) }
    }

    /// What was done under a key, now or before: a kept answer is text.
    fn keyed<T: Debug, E: Debug>(result: &Result<Done<T>, E>) -> Self {
        let text = match result {
            Ok(Done::Before(answer)) => String::from_utf8(answer.body.clone()).unwrap(),
            other => format!("{other:?}"),
        };
        Self { text, is_done: result.is_ok() }
    }
}

impl Step {
    pub(super) fn draw(rng: &mut StdRng, known: &Known) -> Self {
        let own = rng.random_range(0..known.accounts.len());
        let kind = rng.random_range(0..KINDS);
        let is_foreign = kind < WITHOUT_ID && rng.random_ratio(1, 4);
        let other = (own + rng.random_range(1..known.accounts.len())) % known.accounts.len();
        let mut pick = |tenant: usize| {
            std::array::from_fn(|table| {
                let ids: &[Uuid] = &known.ids[tenant][table];
                if ids.is_empty() { Uuid::nil() } else { ids[rng.random_range(0..ids.len())] }
            })
        };
        let (target, others) = (pick(if is_foreign { other } else { own }), pick(own));
        let account = known.accounts[own];
        Self {
            account,
            kind,
            target,
            own: others,
            is_foreign,
            units: units(account.tenant, rng.random_range(1..4)),
            word: format!("{}{:x}", tag(account.tenant), rng.random_range(0..u32::MAX)),
            key: format!("k-{}", rng.random_range(0..KEYS)),
        }
    }

    pub(super) fn account(&self) -> Account {
        self.account
    }

    /// What another tenant has is not there, and no error is one of the program or of the database.
    pub(super) fn assert_expected(&self, told: &Told) {
        assert!(!(self.is_foreign && told.is_done), "{self:?} reached another tenant's: {}", told.text);
        for fault in ["Database(", "Unavailable", "Corrupt", "Undecided", "OutcomeUnknown", "Overloaded", "LockTimeout"]
        {
            assert!(!told.text.contains(fault), "{self:?}: {}", told.text);
        }
    }

    pub(super) async fn run(&self, store: &Store) -> Told {
        match self.kind {
            0..8 => self.get(store).await,
            8..13 => self.change_catalogue(store).await,
            13..31 => self.change_stock(store).await,
            31..38 => self.list(store).await,
            _ => self.make(store).await,
        }
    }

    async fn get(&self, store: &Store) -> Told {
        let (tenant, [customer, product, warehouse, held, order, receipt, adjustment, transfer]) =
            (self.account.tenant, self.target);
        let key = (ProductId::from_uuid(product), WarehouseId::from_uuid(warehouse));
        match self.kind {
            0 => Told::found(&store.customer(tenant, CustomerId::from_uuid(customer)).await),
            1 => Told::found(&store.product(tenant, key.0).await),
            2 => Told::found(&store.stock_level(tenant, key.0, key.1).await),
            3 => Told::found(&store.reservation(tenant, ReservationId::from_uuid(held)).await),
            4 => Told::found(&store.order(tenant, OrderId::from_uuid(order)).await),
            5 => Told::found(&store.receipt(tenant, ReceiptId::from_uuid(receipt)).await),
            6 => Told::found(&store.adjustment(tenant, AdjustmentId::from_uuid(adjustment)).await),
            _ => Told::found(&store.transfer(tenant, TransferId::from_uuid(transfer)).await),
        }
    }

    async fn change_catalogue(&self, store: &Store) -> Told {
        let (tenant, [customer, product, warehouse, ..]) = (self.account.tenant, self.target);
        let name = Some(self.word.clone());
        let (customer, warehouse) = (CustomerId::from_uuid(customer), WarehouseId::from_uuid(warehouse));
        match self.kind {
            8 => {
                let patch = CustomerPatch { name, ..CustomerPatch::default() };
                Told::found(&store.change_customer(tenant, customer, &patch).await)
            }
            9 => {
                let patch = ProductPatch { name, ..ProductPatch::default() };
                Told::found(&store.change_product(tenant, ProductId::from_uuid(product), &patch).await)
            }
            10 => {
                let patch = WarehousePatch { name, ..WarehousePatch::default() };
                Told::found(&store.change_warehouse(tenant, warehouse, &patch).await)
            }
            11 => Told::found(&store.delete_customer(tenant, customer).await),
            _ => Told::found(&store.delete_warehouse(tenant, warehouse).await),
        }
    }

    /// Half of them under a key.
    async fn change_stock(&self, store: &Store) -> Told {
        let Account { tenant, user } = self.account;
        let action = self.action();
        let once = self.units.units() % 2 == 0;
        let once = once.then(|| {
            let encode = |outcome: &Outcome| answer(format!("{outcome:?}"));
            store.once(tenant, self.asked(), Arc::new(encode))
        });
        let is_keyed = once.is_some();
        let done = store.stock().run(tenant, Command { actor: user, fence: None, once, expected: Expected::Any, action }).await;
        let told = Told::keyed(&done);
        // What the key stands for is the tenant's own, whatever is asked now.
        Told { is_done: told.is_done && !(is_keyed && self.is_foreign), ..told }
    }

    fn action(&self) -> Action {
        let tenant = self.account.tenant;
        let [customer, product, warehouse, held, order, ..] = self.target;
        let (product, warehouse) = (ProductId::from_uuid(product), WarehouseId::from_uuid(warehouse));
        let (held, order) = (ReservationId::from_uuid(held), OrderId::from_uuid(order));
        let (quantity, reference) = (self.units, Some(self.word.clone()));
        let part = PartLine { product, warehouse, quantity };
        match self.kind {
            13 | 14 => Action::receive(
                tenant,
                Receive { lines: vec![ReceiveLine { product, warehouse, quantity }], reference },
            ),
            15 => {
                let to = AdjustTo::Delta(quantity.units());
                let lines = vec![AdjustLine { product, warehouse, to }];
                Action::adjust(tenant, Adjust { lines, reason: self.word.clone(), reference })
            }
            16 => {
                let lines = vec![TransferLine { product, quantity }];
                // Whoever speaks to the store has seen to it that these are two.
                let to = if self.own[2] == self.target[2] { Uuid::nil() } else { self.own[2] };
                let to = WarehouseId::from_uuid(to);
                Action::transfer(tenant, TransferStock { from: warehouse, to, lines, reference })
            }
            17 => Action::LimitBackorders(product, warehouse, quantity.units()),
            18 | 19 => {
                let lines = vec![ReserveLine { product, warehouse: Some(warehouse), quantity }];
                Action::reserve(tenant, Reserve { lines, reference, ttl: None })
            }
            20 => {
                let lines = vec![ReserveLine { product, warehouse: None, quantity }];
                Action::reserve(tenant, Reserve { lines, reference, ttl: Ttl::parse(1) })
            }
            21 => Action::Release(held),
            22 => Action::Ship(held),
            23 => Action::ShipPart(held, vec![part]),
            24 => Action::Extend(held, Ttl::parse(60).unwrap()),
            25 | 26 => {
                let lines = vec![OrderLine { product, quantity }];
                let customer = CustomerId::from_uuid(customer);
                Action::place_order(tenant, PlaceOrder { customer, lines, reference, ttl: None, allow_partial: false })
            }
            27 => Action::ConfirmOrder(order),
            28 => Action::CancelOrder(order),
            29 => Action::FulfillOrder(order, None),
            _ => Action::ReturnOrder(order, ReturnGoods { lines: vec![part], reason: self.word.clone() }),
        }
    }

    async fn list(&self, store: &Store) -> Told {
        let (tenant, [_, product, warehouse, ..]) = (self.account.tenant, self.own);
        let key = (ProductId::from_uuid(product), WarehouseId::from_uuid(warehouse));
        match self.kind {
            31 => Told::of(&store.customers(tenant, None, 50).await),
            32 => Told::of(&store.products(tenant, None, 50).await),
            33 => Told::of(&store.stock_levels(tenant, LevelFilter::default(), None, 50).await),
            34 => Told::of(&store.orders(tenant, None, 50).await),
            35 => Told::of(&store.receipts(tenant, None, 50).await),
            36 => Told::of(&store.stock_movements(tenant, key, 0, 50).await),
            _ => Told::of(&store.audit_stock(tenant).await),
        }
    }

    async fn make(&self, store: &Store) -> Told {
        let tenant = self.account.tenant;
        match self.kind {
            38 => Told::of(&store.create_product(tenant, &product(tenant, &self.word)).await),
            39 => Told::of(&store.create_warehouse(tenant, &warehouse(&self.word)).await),
            40 => {
                let write = customers::creation(tenant, &customer(&self.word));
                let encode = |made: &_| answer(format!("{made:?}"));
                let once = store.once(tenant, self.asked(), Arc::new(encode));
                Told::keyed(&store.apply(write, Some(once)).await.map(Option::unwrap))
            }
            41 => Told::of(&store.void_key(tenant, &self.key.parse().unwrap()).await),
            _ => {
                let (token, later) =
                    (TokenHash::of(&self.word), jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1));
                Told::of(&store.insert_session(tenant, self.account.user, &token, later).await)
            }
        }
    }

    fn asked(&self) -> Asked {
        Asked { key: self.key.parse().unwrap(), fingerprint: [7; 32], line: format!("POST /{}", self.word) }
    }
}

fn answer(body: String) -> Answer {
    Answer { head: "201".to_owned(), body: body.into_bytes(), numbers_at: Vec::new() }
}

/// So many lots of the tenant's own size.
fn units(tenant: TenantId, lots: i64) -> Quantity {
    Quantity::parse(lots * prime(tenant)).unwrap()
}

fn customer(word: &str) -> NewCustomer {
    NewCustomer { code: word.to_owned(), name: word.to_owned(), email: None, phone: None }
}

fn product(tenant: TenantId, word: &str) -> NewProduct {
    NewProduct {
        sku: word.to_owned(),
        name: word.to_owned(),
        description: Some(word.to_owned()),
        uom: "unit".to_owned(),
        price: MinorUnits::parse_price(prime(tenant)).unwrap(),
        currency: "EUR".parse().unwrap(),
        active: true,
    }
}

fn warehouse(word: &str) -> NewWarehouse {
    NewWarehouse { code: word.to_owned(), name: word.to_owned(), priority: 100, active: true }
}
