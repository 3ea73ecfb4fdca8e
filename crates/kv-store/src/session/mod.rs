//! The pool, and with [`crate::readers`] the only way to a tenant's rows.
//!
//! A transaction's begin, its tenant, its statements and its commit leave in one pipeline: row-level security then costs no round
//! trip. All of them are queued on the connection by the first poll, so a future that is dropped has sent either nothing or a whole
//! transaction; PostgreSQL works through a connection's messages in order, and the next borrower never meets a foreign one.
//!
//! Absent on purpose: `SET` for a whole session (it would outlive its transaction in a pooled connection).

mod config;
mod page;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, TimeoutType};
use kv_types::TenantId;
use kv_types::histogram::DurationHistogram;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use crate::StoreError;
use crate::access::CursorSecret;
use crate::conflict::ConflictStats;
use crate::idempotency::UnderWay;
use crate::jobs::Bell;
use crate::plan::{Connection, Types};
use crate::readers::Readers;
use crate::replicas::{Freshness, Lsn, Replica, ReplicaHealth, ReplicaStats, Replicas, wanted};
use crate::server::Server;
use crate::spent::queued;

pub(crate) use config::WriterSession;
pub use config::{Pooler, ROW_LOCK_TIMEOUT, STATEMENT_TIMEOUT, StoreConfig};
pub use page::Page;

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
    session: Arc<Server>,
}

/// How long requests waited for a connection of the pool.
#[derive(Debug, Default)]
pub struct PoolWaits {
    /// Of those that got one.
    pub waits: DurationHistogram,
    /// How many got none in time.
    pub timeouts: AtomicU64,
}

/// A bounded pool of sessions.
pub(crate) fn make_pool(config: &StoreConfig, session: &Server) -> Result<Pool, StoreError> {
    let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(session.config().clone(), session.tls().clone(), manager_config);
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
        let pool = make_pool(config, &config.session())?;
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
    pub(crate) fn session_config(&self) -> &Server {
        &self.session
    }

    /// A connection of the pool. Whoever leaves a transaction open on it must not let it go back.
    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        let begun = Instant::now();
        match queued(self.pool.get()).await {
            Ok(connection) => {
                self.waits.waits.record(begun.elapsed());
                Ok(Connection::new(connection, self.types.clone(), self.session.tls().clone()))
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

    /// How fresh the reads of work that lasts must be: each sees at least what was committed before this call, so that reads which
    /// different servers answer do not lack what an earlier one had.
    pub async fn steady(&self) -> Freshness {
        if !self.has_replicas() || wanted() == Freshness::Latest {
            return Freshness::Latest;
        }
        self.position().await.map_or(Freshness::Latest, Freshness::AtLeast)
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

    /// Whether PostgreSQL answers. It is asked on a line for pages and not on a connection of the pool: one whose connections are all
    /// at work is busy, and would be taken for one without a database just when it is needed most.
    ///
    /// # Errors
    /// Why not.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.readers.ping().await
    }

    /// How long connections of the pool were waited for.
    pub fn pool_waits(&self) -> &PoolWaits {
        &self.waits
    }

    /// Connections in use, idle and waited for.
    pub fn pool_status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }
}
