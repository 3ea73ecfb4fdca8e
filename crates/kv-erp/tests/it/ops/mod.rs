//! The service as it is run: replicas, failover, a pooler, backups, and what it tells of itself.

mod backups;
mod failover;
mod log;
mod metrics;
#[cfg(feature = "otlp")]
mod otlp;
mod pooler;
mod replicas;
mod settings;
mod status;
mod tls;

use std::time::Duration;

use axum::Router;
use kv_erp::app::{App, Coordination, HttpSettings};
use kv_store::{Server, Store, StoreConfig, admin};
use sandbox::testing::eventually;
use sandbox::{Listen, Login, Postgres, PostgresOptions};

use crate::world::{Caller, caller_on};

const PASSWORD: &str = "test-app-password";
/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A migrated primary on a port of its own.
async fn primary() -> Postgres {
    let options = PostgresOptions::ephemeral().listen(Listen::AnyPort).setting("max_connections", "100");
    let primary = Postgres::start(options).await.unwrap();
    admin::migrate(&superuser(&primary), Some(PASSWORD)).await.unwrap();
    primary
}

fn superuser(server: &Postgres) -> Server {
    server.url().parse().unwrap()
}

/// The service's login.
fn login(server: &Postgres) -> Server {
    server.url_for("postgres", Login::Role { name: "kv_app", password: PASSWORD }).parse().unwrap()
}

/// A service on this store, and somebody who asks it.
struct Service {
    store: Store,
    app: App,
    router: Router,
}

impl Service {
    async fn on(config: &StoreConfig) -> Self {
        let store = Store::open(config).unwrap();
        let epoch = kv_coord::lock::Epoch::new(store.next_lock_epoch().await.unwrap()).unwrap();
        let app = App::new(store.clone(), Coordination::in_process(epoch), HttpSettings::default());
        let router = kv_erp::http::router(app.clone());
        Self { store, app, router }
    }

    async fn caller(&self, server: &Postgres) -> Caller {
        caller_on(&superuser(server), &self.router).await
    }

    async fn until_replica_is(&self, usable: bool) {
        eventually(PATIENCE, async || self.store.replica_health().iter().all(|health| health.is_usable == usable))
            .await;
    }

    async fn metric(&self, name: &str) -> f64 {
        let text = kv_erp::http::metrics_text(&self.app).await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
        line.parse().unwrap()
    }
}

/// One word from a server, as its superuser.
async fn ask(server: &Postgres, sql: &str) -> String {
    let session = server.connect("postgres").await.unwrap();
    let row = session.query_one(&format!("select ({sql})::text"), &[]).await.unwrap();
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

async fn run(server: &Postgres, sql: &str) {
    server.connect("postgres").await.unwrap().batch_execute(sql).await.unwrap();
}
