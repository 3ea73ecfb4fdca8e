//! One batch on a writer's connection: load, decide, write, and once more when it has to be.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kv_types::{OrderId, TenantId};
use tokio::time::{sleep, timeout};

use super::board::LevelKey;
use super::coalescer::{Shared, StockStats};
use super::command::{Command, Outcome};
use super::connection::Connection;
use super::fate::{self, Fate, Lost};
use super::keys::{self, Decision};
use super::locks::{self, Look};
use super::refusal::Refusal;
use super::signals::Signals;
use super::{batch, ending, load, notes};
use crate::StoreError;
use crate::audit_log::Trail;
use crate::conflict::{ConflictStats, Retries};
use crate::idempotency::{Done, KeyFault};
use crate::jobs::Bell;
use crate::session::WriterSession;
use crate::spent::Spent;

/// How long to ask for a lost commit's outcome before giving up.
const RESOLVE_TRIES: u32 = 20;
const RESOLVE_PAUSE: Duration = Duration::from_millis(250);

/// What came of each command of a batch, in order.
pub(super) type Decisions = Vec<Result<Done<Outcome>, Refusal>>;

type Undone = Vec<Result<Decision, Refusal>>;

/// Commands of one tenant, and the requests that they are done for.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub(super) commands: &'a [&'a Command],
    pub(super) trails: &'a [Option<&'a Trail>],
}

/// Runs batches on a connection that it makes when it needs one.
pub(super) struct Writer {
    session: WriterSession,
    connection: Option<Connection>,
    stats: Arc<StockStats>,
    conflicts: Arc<ConflictStats>,
    bell: Bell,
    /// Of the last run: how long its trips took, and how much of that PostgreSQL waited for locks.
    trips: Duration,
    lock_wait: Duration,
}

/// Waits for an answer, but not for ever, and says how long.
async fn timed<T>(
    limit: Duration,
    asking: impl Future<Output = Result<T, StoreError>>,
) -> (Result<T, StoreError>, Duration) {
    let asked_at = Instant::now();
    let answer = timeout(limit, asking).await.unwrap_or(Err(StoreError::Unavailable(None)));
    (answer, asked_at.elapsed())
}

impl Writer {
    pub(super) fn new(session: WriterSession, (stats, conflicts, bell): Shared) -> Self {
        Self { session, connection: None, stats, conflicts, bell, trips: Duration::ZERO, lock_wait: Duration::ZERO }
    }

    /// Decides and writes some commands of one tenant in one transaction. Gives their decisions after the commit.
    ///
    /// # Errors
    /// Any; then nothing was written, but for [`StoreError::OutcomeUnknown`] and [`StoreError::Corrupt`].
    pub(super) async fn run(&mut self, tenant: TenantId, batch: Batch<'_>) -> Result<Decisions, StoreError> {
        (self.trips, self.lock_wait) = (Duration::ZERO, Duration::ZERO);
        let mut unmade = BTreeSet::new();
        match self.run_with(tenant, batch, &unmade).await {
            Err(Broken::MadeInVain(levels)) => unmade = levels,
            other => return other.map_err(Broken::into_error),
        }
        self.run_with(tenant, batch, &unmade).await.map_err(Broken::into_error)
    }

    /// Where the time went of a command that was sent then and was in the last run.
    pub(super) fn spent(&self, begun: Instant, sent: Instant) -> Spent {
        let queue = begun.saturating_duration_since(sent);
        Spent { queue, lock_wait: self.lock_wait, db: self.trips.saturating_sub(self.lock_wait) }
    }

