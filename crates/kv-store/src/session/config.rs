//! How a store reaches PostgreSQL and how much of it it uses, and what its sessions run under.
//!
//! Invariant: what the connection's own options say comes last and holds.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::TargetSessionAttrs;

use crate::plan::Types;
use crate::server::Server;

/// What every session of the service runs under. `jit` compiles plans for long queries; ours are short.
///
/// What a role's or a database's own defaults say of isolation and durability does not count; options in the URL do.
const SESSION_OPTIONS: &str = "-c default_transaction_isolation=read\\ committed -c synchronous_commit=on \
    -c idle_in_transaction_session_timeout=10s -c jit=off";

/// How long a statement may run, unless told otherwise.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement may wait for a row's lock, unless told otherwise.
pub const ROW_LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// A trip to the server may take this much longer than its longest statement: the session's own limits speak first.
const TRIP_MARGIN: Duration = Duration::from_secs(3);

/// How to reach PostgreSQL, and how much of it to use.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// As libpq writes it: a URL or key=value words. The role must be an ordinary one, see [`crate::admin::check_role`].
    pub connection: Server,
    /// Connections for single reads and writes; [`crate::readers::PAGE_READERS`] more are for pages.
    pub pool_size: usize,
    /// How long a request may wait for a connection, or for a place on one that is shared.
    pub pool_wait: Duration,
    /// Tasks that write stock, each with a connection of its own. A stock level is always served by the same one.
    pub stock_writers: usize,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a statement may wait for a row's lock; shorter than it may run.
    pub row_lock_timeout: Duration,
    /// Servers that follow the primary and answer reads that may be a little behind, see [`crate::replicas`]. Each gets as many
    /// connections as the primary has for reads.
    pub replicas: Vec<Server>,
    /// How far behind a replica may be that answers.
    pub replica_max_lag: Duration,
    /// What stands between the service and PostgreSQL.
    pub pooler: Pooler,
}

/// What stands between the service and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pooler {
    /// Nothing, or a pooler that keeps a connection for a session.
    #[default]
    None,
    /// A pooler that gives each transaction another connection, such as PgBouncer with `pool_mode = transaction`. Sessions can then have
    /// no settings: they are the role's, as [`crate::admin::migrate`] makes them.
    Transaction,
}

impl StoreConfig {
    /// The defaults for a connection: 16 pooled, 2 s of waiting, 2 stock writers.
    pub fn new(connection: Server) -> Self {
        Self {
            connection,
            pool_size: 16,
            pool_wait: Duration::from_secs(2),
            stock_writers: 2,
            statement_timeout: STATEMENT_TIMEOUT,
            row_lock_timeout: ROW_LOCK_TIMEOUT,
            replicas: Vec::new(),
            replica_max_lag: Duration::from_secs(1),
            pooler: Pooler::None,
        }
    }

    /// The connections that one process makes at most.
    pub const fn connections(&self) -> usize {
        self.pool_size + self.stock_writers + crate::readers::PAGE_READERS
    }

    /// Of several hosts each must have its turn before a request has waited long enough.
    fn connect_timeout(&self) -> Duration {
        let hosts = u32::try_from(self.connection.config().get_hosts().len().max(1)).unwrap_or(u32::MAX);
        if hosts == 1 { Duration::from_secs(2) } else { self.pool_wait * 9 / (10 * hosts) }
    }

    /// Whether the session must be one that may write, which PostgreSQL is asked when it begins.
    pub(crate) fn wants_primary(&self) -> bool {
        self.connection.config().get_target_session_attrs() == TargetSessionAttrs::ReadWrite
    }

    /// What a stock writer connects with.
    pub(crate) fn writer(&self) -> WriterSession {
        let types = self.types();
        WriterSession { server: self.session(), types, trip_limit: self.statement_timeout + TRIP_MARGIN }
    }

    /// What is known of statements where they cannot be prepared.
    pub(crate) fn types(&self) -> Option<Arc<Types>> {
        (self.pooler == Pooler::Transaction).then(|| Arc::new(Types::new(self.session())))
    }

    /// The connection settings with the service's session options and time limits added.
    pub(crate) fn session(&self) -> Server {
        self.session_with("")
    }

    /// The same with `more` options. What the URL says comes last and holds.
    pub(crate) fn session_with(&self, more: &str) -> Server {
        let mut server = self.connection.clone();
        let config = server.config_mut();
        config.application_name("kv-erp");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.connect_timeout());
        }
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(5));
        if self.pooler == Pooler::Transaction {
            return server;
        }
        let given = config.get_options().unwrap_or_default().to_owned();
        let (statement_ms, lock_ms) = (self.statement_timeout.as_millis(), self.row_lock_timeout.as_millis());
        let limits = format!("-c statement_timeout={statement_ms} -c lock_timeout={lock_ms}");
        config.options(format!("{SESSION_OPTIONS} {limits} {more} {given}"));
        server
    }
}

/// How a stock writer reaches PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct WriterSession {
    pub(crate) server: Server,
    /// Behind a pooler by transaction.
    pub(crate) types: Option<Arc<Types>>,
    /// Longer than the session's own limits, so that it speaks only when the server is silent.
    pub(crate) trip_limit: Duration,
}
