//! What PostgreSQL says of itself during a run, as samples, and what follows from them.
//!
//! Invariants: lists are bounded ([`WAITS_MAX`], [`SLOW_MAX`]); statements are shortened and hold no password; figures
//! follow from the samples alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Figure, Unit};
use super::redact;

/// Most lock waits of a sample, and of a run, that are kept.
pub const WAITS_MAX: usize = 20;
/// Most slow statements of a run that are kept.
pub const SLOW_MAX: usize = 20;

/// One look at PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresSample {
    /// When, nanoseconds after the start of the run.
    pub at_ns: u64,
    /// Client sessions of the whole server.
    pub connections: u32,
    /// What the server allows.
    pub connections_max: u32,
    /// Sessions of the database that run a statement.
    pub active: u32,
    /// Sessions of the database in a transaction without a statement.
    pub idle_in_transaction: u32,
    /// Running sessions that wait, by `wait_event_type`: `Lock`, `LWLock`, `IO`. `Client` is not waiting for the server.
    pub waiting: BTreeMap<String, u32>,
    /// Age of the oldest transaction of the database, in nanoseconds.
    pub longest_transaction_ns: u64,
    /// Lock requests of the database's sessions that are not granted.
    pub locks_waiting: u32,
    /// The first of them.
    pub lock_waits: Vec<LockWait>,
    /// Transactions committed since the start of the run.
    pub committed: u64,
    /// Transactions rolled back since the start of the run.
    pub rolled_back: u64,
    /// Deadlocks since the start of the run.
    pub deadlocks: u64,
    /// Blocks found in shared buffers since the start of the run.
    pub blocks_hit: u64,
    /// Blocks read since the start of the run.
    pub blocks_read: u64,
}

/// One session that waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWait {
    /// When it was seen, nanoseconds after the start of the run.
    pub at_ns: u64,
    /// The waiting session.
    pub blocked_pid: i32,
    /// Its statement.
    pub blocked: String,
    /// The session it waits for.
    pub blocker_pid: i32,
    /// That session's last statement.
    pub blocker: String,
    /// That session's state, such as `idle in transaction`.
    pub blocker_state: String,
    /// What is locked: `relation pgbench_branches`, `transactionid`.
    pub lock: String,
    /// The mode asked for.
    pub mode: String,
    /// How long the waiting statement had run, in nanoseconds.
    pub waited_ns: u64,
}

/// One slow statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStatement {
    /// The statement, shortened.
    pub statement: String,
    /// Its longest time, in nanoseconds: the longest seen while it ran, or the mean that `pg_stat_statements` has.
    pub longest_ns: u64,
    /// How often: looks at which it ran, or calls.
    pub count: u64,
    /// Its time in all, in nanoseconds; only by `pg_stat_statements`.
    pub total_ns: Option<u64>,
}

/// What was seen inside PostgreSQL during a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresFindings {
    /// Its version.
    pub version: String,
    /// Statements that ran longer than the limit, longest first.
    pub slow: Vec<SlowStatement>,
    /// Statements that took most time, by `pg_stat_statements`; `None` where that is not installed.
    pub busiest: Option<Vec<SlowStatement>>,
    /// The lock waits that lasted longest, one for each pair of statements; numbers in them make no difference.
    pub lock_waits: Vec<LockWait>,
}

impl PostgresFindings {
    /// Takes a lock wait in, if it is among the longest or its pair of statements is new.
    pub fn note_wait(&mut self, wait: &LockWait) {
        let shapes = |wait: &LockWait| (redact::shape(&wait.blocked), redact::shape(&wait.blocker));
        let wanted = shapes(wait);
        let same = |known: &&mut LockWait| shapes(known) == wanted;
        match self.lock_waits.iter_mut().find(same) {
            Some(known) if known.waited_ns < wait.waited_ns => *known = wait.clone(),
            Some(_) => {}
            None => self.lock_waits.push(wait.clone()),
        }
        self.lock_waits.sort_by_key(|wait| std::cmp::Reverse(wait.waited_ns));
        self.lock_waits.truncate(WAITS_MAX);
    }

    /// Takes in a statement that was seen running for so long.
    pub fn note_slow(&mut self, statement: String, ran_ns: u64) {
        let wanted = redact::shape(&statement);
        match self.slow.iter_mut().find(|known| redact::shape(&known.statement) == wanted) {
            Some(known) => {
                known.longest_ns = known.longest_ns.max(ran_ns);
                known.count += 1;
            }
            None => self.slow.push(SlowStatement { statement, longest_ns: ran_ns, count: 1, total_ns: None }),
        }
        self.slow.sort_by_key(|slow| std::cmp::Reverse(slow.longest_ns));
        self.slow.truncate(SLOW_MAX);
    }
}

