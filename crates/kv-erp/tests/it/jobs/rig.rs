//! A database, a Redis that can be broken, and workers as processes of their own.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::stock::Action;
use kv_store::{Store, admin};
use kv_types::catalogue::{NewCustomer, NewProduct, NewWarehouse};
use kv_types::order::{OrderLine, PlaceOrder};
use kv_types::stock::{Receive, ReceiveLine};
use kv_types::{CustomerId, MinorUnits, ProductId, Quantity, TenantId, UserId};
use sandbox::testing::{TestDatabase, eventually};
use sandbox::{Login, ProcessSpec, Redis, RedisOptions, Supervised};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::world::{APP_PASSWORD, Guard, database, store};

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_kv-erp");
const START: Duration = Duration::from_mins(1);

/// Somebody who orders, and what.
#[derive(Clone, Copy)]
pub(super) struct Shop {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    customer: CustomerId,
    product: ProductId,
}

pub(super) struct Rig {
    pub(super) database: TestDatabase,
    pub(super) store: Store,
    pub(super) redis: Redis,
    place: TempDir,
}

impl Rig {
    pub(super) async fn start() -> Self {
        let database = database().await;
        let store = store(&database, Guard::Both);
        let redis = Redis::start(RedisOptions::default()).await.unwrap();
        Self { database, store, redis, place: tempfile::tempdir().unwrap() }
    }

    /// A tenant with one customer and one product, of which there is plenty.
    pub(super) async fn shop(&self, slug: &str) -> Shop {
        let mut provisioner = Provisioner::connect(&self.database.url().parse().unwrap()).await.unwrap();
        let tenant = provisioner.create_tenant(slug, slug).await.unwrap();
        let email = format!("clerk@{slug}.example");
        let new =
            NewUser { tenant: slug, email: &email, password_hash: "-", role: Role::Clerk, rate_limit_per_minute: None };
        let user = provisioner.create_user(&new).await.unwrap();
        let store = &self.store;
        let customer = NewCustomer {
            code: "c".to_owned(),
            name: "Ada".to_owned(),
            email: Some("ada@x.example".to_owned()),
            phone: None,
        };
        let customer = store.create_customer(tenant, &customer).await.unwrap().id;
        let product = NewProduct {
            sku: "p".to_owned(),
            name: "P".to_owned(),
            description: None,
            uom: "unit".to_owned(),
            price: MinorUnits::parse_price(250).unwrap(),
            currency: "EUR".parse().unwrap(),
            active: true,
        };
        let product = store.create_product(tenant, &product).await.unwrap().id;
        let warehouse = NewWarehouse { code: "w".to_owned(), name: "W".to_owned(), priority: 100, active: true };
        let warehouse = store.create_warehouse(tenant, &warehouse).await.unwrap().id;
        let line = ReceiveLine { product, warehouse, quantity: Quantity::parse(1_000_000).unwrap() };
        store.stock().receive(tenant, user, Receive { lines: vec![line], reference: None }, None).await.unwrap();
        Shop { tenant, user, customer, product }
    }

    /// Places so many orders, some at a time.
    pub(super) async fn order(&self, shop: Shop, orders: usize) {
        let place = |_| {
            let order = PlaceOrder {
                customer: shop.customer,
                lines: vec![OrderLine { product: shop.product, quantity: Quantity::parse(1).unwrap() }],
                reference: None,
                ttl: None,
                allow_partial: false,
            };
            let stock = self.store.stock().clone();
            async move {
                let placed = stock.change_order(shop.tenant, shop.user, Action::place_order(shop.tenant, order)).await;
                placed.unwrap();
            }
        };
        stream::iter(0..orders).map(place).buffer_unordered(64).collect::<Vec<()>>().await;
    }

    /// A worker with short times, so that what a crash delays is not delayed for long.
    pub(super) async fn worker(&self, more: &[&str]) -> Supervised {
        let url = self.database.url_for(Login::Role { name: "kv_app", password: APP_PASSWORD });
        let out = self.place.path().join(format!("worker-{}", uuid::Uuid::now_v7()));
        let redis = self.redis.url();
        let mut args = vec!["worker", "--database-url", &url, "--redis-url", &redis, "--listen", "127.0.0.1:0"];
        args.extend(["--job-lease-ms", "2000", "--job-patience-ms", "3000"]);
        args.extend(more);
        let process = Supervised::spawn(ProcessSpec::new(PROGRAM).args(args).log(&out)).unwrap();
        eventually(START, || async {
            let text = std::fs::read_to_string(&out).unwrap_or_default();
            assert!(process.exit_status().is_none(), "it ended:\n{text}");
            text.contains("kv-erp works").then_some(())
        })
        .await;
        process
    }

    pub(super) async fn superuser(&self) -> Client {
        admin::connect(&self.database.url().parse().unwrap()).await.unwrap()
    }
}

/// One number of the database.
pub(super) async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}
