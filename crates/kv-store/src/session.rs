//! The pool, and with [`crate::readers`] the only way to a tenant's rows.
//!
//! A transaction's begin, its tenant, its statements and its commit leave in one pipeline: row-level security then costs no round
//! trip. All of them are queued on the connection by the first poll, so a future that is dropped has sent either nothing or a whole
//! transaction; PostgreSQL works through a connection's messages in order, and the next borrower never meets a foreign one.
//!
//! Absent on purpose: `SET` for a whole session (it would outlive its transaction in a pooled connection).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, TimeoutType};
use kv_types::TenantId;
use kv_types::histogram::DurationHistogram;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::StoreError;
use crate::access::CursorSecret;
use crate::conflict::{ConflictStats, Retries};
use crate::idempotency::UnderWay;
use crate::jobs::Bell;
use crate::plan::{Connection, Types};
use crate::readers::Readers;
use crate::replicas::{Lsn, Replica, ReplicaHealth, ReplicaStats, Replicas};
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
    pub connection: tokio_postgres::Config,
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
    pub replicas: Vec<tokio_postgres::Config>,
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
    pub fn new(connection: tokio_postgres::Config) -> Self {
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
        let hosts = u32::try_from(self.connection.get_hosts().len().max(1)).unwrap_or(u32::MAX);
        if hosts == 1 { Duration::from_secs(2) } else { self.pool_wait * 9 / (10 * hosts) }
    }

    /// Whether the session must be one that may write, which PostgreSQL is asked when it begins.
    pub(crate) fn wants_primary(&self) -> bool {
        self.connection.get_target_session_attrs() == TargetSessionAttrs::ReadWrite
    }

    /// What a stock writer connects with.
    pub(crate) fn writer(&self) -> WriterSession {
        let types = self.types();
        WriterSession { config: self.session(), types, trip_limit: self.statement_timeout + TRIP_MARGIN }
    }

    /// What is known of statements where they cannot be prepared.
    pub(crate) fn types(&self) -> Option<Arc<Types>> {
        (self.pooler == Pooler::Transaction).then(|| Arc::new(Types::new(self.session())))
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
            config.connect_timeout(self.connect_timeout());
        }
        config.keepalives_idle(Duration::from_secs(10)).tcp_user_timeout(Duration::from_secs(5));
        if self.pooler == Pooler::Transaction {
            return config;
        }
        let given = config.get_options().unwrap_or_default();
        let (statement_ms, lock_ms) = (self.statement_timeout.as_millis(), self.row_lock_timeout.as_millis());
        let limits = format!("-c statement_timeout={statement_ms} -c lock_timeout={lock_ms}");
        config.options(format!("{SESSION_OPTIONS} {limits} {more} {given}"));
        config
    }
}

/// How a stock writer reaches PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) struct WriterSession {
    pub(crate) config: tokio_postgres::Config,
    /// Behind a pooler by transaction.
    pub(crate) types: Option<Arc<Types>>,
    /// Longer than the session's own limits, so that it speaks only when the server is silent.
    pub(crate) trip_limit: Duration,
}

/// The store: a bounded pool, the readers of pages and the stock writers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    readers: Readers,
    types: Option<Arc<Types>>,
    replicas: Replicas,
    stock: crate::stock::Ledger,
    keys_under_way: UnderWay,
    conflicts: Arc<ConflictStats>,
    cursor_secret: Arc<OnceCell<CursorSecret>>,
    waits: Arc<PoolWaits>,
    /// Composed reads at a time, which may take long: half of the pool.
    composed: Arc<Semaphore>,
    pool_wait: Duration,
    bell: Bell,
    session: Arc<tokio_postgres::Config>,
}

