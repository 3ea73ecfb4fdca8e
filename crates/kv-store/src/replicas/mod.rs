//! Read replicas: which of them may answer a read, and where the primary is for those who have written.
//!
//! Invariants: a replica answers only while it is known to be of the primary's cluster, in recovery, and no further behind than
//! allowed; a reader that names a place in the log sees everything up to there; whatever a replica cannot do, the primary does, so a
//! replica never makes a request fail. One task for each replica asks how it is.
//! Absent on purpose: writes, and reads of logins and keys, which are always the primary's.

mod freshness;
mod lag;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

pub(crate) use freshness::wanted;
pub use freshness::{BadLsn, Freshness, Lsn, within};
pub use watch::Condition;
use watch::{State, Watched};

use crate::conflict::ConflictStats;
use crate::plan::{Connection, Types};
use crate::readers::Readers;
use crate::server::Tls;
use crate::statement::statements;
use crate::{StoreConfig, StoreError};

statements! {
    /// Up to where the primary's log is safe: what was committed is before.
    PRIMARY_POSITION = "select pg_current_wal_flush_lsn()::text";
    /// How a server does: where it is in the log, whether it follows another, and which cluster it belongs to.
    REPLICA_STATE = "select pg_is_in_recovery()::text, pg_last_wal_replay_lsn()::text, (select system_identifier::text from pg_control_system())";
    /// Which cluster the primary belongs to.
    PRIMARY_CLUSTER = "select system_identifier::text from pg_control_system()";
}

/// How long a reader waits for a replica to come up to what it has written; then it reads the primary.
const CATCH_UP: Duration = Duration::from_millis(50);
/// Between two looks of somebody who waits.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The replicas of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Replicas(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    replicas: Vec<Replica>,
    next: AtomicUsize,
    position: Mutex<Position>,
    asked: AtomicU64,
    stats: ReplicaStats,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pool: Pool,
    tls: Tls,
    /// Behind a pooler by transaction.
    pub(crate) types: Option<Arc<Types>>,
    pub(crate) readers: Readers,
    watched: Watched,
    max_lag: Duration,
}

/// Who answered reads that a replica might have answered.
#[derive(Debug, Default)]
pub struct ReplicaStats {
    /// A replica.
    pub replica: AtomicU64,
    /// The primary, because no replica was fresh enough.
    pub too_far_behind: AtomicU64,
    /// The primary, because a replica failed.
    pub failed: AtomicU64,
}

/// How a replica does, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplicaHealth {
    /// What it is.
    pub condition: Condition,
    /// Whether it answers reads.
    pub is_usable: bool,
    /// How far behind it is at most; `None` when that is not known.
    pub lag: Option<Duration>,
}

/// The primary's place as it was asked for last.
#[derive(Debug, Default)]
struct Position {
    /// The number of the question.
    number: u64,
    lsn: Option<Lsn>,
}