    async fn run_with(
        &mut self,
        tenant: TenantId,
        batch: Batch<'_>,
        unmade: &BTreeSet<LevelKey>,
    ) -> Result<Decisions, Broken> {
        let (reused, conflicts) = (self.connection.is_some(), Arc::clone(&self.conflicts));
        let mut retries = Retries::new(&conflicts);
        let (mut look, mut is_first) = (Look::First, true);
        loop {
            match self.attempt(tenant, batch, (look, unmade)).await {
                // The server may have been restarted since the last batch. The break was before anything was decided.
                Err(Broken::BeforeWriting(StoreError::Unavailable(_))) if reused && is_first => {}
                // Whoever locks in any order has to live with the deadlocks.
                #[cfg(feature = "wrong-strategies")]
                Err(Broken::BeforeWriting(error))
                    if error.conflict().is_some() && crate::wrong::is(crate::wrong::Strategy::UnsortedLocks) =>
                {
                    return Err(Broken::BeforeWriting(StoreError::Undecided));
                }
                // A victim was rolled back.
                Err(Broken::BeforeWriting(error)) if error.conflict().is_some() => {
                    retries.after(error).await.map_err(Broken::BeforeWriting)?;
                    self.stats.deadlocks.fetch_add(1, Ordering::Relaxed);
                }
                // So was what met a migration or a repeat elsewhere.
                Err(Broken::BeforeWriting(error)) if is_first && (error.is_stale_plan() || error.is_taken_key()) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a stock batch is run again");
                }
                Err(Broken::ShortOfLocks) if look == Look::First => {}
                other => return other,
            }
            (look, is_first) = (Look::Again, false);
        }
    }

    async fn attempt(
        &mut self,
        tenant: TenantId,
        Batch { commands, trails }: Batch<'_>,
        (look, unmade): (Look, &BTreeSet<LevelKey>),
    ) -> Result<Decisions, Broken> {
        // Taken out, so that any error on the way drops it and with it whatever transaction is open.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.session).await.map_err(Broken::BeforeWriting)?,
        };
        let begin = connection.plans.begin(tenant);
        let loading = Box::pin(load::load((&connection, &begin), tenant, commands.iter().copied(), (look, unmade)));
        let loaded = timed(self.session.trip_limit, loading).await;
        let mut loaded = self.loaded(loaded).map_err(Broken::BeforeWriting)?;
        let mut board = std::mem::take(&mut loaded.board);
        let mut decisions = catch_unwind(AssertUnwindSafe(|| {
            ending::expire_due(&mut board);
            let numbered = commands.iter().zip(trails).enumerate();
            numbered
                .map(|(number, (command, trail))| notes::decide_noted(&mut board, number, (command, *trail)))
                .collect::<Undone>()
        }))
        .map_err(|_| Broken::BeforeWriting(StoreError::Undecided))?;
        if board.gave_less || decisions.iter().any(is_short) {
            let needs_locks = match look {
                Look::First => {
                    board.has_unlocked_sources || has_due(&loaded, &connection, self.session.trip_limit).await?
                }
                Look::Again => board.has_unlocked_due,
            };
            board.needs_levels |= needs_locks;
        }
        let (has_effects, in_vain) = (board.has_effects(), board.levels_made_in_vain());
        if board.needs_levels || !has_effects || !in_vain.is_empty() {
            connection.roll_back();
            self.connection = Some(connection);
            return match (board.needs_levels, has_effects) {
                (true, _) => Err(Broken::ShortOfLocks),
                (false, false) => Ok(keys::settle(commands, decisions)),
                (false, true) => Err(Broken::MadeInVain(in_vain)),
            };
        }
        #[cfg(feature = "wrong-strategies")]
        crate::wrong::stand_still().await;
        let signals = Signals::of(&board);
        // In a box, like the loading, because it does much.
        let writing = Box::pin(batch::write(&connection, tenant, &board, &signals));
        let (written, trip) = timed(self.session.trip_limit, writing).await;
        self.trips += trip;
        let numbers = match written {
            Ok(numbers) => {
                #[cfg(feature = "wrong-strategies")]
                if crate::wrong::is(crate::wrong::Strategy::IdempotencyOutside) {
                    batch::keep_answers_late(&connection, tenant, &board).await;
                }
                self.connection = Some(connection);
                numbers
            }
            Err(StoreError::Unavailable(_)) => {
                let (transaction, incarnation) = (loaded.transaction.as_str(), connection.incarnation);
                drop(connection);
                let asked = self.resolve(tenant, &Lost { transaction, incarnation, board: &board }).await;
                asked.map_err(Broken::DuringCommit)?
            }
            // The commit may have been sent behind the statement whose answer was not as expected.
            Err(error @ StoreError::Corrupt(_)) => return Err(Broken::DuringCommit(error)),
            Err(error) => return Err(Broken::BeforeWriting(error)),
        };
        signals.call(&self.bell);
        number_orders(&mut decisions, &numbers);
        Ok(keys::settle(commands, decisions))
    }

    /// Counts what loading took.
    fn loaded(
        &mut self,
        (loaded, trip): (Result<load::Loaded, StoreError>, Duration),
    ) -> Result<load::Loaded, StoreError> {
        self.trips += trip;
        self.lock_wait += match &loaded {
            Ok(loaded) => loaded.lock_wait.min(trip),
            Err(StoreError::LockTimeout) => trip,
            Err(_) => Duration::ZERO,
        };
        loaded
    }

    /// Asks a new connection what became of a transaction whose commit was not answered: the numbers of its orders when it was
    /// committed, [`StoreError::Unavailable`] when it was not, [`StoreError::OutcomeUnknown`] when nobody can say.
    async fn resolve(&mut self, tenant: TenantId, lost: &Lost<'_>) -> Result<HashMap<OrderId, i64>, StoreError> {
        for _ in 0..RESOLVE_TRIES {
            let answer = timeout(self.session.trip_limit, Box::pin(self.ask(tenant, lost))).await;
            match answer.unwrap_or(Err(StoreError::Unavailable(None))) {
                Ok(Fate::Committed(numbers)) => return Ok(numbers),
                Ok(Fate::Gone) => return Err(StoreError::Unavailable(None)),
                Ok(Fate::Unknown) => break,
                // A server that lost its client notices late.
                Ok(Fate::Running) | Err(_) => sleep(RESOLVE_PAUSE).await,
            }
        }
        Err(StoreError::OutcomeUnknown)
    }

    async fn ask(&mut self, tenant: TenantId, lost: &Lost<'_>) -> Result<Fate, StoreError> {
        let connection = Connection::open(&self.session).await?;
        let fate = fate::ask(&connection, tenant, lost).await?;
        self.connection = Some(connection);
        Ok(fate)
    }
}