/// How long requests waited for a connection of the pool.
#[derive(Debug, Default)]
pub struct PoolWaits {
    /// Of those that got one.
    pub waits: DurationHistogram,
    /// How many got none in time.
    pub timeouts: AtomicU64,
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

/// A bounded pool of sessions.
pub(crate) fn make_pool(config: &StoreConfig, session: tokio_postgres::Config) -> Result<Pool, StoreError> {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(session, NoTls, manager_config);
    let patience = Some(config.pool_wait);
    Pool::builder(manager)
        .max_size(config.pool_size)
        .wait_timeout(patience)
        .create_timeout(patience)
        .recycle_timeout(patience)
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .build()
        .map_err(|_| StoreError::Unavailable(None))
}

impl Store {
    /// Makes the pool and starts the stock writers. Connections are made when they are needed, so this succeeds while
    /// PostgreSQL is away; ask [`Store::ping`] for readiness.
    pub fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let pool = make_pool(config, config.session())?;
        let conflicts = Arc::new(ConflictStats::default());
        let replicas = Replicas::start(config, &pool, &conflicts)?;
        let readers = Readers::new(config, Arc::clone(&conflicts));
        let bell = Bell::hang(pool.clone());
        let stock = crate::stock::Ledger::start(config, &conflicts, &bell);
        let composed = Arc::new(Semaphore::new((config.pool_size / 2).max(1)));
        Ok(Self {
            pool,
            readers,
            types: config.types(),
            replicas,
            stock,
            keys_under_way: UnderWay::default(),
            conflicts,
            cursor_secret: Arc::default(),
            waits: Arc::default(),
            composed,
            pool_wait: config.pool_wait,
            bell,
            session: Arc::new(config.session()),
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

    /// Rung when jobs were committed.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// With what a session of the service is made.
    pub(crate) fn session_config(&self) -> &tokio_postgres::Config {
        &self.session
    }

    /// A connection of the pool. Whoever leaves a transaction open on it must not let it go back.
    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        let begun = Instant::now();
        match queued(self.pool.get()).await {
            Ok(connection) => {
                self.waits.waits.record(begun.elapsed());
                Ok(Connection::new(connection, self.types.clone()))
            }
            Err(error) => {
                if matches!(error, PoolError::Timeout(TimeoutType::Wait)) {
                    self.waits.timeouts.fetch_add(1, Ordering::Relaxed);
                }
                Err(error.into())
            }
        }
    }

    /// Whether reads may come from replicas.
    pub fn has_replicas(&self) -> bool {
        self.replicas.are_there()
    }

    /// Who answered reads that a replica might have answered.
    pub fn replica_stats(&self) -> &ReplicaStats {
        self.replicas.stats()
    }

    /// How each replica does, in the order of [`StoreConfig::replicas`].
    pub fn replica_health(&self) -> Vec<ReplicaHealth> {
        self.replicas.health()
    }

    /// Where the primary is: whoever reads [`crate::replicas::Freshness::AtLeast`] this sees all that was committed before this call.
    ///
    /// # Errors
    /// When the primary does not answer.
    pub async fn position(&self) -> Result<Lsn, StoreError> {
        self.replicas.position(&self.pool).await
    }

    /// A replica for what this task reads, if one may answer.
    pub(crate) async fn replica(&self) -> Option<&Replica> {
        self.replicas.choose().await
    }

    /// The answer of a replica, unless the primary is to be asked.
    pub(crate) fn of_replica<T>(
        &self,
        replica: &Replica,
        answer: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        self.replicas.answered(replica, answer)
    }

    /// Whether PostgreSQL answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let client = self.pool.get().await?;
        client.batch_execute(PING.text).await?;
        Ok(())
    }

    /// How long connections of the pool were waited for.
    pub fn pool_waits(&self) -> &PoolWaits {
        &self.waits
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
        if !statement.writes()
            && let Some(replica) = self.replica().await
        {
            let answer = try_run(queued(replica.connection()).await, tenant, statement, params);
            let answer = self.of_replica(replica, answer.await);
            if let Some(answer) = answer {
                return answer;
            }
        }
        let mut retries = Retries::new(&self.conflicts);
        let mut is_planned_anew = false;
        loop {
            match try_run(self.connection().await, tenant, statement, params).await {
                Err(error) if error.is_stale_plan() && !is_planned_anew => is_planned_anew = true,
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
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
        if let Some(replica) = self.replica().await {
            let connection = queued(replica.connection()).await;
            let answer = try_read_all(connection, tenant, statements, params).await;
            if let Some(answer) = self.of_replica(replica, answer) {
                return answer;
            }
        }
        let mut retries = Retries::new(&self.conflicts);
        loop {
            match try_read_all(self.connection().await, tenant, statements, params).await {
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    /// Reads a page: one of [`crate::readers::PAGES`], which binds its own tenant and is a transaction by itself.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub(crate) async fn read_own(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        if let Some(replica) = self.replica().await {
            let answer = match &replica.types {
                None => replica.readers.read(statement, params).await,
                Some(_) => try_own(queued(replica.connection()).await, statement, params).await,
            };
            if let Some(answer) = self.of_replica(replica, answer) {
                return answer;
            }
        }
        // The lines are sessions, which a pooler by transaction does not keep.
        if self.types.is_some() {
            return self.run_untenanted(statement, params).await;
        }
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
            let client = self.connection().await?;
            let prepared = client.prepare_cached(statement.sql()).await?;
            match asked(client.query(&prepared, params)).await.map_err(StoreError::from) {
                Err(error) if error.is_stale_plan() && !is_planned_anew => {
                    client.forget_plans();
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

async fn try_run(
    connection: Result<Connection, StoreError>,
    tenant: TenantId,
    statement: &Statement,
    params: Params<'_>,
) -> Result<Vec<Row>, StoreError> {
    let client = connection?;
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
            client.forget_plans();
        }
    })?;
    committed.map_err(|error| match StoreError::from(error) {
        StoreError::Unavailable(_) if statement.writes() => StoreError::OutcomeUnknown,
        other => other,
    })?;
    Ok(rows)
}

async fn try_read_all<const N: usize>(
    connection: Result<Connection, StoreError>,
    tenant: TenantId,
    statements: [&Statement; N],
    params: Params<'_>,
) -> Result<[Vec<Row>; N], StoreError> {
    let client = connection?;
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

async fn try_own(
    connection: Result<Connection, StoreError>,
    statement: &Statement,
    params: Params<'_>,
) -> Result<Vec<Row>, StoreError> {
    let client = connection?;
    let prepared = client.prepare_cached(statement.sql()).await?;
    Ok(asked(client.query(&prepared, params)).await?)
}

/// An error of the part of the pipeline before the commit. A connection that broke says nothing of what PostgreSQL still read.
fn unanswered(statement: &Statement, error: tokio_postgres::Error) -> StoreError {
    let was_answered = error.as_db_error().is_some();
    match StoreError::from(error) {
        StoreError::Unavailable(_) if statement.writes() && !was_answered => StoreError::OutcomeUnknown,
        other => other,
    }
}
