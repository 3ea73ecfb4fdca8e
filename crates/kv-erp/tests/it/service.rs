//! Services with settings of their own, on a world's database, and accounts that can really log in.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use jiff::{SignedDuration, Timestamp};
use kv_coord::lock::Epoch;
use kv_coord::{LockService, RateLimiter, RedisSettings};
use kv_erp::app::{App, Coordination, HttpSettings};
use kv_erp::credentials::password;
use kv_erp::credentials::token::{Token, TokenKind};
use kv_store::Store;
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use sandbox::testing::{self, TestDatabase};
use serde_json::{Value, json};

use crate::world::{Answer, Caller, World};

pub(crate) const PASSWORD: &str = "correct horse";

/// Where locks and limits live.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    InProcess,
    Redis,
}

/// One further replica of the service.
pub(crate) async fn app(store: &Store, backend: Backend, settings: HttpSettings) -> App {
    let coordination = match backend {
        Backend::InProcess => Coordination::in_process(Epoch::new(store.next_lock_epoch().await.unwrap()).unwrap()),
        Backend::Redis => redis(store, testing::redis().await.url()),
    };
    App::new(store.clone(), coordination, settings)
}

/// Locks and limits in the Redis at `url`, as `kv-erp api` has them.
pub(crate) fn redis(store: &Store, url: &str) -> Coordination {
    let mut settings = RedisSettings::parse(url).unwrap();
    // On a busy machine an unoptimised build may miss the budget of production, and then counts alone.
    settings.limit_timeout = Duration::from_secs(5);
    let epochs = store.clone();
    let locks = LockService::redis(&settings, move |_: String| {
        let store = epochs.clone();
        async move { store.next_lock_epoch().await.map_err(Into::into) }
    });
    Coordination {
        locks: locks.unwrap(),
        requests: RateLimiter::redis_or_alone(&settings, 1.try_into().unwrap()).unwrap(),
        login_failures: RateLimiter::redis(&settings).unwrap(),
    }
}

/// A router with these settings.
pub(crate) async fn router(world: &World, backend: Backend, settings: HttpSettings) -> Router {
    kv_erp::http::router(app(&world.store, backend, settings).await)
}

/// An account of tenant `one` that can log in with [`PASSWORD`]. Addresses are unique to the test, because the counters of a
/// shared Redis know no databases.
pub(crate) struct Account {
    pub(crate) email: String,
    database: String,
}

impl Account {
    pub(crate) async fn new(database: &TestDatabase, rate_limit_per_minute: Option<u32>) -> Self {
        let hash = tokio::task::spawn_blocking(|| password::hash(PASSWORD)).await.unwrap().unwrap();
        let email = format!("User-{}@One.example", uuid::Uuid::now_v7());
        let new =
            NewUser { tenant: "one", email: &email, password_hash: &hash, role: Role::Clerk, rate_limit_per_minute };
        provisioner(&database.url()).await.create_user(&new).await.unwrap();
        Self { email, database: database.url() }
    }

    pub(crate) fn credentials(&self) -> Value {
        self.credentials_with(PASSWORD)
    }

    pub(crate) fn wrong_credentials(&self) -> Value {
        self.credentials_with("wrong")
    }

    pub(crate) fn credentials_with(&self, password: &str) -> Value {
        json!({"email": self.email, "password": password})
    }

    /// A token made by an administrator that ends after `life`.
    pub(crate) async fn token(&self, life: SignedDuration) -> String {
        let token = Token::generate(TokenKind::Api);
        provisioner(&self.database)
            .await
            .create_token(&self.email, &token.hash(), Timestamp::now() + life)
            .await
            .unwrap();
        token.reveal().to_owned()
    }

    /// A caller with a token of this account.
    pub(crate) async fn caller(&self, world: &World, router: &Router) -> Caller {
        let token = self.token(SignedDuration::from_hours(1)).await;
        world.one.with_token(&token).through(router)
    }
}

async fn provisioner(url: &str) -> Provisioner {
    Provisioner::connect(&url.parse().unwrap()).await.unwrap()
}

pub(crate) async fn log_in(caller: &Caller, credentials: &Value) -> Answer {
    caller.nobody().post("/auth/login", credentials).await
}

/// A header as text; the answer must have it.
#[track_caller]
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let value = answer.headers.get(name).unwrap_or_else(|| panic!("{name} is missing in {answer:#?}"));
    value.to_str().unwrap()
}

/// Serves an app on a free port until the returned token is cancelled.
pub(crate) fn serve(app: App) -> (SocketAddr, tokio_util::sync::CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = kv_erp::serve::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(kv_erp::serve::serve(listener, app, stop.clone()));
    (address, stop, serving)
}
