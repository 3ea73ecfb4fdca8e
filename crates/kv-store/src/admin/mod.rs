//! What is done before the service serves: roles, migrations, and the proof that the service's own role is harmless.
//!
//! Three roles: `kv_owner` owns every table and may not log in; `kv_auth` owns the two look-ups of the login; `kv_app` is the
//! service, an ordinary role under forced row-level security.

use thiserror::Error;
use tokio_postgres::Client;

use crate::StoreConfig;
use crate::server::Server;

pub use check::{check_replicas, check_role, check_service, weak_settings};
pub use migrate::{migrate, migrations_fingerprint};
pub use room::{ConnectionRoom, LimitedBy, connection_room};

mod check;
mod migrate;
mod room;

/// A set-up that failed.
#[derive(Debug, Error)]
pub enum AdminError {
    /// PostgreSQL refused or was not reachable.
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    /// A migration failed or differs from the one that was applied.
    #[error("migration failed: {0}")]
    Migration(#[from] refinery::Error),
    /// An extension that the schema needs is not there and could not be made.
    #[error(
        "the extension \"{name}\" could not be made: {fault}; hint: install PostgreSQL's contributed modules, or have a superuser \
         run `create extension {name} with schema public` in this database"
    )]
    Extension {
        /// The extension's name.
        name: &'static str,
        /// PostgreSQL's own words.
        fault: String,
    },
    /// The service's role could get around row-level security.
    #[error("role \"{role}\" {fault}; hint: let the service log in as kv_app, and keep the other for `kv-erp migrate`")]
    UnsafeRole {
        /// The role of the session.
        role: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A table with tenants' rows is not under forced row-level security.
    #[error("table \"{table}\" holds tenants' rows but {fault}; hint: run `kv-erp migrate`")]
    UnsafeTable {
        /// The table's name.
        table: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A server that was given as a replica follows another primary.
    #[error(
        "the replica at {replica} is of another cluster than the primary: its system identifier is {found}, the primary's {expected}; \
         hint: name a server that follows this primary, or leave the replica out"
    )]
    OtherCluster {
        /// Where it is.
        replica: String,
        /// Its identifier.
        found: String,
        /// The primary's.
        expected: String,
    },
    /// Sessions behind a pooler by transaction run without the limits that the service relies on.
    #[error(
        "behind a pooler by transaction the role's own settings count, and there {settings}; hint: run `kv-erp migrate` on this \
         database, past the pooler"
    )]
    NoLimits {
        /// Those that are wrong, as `name = value`.
        settings: String,
    },
    /// The schema is older than this program.
    #[error("the schema is at version {found}, this program needs {needed}; hint: run `kv-erp migrate`")]
    SchemaVersion {
        /// The version found, 0 for an empty database.
        found: i32,
        /// The version that this program was built with.
        needed: i32,
    },
}

/// A connection outside the pool. Its task ends with it.
pub async fn connect(server: &Server) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = server.connect().await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an administrative connection ended");
        }
    });
    Ok(client)
}

/// A session behind whatever pooler there is, with the options that the pool's have, in a transaction that is never committed: what
/// is prepared in it stays on one connection of the server.
async fn look_as_service(config: &StoreConfig) -> Result<Client, tokio_postgres::Error> {
    let client = connect(&config.session()).await?;
    client.batch_execute("begin").await?;
    Ok(client)
}
