//! The pool, and with [`crate::readers`] the only way to a tenant's rows.
//!
//! A transaction's begin, its tenant, its statements and its commit leave in one pipeline: row-level security then costs no round
//! trip. All of them are queued on the connection by the first poll, so a future that is dropped has sent either nothing or a whole
//! transaction; PostgreSQL works through a connection's messages in order, and the next borrower never meets a foreign one.
//!
//! Absent on purpose: `SET` for a whole session (it would outlive its transaction in a pooled connection).

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use kv_types::TenantId;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::StoreError;
use crate::access::CursorSecret;
use crate::conflict::{ConflictStats, Retries};
use crate::idempotency::UnderWay;
use crate::readers::Readers;
use crate::spent::{asked, queued};
use crate::statement::{Statement, statements};

statements! {
    /// The readiness question.
    PING = "select 1";
}

/// How a tenant's transaction begins: one message that needs neither parameters nor a plan. The setting ends with the transaction.
/// A tenant's number is a number, so its text is safe in a statement.
pub(crate) fn begin(kind: &str, tenant: TenantId) -> String {
    format!("begin {kind}; {}", bind(tenant))
}

/// Binds the open transaction to a tenant.
pub(crate) fn bind(tenant: TenantId) -> String {
    format!("set local app.tenant_id = '{tenant}'")
}

/// The kind of transaction in which something may be written.
pub(crate) const READ_COMMITTED: &str = "isolation level read committed";
/// The kind of transaction whose statements see one snapshot.
pub(crate) const SNAPSHOT: &str = "isolation level repeatable read, read only";

/// A statement's parameters.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What every session of the service runs under. `jit` compiles plans for long queries; ours are short.
///
/// What a role's or a database's own defaults say of isolation and durability does not count; options in the URL do.
const SESSION_OPTIONS: &str = "-c default_transaction_isolation=read\\ committed -c synchronous_commit=on \
    -c lock_timeout=2s -c statement_timeout=5s -c idle_in_transaction_session_timeout=10s -c jit=off";

/// How to reach PostgreSQL, and how much of it to use.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// As libpq writes it: a URL or key=value words. The role must be an ordinary one, see [`crate::admin::check_role`].
    pub connection: tokio_postgres::Config,
    /// Connections for single reads and writes; [`crate::readers::PAGE_READERS`] more are for pages.
    pub pool_size: usize,
    /// How long a request may wait for a connection, or for a place on one that is shared.
    pub pool_wait: Duration,
    /// Tasks that write stock, each with a connection of its own. A stock level is always served by the same one.
    pub stock_writers: usize,
}

impl StoreConfig {
    /// The defaults for a connection: 16 pooled, 2 s of waiting, 2 stock writers.
    pub fn new(connection: tokio_postgres::Config) -> Self {
        Self { connection, pool_size: 16, pool_wait: Duration::from_secs(2), stock_writers: 2 }
    }

    /// The connection settings with the service's session options and time limits added.
    pub(crate) fn session(&self) -> tokio_postgres::Config {
        self.session_with("")
    }

    /// The same with `more` options. What the URL says comes last and holds.
    pub(crate) fn session_with(&self, more: &str) -> tokio_postgres::Config {
        let mut config = self.connection.clone();
        config.application_name("kv-erp");
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(2));
        }
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(5));
        let given = config.get_options().unwrap_or_default();
        config.options(format!("{SESSION_OPTIONS} {more} {given}"));
        config
    }
}

/// The store: a bounded pool, the readers of pages and the stock writers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    readers: Readers,
    stock: crate::stock::Ledger,
    keys_under_way: UnderWay,
    conflicts: Arc<ConflictStats>,
    cursor_secret: Arc<OnceCell<CursorSecret>>,
    /// Composed reads at a time, which may take long: half of the pool.
    composed: Arc<Semaphore>,
    pool_wait: Duration,
}

/// One page of a list in key order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub rows: Vec<T>,
    /// Whether rows follow the last one.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// Makes a page of what a query with `limit + 1` gave.
    pub(crate) fn from_rows<E>(rows: &[Row], limit: i64, read: impl Fn(&Row) -> Result<T, E>) -> Result<Self, E> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        let rows = rows.iter().take(limit).map(read).collect::<Result<_, _>>()?;
        Ok(Self { rows, has_more })
    }
}