async fn has_due(loaded: &load::Loaded, connection: &Connection, limit: Duration) -> Result<bool, Broken> {
    let answer = timeout(limit, locks::has_due(connection, &loaded.ids)).await;
    answer.unwrap_or(Err(StoreError::Unavailable(None))).map_err(Broken::BeforeWriting)
}

fn is_short(decision: &Result<Decision, Refusal>) -> bool {
    decision.as_ref().is_err_and(wants_units)
}

fn wants_units(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Short(_) | Refusal::BelowZero(_) | Refusal::Promised { .. } => true,
        Refusal::Group(refused) => refused.iter().any(|(_, refusal)| wants_units(refusal)),
        _ => false,
    }
}

/// Where a batch broke.
enum Broken {
    /// Nothing can have been written.
    BeforeWriting(StoreError),
    /// The commit was under way; the error says what is known of it.
    DuringCommit(StoreError),
    /// Rolled back: a line is short, and units that it may have lie behind further locks. A level of its product was made while the
    /// locks were waited for, or a reservation's time is over.
    ShortOfLocks,
    /// Rolled back: these levels were made for commands that were refused, and would be left behind.
    MadeInVain(BTreeSet<LevelKey>),
}

impl Broken {
    fn into_error(self) -> StoreError {
        match self {
            Self::BeforeWriting(error) if error.is_taken_key() => KeyFault::InFlight.into(),
            Self::BeforeWriting(error) | Self::DuringCommit(error) => error,
            Self::ShortOfLocks | Self::MadeInVain(_) => StoreError::LockTimeout,
        }
    }
}

fn number_orders(decisions: &mut Undone, numbers: &HashMap<OrderId, i64>) {
    for decision in decisions {
        if let Ok(Decision::Now(outcome)) = decision {
            number_outcome(outcome, numbers);
        }
    }
}

fn number_outcome(outcome: &mut Outcome, numbers: &HashMap<OrderId, i64>) {
    match outcome {
        Outcome::Order(order) => order.order_number = numbers.get(&order.id).copied().unwrap_or(order.order_number),
        Outcome::Group(outcomes) => outcomes.iter_mut().for_each(|outcome| number_outcome(outcome, numbers)),
        _ => {}
    }
}
