//! The real program as a process of its own on a durable PostgreSQL of its own, both of which can be killed and brought back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kv_erp::credentials::token::{Token, TokenKind};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::{Store, StoreConfig, admin};
use kv_types::{ProductId, TenantId, WarehouseId};
use sandbox::testing::eventually;
use sandbox::{Login, Postgres, PostgresOptions, ProcessSpec, Supervised, free_port};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::client::Connection;

const APP_PASSWORD: &str = "crash-app-password";
const READY_WITHIN: Duration = Duration::from_mins(1);

/// Where the service is, and who asks.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: String,
    pub(crate) token: String,
}

/// A stock level that is fought over.
#[derive(Clone)]
pub(crate) struct Level {
    pub(crate) product: ProductId,
    pub(crate) warehouse: WarehouseId,
}

impl Level {
    pub(crate) fn line(&self, units: i64) -> Value {
        json!({"product_id": self.product, "warehouse_id": self.warehouse, "quantity": units})
    }
}

pub(crate) struct Rig {
    postgres: Postgres,
    service: Supervised,
    door: Door,
    pub(crate) tenant: TenantId,
    /// A reader of its own, beside the service.
    pub(crate) store: Store,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        let postgres = Postgres::start(PostgresOptions::default()).await.unwrap();
        let superuser = postgres.url().parse().unwrap();
        admin::migrate(&superuser, Some(APP_PASSWORD)).await.unwrap();
        let (tenant, token) = provision(&superuser).await;
        let door = Door { address: format!("127.0.0.1:{}", free_port().unwrap()), token };
        let service = serve(&postgres, &door).await;
        let store = Store::open(&StoreConfig::new(app_url(&postgres).parse().unwrap())).unwrap();
        Self { postgres, service, door, tenant, store }
    }

    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    /// Products with some units each in one warehouse, made over HTTP.
    pub(crate) async fn stock(&self, products: usize, units: i64) -> Vec<Level> {
        let mut connection = Connection::open(&self.door).await.unwrap();
        let mut levels = Vec::new();
        let warehouse = made(&mut connection, "warehouses", &json!({"code": "w", "name": "W"})).await;
        for number in 0..products {
            let product = json!({"sku": format!("hot-{number}"), "name": "Hot", "price_minor": 1, "currency": "EUR"});
            let product = made(&mut connection, "products", &product).await;
            let level = Level { product: product.parse().unwrap(), warehouse: warehouse.parse().unwrap() };
            made(&mut connection, "stock-receipts", &json!({"items": [level.line(units)]})).await;
            levels.push(level);
        }
        levels
    }

    /// SIGKILL for the service and for PostgreSQL.
    pub(crate) async fn kill(&mut self) {
        tokio::join!(self.service.kill(), self.postgres.kill());
    }

    pub(crate) async fn restart(&mut self) {
        self.postgres.restart().await.unwrap();
        self.service = serve(&self.postgres, &self.door).await;
        eventually(READY_WITHIN, async || self.store.ping().await).await;
    }
}

async fn made(connection: &mut Connection, what: &str, body: &Value) -> String {
    let (status, answer) = connection.post(&format!("/api/v1/{what}"), body).await.unwrap();
    assert_eq!(status, 201, "{what}: {answer}");
    answer["id"].as_str().unwrap().to_owned()
}

fn app_url(postgres: &Postgres) -> String {
    postgres.url_for("postgres", Login::Role { name: "kv_app", password: APP_PASSWORD })
}

async fn serve(postgres: &Postgres, door: &Door) -> Supervised {
    let spec = ProcessSpec::new(env!("CARGO_BIN_EXE_kv-erp"))
        .args(["api", "--log", "warn", "--listen", &door.address])
        .env("KV_DATABASE_URL", app_url(postgres))
        .log(postgres.folder().join("kv-erp.log"));
    let service = Supervised::spawn(spec).unwrap();
    eventually(READY_WITHIN, async || {
        assert!(service.is_running(), "the service ended: {}", service.log_tail(20));
        TcpStream::connect(&door.address).await
    })
    .await;
    service
}

async fn provision(superuser: &tokio_postgres::Config) -> (TenantId, String) {
    let mut provisioner = Provisioner::connect(superuser).await.unwrap();
    let tenant = provisioner.create_tenant("crash", "Crash").await.unwrap();
    let email = "hammer@crash.example";
    let new = NewUser {
        tenant: "crash",
        email,
        password_hash: "-",
        role: Role::Manager,
        rate_limit_per_minute: Some(1_000_000_000),
    };
    provisioner.create_user(&new).await.unwrap();
    let token = Token::generate(TokenKind::Api);
    let expires_at = Timestamp::now() + SignedDuration::from_hours(1);
    provisioner.create_token(email, &token.hash(), expires_at).await.unwrap();
    (tenant, token.reveal().to_owned())
}