/// The figures that follow from the samples; none without a sample.
pub fn figures(samples: &[PostgresSample], findings: &PostgresFindings) -> Vec<Figure> {
    let Some(last) = samples.last() else { return Vec::new() };
    let most = |of: fn(&PostgresSample) -> u64| samples.iter().map(of).max().unwrap_or(0) as f64;
    let connections = most(|sample| sample.connections.into());
    let mut figures = vec![
        Figure::new("connections.max", connections, Unit::Count),
        Figure::new("active.max", most(|sample| sample.active.into()), Unit::Count),
        Figure::new("lock_waits.max", most(|sample| sample.locks_waiting.into()), Unit::Count),
        Figure::new("longest_transaction", most(|sample| sample.longest_transaction_ns), Unit::Ns),
        Figure::new("deadlocks", last.deadlocks as f64, Unit::Count),
        Figure::new("slow", findings.slow.len() as f64, Unit::Count),
    ];
    if last.connections_max > 0 {
        figures.push(Figure::new("connections.share", connections / f64::from(last.connections_max), Unit::Share));
    }
    let blocks = last.blocks_hit + last.blocks_read;
    if blocks > 0 {
        figures.push(Figure::new("cache_hits", last.blocks_hit as f64 / blocks as f64, Unit::Share));
    }
    figures
}

/// The wait events of all samples together: for each type, the most at once.
pub fn waits(samples: &[PostgresSample]) -> BTreeMap<String, u32> {
    let mut most = BTreeMap::new();
    for (kind, count) in samples.iter().flat_map(|sample| &sample.waiting) {
        let known = most.entry(kind.clone()).or_insert(0);
        *known = (*known).max(*count);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(blocked: &str, waited_ns: u64) -> LockWait {
        LockWait {
            at_ns: 0,
            blocked_pid: 1,
            blocked: blocked.to_owned(),
            blocker_pid: 2,
            blocker: "lock table t".to_owned(),
            blocker_state: "idle in transaction".to_owned(),
            lock: "relation t".to_owned(),
            mode: "AccessShareLock".to_owned(),
            waited_ns,
        }
    }

    #[test]
    fn of_the_same_wait_the_longest_is_kept() {
        let mut findings = PostgresFindings::default();
        for ns in [5, 9, 7] {
            findings.note_wait(&wait("select", ns));
        }
        assert_eq!(findings.lock_waits, [wait("select", 9)]);
        (0..100).for_each(|number| findings.note_wait(&wait(&format!("select t{number}"), number)));
        assert_eq!(findings.lock_waits.len(), WAITS_MAX);
        assert_eq!(findings.lock_waits[0].waited_ns, 99);
    }

    #[test]
    fn slow_statements_are_counted_and_bounded() {
        let mut findings = PostgresFindings::default();
        for ns in [5, 9, 7] {
            findings.note_slow("select".to_owned(), ns);
        }
        assert_eq!((findings.slow[0].longest_ns, findings.slow[0].count), (9, 3));
        (0..100).for_each(|number| findings.note_slow(format!("select t{number}"), number));
        assert_eq!(findings.slow.len(), SLOW_MAX);
    }

    #[test]
    fn figures_are_the_worst_of_the_samples() {
        let sample = |connections, locks_waiting| PostgresSample {
            connections,
            locks_waiting,
            connections_max: 100,
            waiting: BTreeMap::from([("Lock".to_owned(), locks_waiting)]),
            deadlocks: 2,
            blocks_hit: 99,
            blocks_read: 1,
            ..PostgresSample::default()
        };
        let samples = [sample(10, 3), sample(50, 1)];
        let figures = figures(&samples, &PostgresFindings::default());
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
        assert_eq!(value("connections.max"), Some(50.0));
        assert_eq!(value("connections.share"), Some(0.5));
        assert_eq!(value("lock_waits.max"), Some(3.0));
        assert_eq!(value("deadlocks"), Some(2.0));
        assert_eq!(value("cache_hits"), Some(0.99));
        assert_eq!(waits(&samples), BTreeMap::from([("Lock".to_owned(), 3)]));
        assert!(super::figures(&[], &PostgresFindings::default()).is_empty(), "no sample, no figure");
    }
}
