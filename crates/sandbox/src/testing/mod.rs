//! Servers for tests: one PostgreSQL and one Redis for a whole run, found by two variables, or private ones for this process.
//!
//! Invariants: tests share a server, never a database; nothing here is used outside tests.

mod database;
mod eventually;

use tokio::sync::OnceCell;

pub use crate::deadlocks::{DEADLOCK_LOG_VARIABLE, Deadlocks, EXPECT_DEADLOCKS, count_deadlocks, read_deadlocks};
use crate::error::SandboxError;
use crate::postgres::{Login, Postgres, PostgresAddress, PostgresOptions, Session};
use crate::redis::{Redis, RedisOptions};
pub use database::{Template, TestDatabase};
pub use eventually::{Probe, eventually};

/// Names the run's PostgreSQL: a superuser's URL.
pub const POSTGRES_VARIABLE: &str = "SANDBOX_POSTGRES";
/// Names the run's Redis: a URL with the password.
pub const REDIS_VARIABLE: &str = "SANDBOX_REDIS";
/// Enough connections for every test of a run at the same time.
const MAX_CONNECTIONS: &str = "400";

/// The PostgreSQL of this test run.
#[derive(Debug)]
pub struct TestPostgres {
    address: PostgresAddress,
    // Ends with the process, when it is ours.
    _server: Option<Postgres>,
}

/// The Redis of this test run; tests share its keys, so they choose their own, or start a [`Redis`] of their own.
#[derive(Debug)]
pub struct TestRedis {
    url: String,
    // Ends with the process, when it is ours.
    _server: Option<Redis>,
}

/// The options of a PostgreSQL that serves a whole test run.
pub fn postgres_options() -> PostgresOptions {
    PostgresOptions::ephemeral().setting("max_connections", MAX_CONNECTIONS).setting("autovacuum", "off")
}

/// The run's PostgreSQL: the one that [`POSTGRES_VARIABLE`] names, else one of this process.
///
/// # Panics
/// When there is none and none can be started, with the reason.
pub async fn postgres() -> &'static TestPostgres {
    static SHARED: OnceCell<TestPostgres> = OnceCell::const_new();
    let start = async || -> Result<TestPostgres, SandboxError> {
        if let Some(url) = variable(POSTGRES_VARIABLE) {
            return Ok(TestPostgres { address: url.parse()?, _server: None });
        }
        let server = Postgres::start(postgres_options()).await?;
        Ok(TestPostgres { address: server.address().clone(), _server: Some(server) })
    };
    match SHARED.get_or_try_init(start).await {
        Ok(shared) => shared,
        Err(error) => panic!("no PostgreSQL for the tests: {error}"),
    }
}

/// The run's Redis: the one that [`REDIS_VARIABLE`] names, else one of this process.
///
/// # Panics
/// When there is none and none can be started, with the reason.
pub async fn redis() -> &'static TestRedis {
    static SHARED: OnceCell<TestRedis> = OnceCell::const_new();
    let start = async || -> Result<TestRedis, SandboxError> {
        if let Some(url) = variable(REDIS_VARIABLE) {
            return Ok(TestRedis { url, _server: None });
        }
        let server = Redis::start(RedisOptions::default()).await?;
        Ok(TestRedis { url: server.url(), _server: Some(server) })
    };
    match SHARED.get_or_try_init(start).await {
        Ok(shared) => shared,
        Err(error) => panic!("no Redis for the tests: {error}"),
    }
}

impl TestPostgres {
    /// The superuser's URL of the database `postgres`.
    pub fn url(&self) -> String {
        self.address.url_for("postgres", Login::Superuser)
    }

    /// Where the server is.
    pub const fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// Connects as superuser.
    pub async fn connect(&self, database: &str) -> Result<Session, SandboxError> {
        let url = self.address.url_for(database, Login::Superuser);
        Session::connect(&url).await.map_err(SandboxError::query(format!("connect to database {database}")))
    }
}

impl TestRedis {
    /// The URL of database 0.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