impl Store {
    /// Makes the pool and starts the stock writers. Connections are made when they are needed, so this succeeds while
    /// PostgreSQL is away; ask [`Store::ping`] for readiness.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config.session(), NoTls, manager_config);
        let patience = Some(config.pool_wait);
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            .wait_timeout(patience)
            .create_timeout(patience)
            .recycle_timeout(patience)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|_| StoreError::Unavailable(None))?;
        let conflicts = Arc::new(ConflictStats::default());
        let readers = Readers::new(config, Arc::clone(&conflicts));
        let stock = crate::stock::Ledger::start(config, &conflicts);
        let composed = Arc::new(Semaphore::new((config.pool_size / 2).max(1)));
        Ok(Self {
            pool,
            readers,
            stock,
            keys_under_way: UnderWay::default(),
            conflicts,
            cursor_secret: Arc::default(),
            composed,
            pool_wait: config.pool_wait,
        })
    }

    /// The stock ledger: every change of stock goes through it.
    pub fn stock(&self) -> &crate::stock::Ledger {
        &self.stock
    }

    /// How often transactions were begun anew: of stock, of the catalogue, of keys, and reads.
    pub fn conflicts(&self) -> &ConflictStats {
        &self.conflicts
    }

    pub(crate) fn keys_under_way(&self) -> &UnderWay {
        &self.keys_under_way
    }

    pub(crate) fn known_secret(&self) -> &OnceCell<CursorSecret> {
        &self.cursor_secret
    }

    /// A place among the composed reads.
    pub(crate) async fn composed_place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = timeout(self.pool_wait, Arc::clone(&self.composed).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(StoreError::Overloaded)
    }

    /// A connection of the pool. Whoever leaves a transaction open on it must not let it go back.
    pub(crate) async fn connection(&self) -> Result<deadpool_postgres::Object, StoreError> {
        Ok(queued(self.pool.get()).await?)
    }

    /// Whether PostgreSQL answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let client = self.pool.get().await?;
        client.query_one(PING.text, &[]).await?;
        Ok(())
    }

    /// Connections in use, idle and waited for.
    pub fn pool_status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }

    /// Runs one statement as a tenant, in a transaction of its own, in one round trip. What was rolled back in favour of others is run
    /// again, at most [`crate::conflict::MAX_RETRIES`] times.
    ///
    /// # Errors
    /// Any; then nothing was written, but for a write whose connection broke under way: [`StoreError::OutcomeUnknown`].
    /// # Cancel safety
    /// A dropped future has either sent nothing or leaves the statement to be run and committed; never an open transaction.
    pub(crate) async fn run(
        &self,
        tenant: TenantId,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut retries = Retries::new(&self.conflicts);
        let mut is_planned_anew = false;
        loop {
            match self.try_run(tenant, statement, params).await {
                Err(error) if error.is_stale_plan() && !is_planned_anew => is_planned_anew = true,
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    async fn try_run(
        &self,
        tenant: TenantId,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let client = queued(self.pool.get()).await?;
        let prepared = client.prepare_cached(statement.sql()).await?;
        let opening = begin(READ_COMMITTED, tenant);
        let (begun, rows, committed) = asked(futures_util::future::join3(
            client.batch_execute(&opening),
            client.query(&prepared, params),
            client.batch_execute("commit"),
        ))
        .await;
        // What PostgreSQL refused before the commit was not written. Without its word, the commit may have been reached.
        let before_commit = begun.and(rows).map_err(|error| unanswered(statement, error));
        let rows = before_commit.inspect_err(|error| {
            if error.is_stale_plan() {
                client.statement_cache.clear();
            }
        })?;
        committed.map_err(|error| match StoreError::from(error) {
            StoreError::Unavailable(_) if statement.writes() => StoreError::OutcomeUnknown,
            other => other,
        })?;
        Ok(rows)
    }

    /// Runs reading statements with the same parameters as a tenant, on one snapshot, in one round trip.
    ///
    /// # Cancel safety
    /// As [`Store::run`].
    pub(crate) async fn read_all<const N: usize>(
        &self,
        tenant: TenantId,
        statements: [&Statement; N],
        params: Params<'_>,
    ) -> Result<[Vec<Row>; N], StoreError> {
        let mut retries = Retries::new(&self.conflicts);
        loop {
            match self.try_read_all(tenant, statements, params).await {
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    async fn try_read_all<const N: usize>(
        &self,
        tenant: TenantId,
        statements: [&Statement; N],
        params: Params<'_>,
    ) -> Result<[Vec<Row>; N], StoreError> {
        let client = queued(self.pool.get()).await?;
        let mut prepared = Vec::with_capacity(N);
        for statement in statements {
            prepared.push(client.prepare_cached(statement.sql()).await?);
        }
        let opening = begin(SNAPSHOT, tenant);
        let (begun, answers, committed) = asked(futures_util::future::join3(
            client.batch_execute(&opening),
            futures_util::future::join_all(prepared.iter().map(|statement| client.query(statement, params))),
            client.batch_execute("commit"),
        ))
        .await;
        begun?;
        committed?;
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        answers.try_into().map_err(|_| StoreError::Unavailable(None))
    }

    /// Reads a page: one of [`crate::readers::PAGES`], which binds its own tenant and is a transaction by itself.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub(crate) async fn read_own(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.readers.read(statement, params).await
    }

    /// Runs one statement that belongs to no tenant: the look-ups of [`crate::access`].
    pub(crate) async fn run_untenanted(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut retries = Retries::new(&self.conflicts);
        let mut is_planned_anew = false;
        loop {
            let client = queued(self.pool.get()).await?;
            let prepared = client.prepare_cached(statement.sql()).await?;
            match asked(client.query(&prepared, params)).await.map_err(StoreError::from) {
                Err(error) if error.is_stale_plan() && !is_planned_anew => {
                    client.statement_cache.clear();
                    is_planned_anew = true;
                }
                Err(error) => {
                    drop(client);
                    retries.after(error).await?;
                }
                done => return done,
            }
        }
    }
}

/// An error of the part of the pipeline before the commit. A connection that broke says nothing of what PostgreSQL still read.
fn unanswered(statement: &Statement, error: tokio_postgres::Error) -> StoreError {
    let was_answered = error.as_db_error().is_some();
    match StoreError::from(error) {
        StoreError::Unavailable(_) if statement.writes() && !was_answered => StoreError::OutcomeUnknown,
        other => other,
    }
}