impl Replicas {
    /// Connects to nothing yet, and begins to watch.
    pub(crate) fn start(
        config: &StoreConfig,
        primary: &Pool,
        conflicts: &Arc<ConflictStats>,
    ) -> Result<Self, StoreError> {
        let primary = watch::follow_primary(primary.clone());
        let replicas = config.replicas.iter().map(|connection| {
            let own = StoreConfig { connection: connection.clone(), replicas: Vec::new(), ..config.clone() };
            let pool = crate::session::make_pool(&own, &own.session())?;
            let readers = Readers::new(&own, Arc::clone(conflicts));
            let watched = Watched::start(pool.clone(), primary.clone());
            Ok(Replica {
                pool,
                tls: connection.tls().clone(),
                types: own.types(),
                readers,
                watched,
                max_lag: config.replica_max_lag,
            })
        });
        let replicas = replicas.collect::<Result<Vec<_>, StoreError>>()?;
        let (next, asked) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Self(Arc::new(Shared { replicas, next, position: Mutex::default(), asked, stats: ReplicaStats::default() })))
    }

    pub(crate) fn are_there(&self) -> bool {
        !self.0.replicas.is_empty()
    }

    pub(crate) fn stats(&self) -> &ReplicaStats {
        &self.0.stats
    }

    pub(crate) fn health(&self) -> Vec<ReplicaHealth> {
        let each = |replica: &Replica| {
            let state = replica.watched.now();
            ReplicaHealth { condition: state.condition, is_usable: replica.is_recent(&state), lag: state.lag }
        };
        self.0.replicas.iter().map(each).collect()
    }

    /// A replica for what this task reads, if there is one that may answer. Waits a moment for one that nearly may.
    ///
    /// # Cancel safety
    /// Nothing is begun.
    pub(crate) async fn choose(&self) -> Option<&Replica> {
        let wanted = wanted();
        if !self.are_there() || wanted == Freshness::Latest {
            return None;
        }
        let chosen = match wanted {
            Freshness::AtLeast(lsn) => self.one_that_has(lsn).await,
            _ => self.find(State::is_fit),
        };
        if chosen.is_none() {
            self.0.stats.too_far_behind.fetch_add(1, Ordering::Relaxed);
        }
        chosen
    }

    /// In turn, so that all have the same to do.
    fn find(&self, fits: impl Fn(&State) -> bool) -> Option<&Replica> {
        let all = &self.0.replicas;
        let first = self.0.next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..all.len()).map(|step| &all[(first.wrapping_add(step)) % all.len()]);
        in_turn.into_iter().find(|replica| {
            let state = replica.watched.now();
            replica.is_recent(&state) && fits(&state)
        })
    }

    async fn one_that_has(&self, lsn: Lsn) -> Option<&Replica> {
        let has = |state: &State| state.replayed.is_some_and(|replayed| replayed >= lsn);
        if let Some(replica) = self.find(has) {
            return Some(replica);
        }
        let deadline = Instant::now() + CATCH_UP;
        while Instant::now() < deadline {
            // Without one that could come up to it, there is nothing to wait for.
            let candidate = self.find(State::is_fit)?;
            if timeout_at(deadline, candidate.watched.look_again()).await.is_err() {
                return None;
            }
            if let Some(replica) = self.find(has) {
                return Some(replica);
            }
            sleep(LOOK_EVERY).await;
        }
        None
    }

    /// Counts an answer of a replica; one that failed is left alone until it has been looked at again.
    pub(crate) fn answered<T>(
        &self,
        replica: &Replica,
        answer: Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        match answer {
            Ok(answer) => {
                self.0.stats.replica.fetch_add(1, Ordering::Relaxed);
                Some(Ok(answer))
            }
            // It would take the primary as long.
            Err(StoreError::TooSlow) => Some(Err(StoreError::TooSlow)),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a replica failed; the primary is read");
                self.0.stats.failed.fetch_add(1, Ordering::Relaxed);
                if matches!(error, StoreError::Unavailable(_)) {
                    replica.watched.distrust();
                }
                None
            }
        }
    }

    /// Where the primary is: everything that was committed before this call is before it. Calls that come while one is under way share
    /// the next one.
    ///
    /// # Errors
    /// When the primary does not answer.
    pub(crate) async fn position(&self, primary: &Pool) -> Result<Lsn, StoreError> {
        let arrived = self.0.asked.load(Ordering::Acquire);
        let mut position = self.0.position.lock().await;
        // A question with a higher number was begun after this call.
        if let Some(lsn) = position.lsn.filter(|_| position.number > arrived) {
            return Ok(lsn);
        }
        let number = self.0.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let lsn = watch::ask_position(primary).await?;
        *position = Position { number, lsn: Some(lsn) };
        Ok(lsn)
    }
}

impl Replica {
    /// A connection of its pool.
    pub(crate) async fn connection(&self) -> Result<Connection, StoreError> {
        Ok(Connection::new(self.pool.get().await?, self.types.clone(), self.tls.clone()))
    }

    fn is_recent(&self, state: &State) -> bool {
        state.is_fit() && state.lag.is_some_and(|lag| lag <= self.max_lag)
    }
}
