//! The tasks that look at the primary and at each replica.

use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::freshness::Lsn;
use super::lag::PrimaryPath;
use super::{PRIMARY_CLUSTER, PRIMARY_POSITION, REPLICA_STATE};
use crate::StoreError;

/// How often each is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long one may take to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(2);
/// A look that is older says nothing of now: the task that looks has stopped, or the machine has slept.
const STALE: Duration = Duration::from_secs(5);

/// What is known of the primary.
#[derive(Debug, Default)]
pub(super) struct Primary {
    path: Mutex<PrimaryPath>,
    cluster: Mutex<Option<i64>>,
}

impl Primary {
    fn path(&self) -> std::sync::MutexGuard<'_, PrimaryPath> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cluster(&self) -> Option<i64> {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A replica as it was seen last.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// Whether it is what it should be: of the primary's cluster, and in recovery.
    pub(super) condition: Condition,
    pub(super) replayed: Option<Lsn>,
    /// How far behind it was then.
    pub(super) lag: Option<Duration>,
    looked_at: Instant,
}

/// What a server is that was given as a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nobody has looked yet, or the primary's own cluster is not known.
    Unknown,
    /// A standby of the primary.
    Fit,
    /// It does not answer.
    Away,
    /// It follows nobody.
    Promoted,
    /// It follows another primary.
    OfAnotherCluster,
}

impl State {
    pub(super) fn is_fit(&self) -> bool {
        self.condition == Condition::Fit && self.looked_at.elapsed() < STALE
    }
}

/// A replica and the task that looks at it, which ends with this.
#[derive(Debug)]
pub(super) struct Watched {
    state: watch::Receiver<State>,
    say: Arc<watch::Sender<State>>,
    look: Arc<Notify>,
    task: tokio::task::AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks at the primary for as long as somebody holds what is known.
pub(super) fn follow_primary(pool: Pool) -> Arc<Primary> {
    let primary = Arc::new(Primary::default());
    let watched = Arc::downgrade(&primary);
    tokio::spawn(async move {
        while let Some(primary) = watched.upgrade() {
            if primary.cluster().is_none()
                && let Ok(Ok(cluster)) = timeout(PATIENCE, ask_cluster(&pool)).await
            {
                *primary.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
            }
            // The moment before the question: the answer is at least as far as the primary was then.
            let begun = Instant::now();
            if let Ok(Ok(lsn)) = timeout(PATIENCE, ask_position(&pool)).await {
                primary.path().saw(begun, lsn);
            }
            drop(primary);
            sleep(LOOK_EVERY).await;
        }
    });
    primary
}

async fn ask_cluster(pool: &Pool) -> Result<i64, StoreError> {
    let client = pool.get().await?;
    let row = client.query_typed_one(PRIMARY_CLUSTER.sql(), &[]).await?;
    read(row.try_get(0)?, "a cluster's identifier")
}

/// Up to where the primary's log is safe.
pub(super) async fn ask_position(pool: &Pool) -> Result<Lsn, StoreError> {
    let client = pool.get().await?;
    let row = client.query_typed_one(PRIMARY_POSITION.sql(), &[]).await?;
    read(row.try_get(0)?, "a place in the log")
}

fn read<T: FromStr>(text: &str, what: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(what))
}

impl Watched {
    pub(super) fn start(pool: Pool, primary: Arc<Primary>) -> Self {
        let unknown = State { condition: Condition::Unknown, replayed: None, lag: None, looked_at: Instant::now() };
        let (say, state) = watch::channel(unknown);
        let (say, look) = (Arc::new(say), Arc::new(Notify::new()));
        let (told, asked) = (Arc::clone(&say), Arc::clone(&look));
        let task = tokio::spawn(async move {
            loop {
                let seen = see(&pool, &primary).await;
                tell(told.borrow().condition, seen.condition);
                told.send_replace(seen);
                tokio::select! {
                    () = sleep(LOOK_EVERY) => {}
                    () = asked.notified() => {}
                }
            }
        });
        Self { state, say, look, task: task.abort_handle() }
    }

    /// As it was seen last.
    pub(super) fn now(&self) -> State {
        *self.state.borrow()
    }

    /// Has it looked at now, and waits for that.
    pub(super) async fn look_again(&self) {
        let mut state = self.state.clone();
        state.borrow_and_update();
        self.look.notify_one();
        // The sender is held here too.
        state.changed().await.ok();
    }

    /// It failed somebody: it is not asked again before it has been looked at.
    pub(super) fn distrust(&self) {
        self.say.send_modify(|state| state.condition = Condition::Away);
        self.look.notify_one();
    }
}

async fn see(pool: &Pool, primary: &Primary) -> State {
    let answer = timeout(PATIENCE, ask_state(pool)).await;
    let now = Instant::now();
    let away = State { condition: Condition::Away, replayed: None, lag: None, looked_at: now };
    let Ok(Ok((is_standby, replayed, cluster))) = answer else { return away };
    let condition = match (primary.cluster(), is_standby) {
        (None, _) => Condition::Unknown,
        (Some(own), _) if own != cluster => Condition::OfAnotherCluster,
        (Some(_), false) => Condition::Promoted,
        (Some(_), true) => Condition::Fit,
    };
    let lag = replayed.and_then(|replayed| primary.path().lag(now, replayed));
    State { condition, replayed, lag, looked_at: now }
}

async fn ask_state(pool: &Pool) -> Result<(bool, Option<Lsn>, i64), StoreError> {
    let client = pool.get().await?;
    let row = client.query_typed_one(REPLICA_STATE.sql(), &[]).await?;
    let replayed: Option<&str> = row.try_get(1)?;
    let is_standby = row.try_get::<_, &str>(0)? == "true";
    Ok((is_standby, replayed.and_then(|text| text.parse().ok()), read(row.try_get(2)?, "a cluster's identifier")?))
}

/// A change of its condition is told once.
fn tell(before: Condition, now: Condition) {
    if before == now {
        return;
    }
    match now {
        Condition::Fit => info!("a replica is there and follows the primary"),
        Condition::Away => warn!("a replica does not answer; the primary is read"),
        Condition::Promoted => warn!("a replica follows nobody any more; it is not read"),
        Condition::OfAnotherCluster => warn!("a replica is of another cluster; it is not read"),
        Condition::Unknown => {}
    }
}
