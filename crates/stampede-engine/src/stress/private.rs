//! Servers for one run: as durable as real ones, so that their figures mean something.

use sandbox::{Listen, Postgres, PostgresOptions, Redis, RedisOptions, SandboxError};

use super::StressError;

/// Connections beside those of the load: looking, superusers, autovacuum.
const SPARE_CONNECTIONS: u32 = 20;

/// A PostgreSQL with room for so many clients, and its URL.
///
/// Statements are counted by `pg_stat_statements` where that is installed.
pub(super) async fn postgres(clients: u32) -> Result<(Postgres, String), StressError> {
    let connections = (clients + SPARE_CONNECTIONS).to_string();
    let plain = || PostgresOptions::default().listen(Listen::AnyPort).setting("max_connections", connections.clone());
    let counting = plain().setting("shared_preload_libraries", "pg_stat_statements");
    let server = match Postgres::start(counting).await {
        // Its library belongs to another package in some distributions.
        Err(SandboxError::Died { .. }) => Postgres::start(plain()).await?,
        started => started?,
    };
    let url = server.url();
    let session = server.connect("postgres").await?;
    let made = session.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
    if let Err(error) = made {
        tracing::debug!(%error, "statements are not counted");
    }
    Ok((server, url))
}

/// A Redis, and its URL.
pub(super) async fn redis() -> Result<(Redis, String), StressError> {
    let server = Redis::start(RedisOptions::default()).await?;
    let url = server.url();
    Ok((server, url))
}
