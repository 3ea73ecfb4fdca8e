//! PostgreSQL: connections and who has them, who waits for whom, what has been open for long.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Kind, NEARLY, S, Severity};
use crate::stress::postgres::{LockWait, PostgresSample};
use crate::units::{show_ns, thousands};

/// A transaction that is open for longer holds back others and the clearing of old rows.
const LONG_TRANSACTION_NS: u64 = 10 * S;
/// Sessions in a transaction without a statement that are more than a passing state.
const IDLE_IN_TRANSACTION: u32 = 5;
/// Fewer blocks than this share from memory is a database that reads from disk.
const HITS_LEAST: f64 = 0.9;
/// Too few look-ups to speak of a rate.
const LOOKUPS_LEAST: u64 = 1_000;
/// Lines of a chain, and holders of connections, that are shown.
const SHOWN: usize = 8;

/// Sessions of one user and program in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// `user` by `program`.
    pub who: String,
    /// The state, such as `idle` or `idle in transaction`.
    pub state: String,
    /// How many.
    pub count: u32,
    /// How long the one that has been in that state longest has been, in nanoseconds.
    pub longest_ns: u64,
}

pub(super) fn findings(first: &PostgresSample, last: &PostgresSample, sessions: &[Sessions]) -> Vec<Finding> {
    let mut found = Vec::new();
    let (used, most) = (last.connections, last.connections_max);
    if most > 0 && f64::from(used) >= NEARLY * f64::from(most) {
        let severity = if used + 3 >= most { Severity::Now } else { Severity::Soon };
        let text = format!("{used} of {most} connections of PostgreSQL are in use");
        let hint = "who holds most of them and leaves them idle leaks; else smaller pools, fewer replicas, a pooler, or a \
                    higher max_connections";
        found.push(Finding::new((severity, Kind::Connections), text, hint).with(holders(sessions, "")));
    }
    found.extend(blocked(last));
    if last.longest_transaction_ns > LONG_TRANSACTION_NS {
        let text = format!("a transaction has been open for {}", show_ns(last.longest_transaction_ns));
        let hint = "set idle_in_transaction_session_timeout; never wait for others inside of one";
        let evidence = holders(sessions, "idle in transaction");
        found.push(Finding::new((Severity::Soon, Kind::LongTransaction), text, hint).with(evidence));
    }
    if last.idle_in_transaction >= IDLE_IN_TRANSACTION && first.idle_in_transaction >= IDLE_IN_TRANSACTION {
        let text = format!("{} sessions are in a transaction and do nothing", last.idle_in_transaction);
        let hint = "the service waits for something else inside of it, or forgot to commit";
        let evidence = holders(sessions, "idle in transaction");
        found.push(Finding::new((Severity::Soon, Kind::IdleTransactions), text, hint).with(evidence));
    }
    if last.deadlocks > first.deadlocks {
        let text = format!("{} deadlocks while it was looked at", last.deadlocks - first.deadlocks);
        let hint = "lock rows in one order everywhere; PostgreSQL's log has both statements of each";
        found.push(Finding::new((Severity::Now, Kind::Deadlocks), text, hint));
    }
    found.extend(disk_reads(first, last));
    found
}

fn disk_reads(first: &PostgresSample, last: &PostgresSample) -> Option<Finding> {
    let from_memory = last.blocks_hit.saturating_sub(first.blocks_hit);
    let from_disk = last.blocks_read.saturating_sub(first.blocks_read);
    let all = from_memory + from_disk;
    if all <= LOOKUPS_LEAST || from_memory as f64 >= HITS_LEAST * all as f64 {
        return None;
    }
    let text = format!("{} of {} blocks came from disk", thousands(from_disk), thousands(all));
    let hint = "more shared_buffers, or an index for what reads so much";
    Some(Finding::new((Severity::Look, Kind::DiskReads), text, hint))
}

/// Who has most sessions, of a state or of any.
fn holders(sessions: &[Sessions], state: &str) -> Vec<String> {
    let mut all: Vec<&Sessions> = sessions.iter().filter(|one| one.state.starts_with(state)).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.count));
    let tell = |one: &&Sessions| {
        format!("{} has {} {}, one of them for {}", one.who, one.count, one.state, show_ns(one.longest_ns))
    };
    all.iter().take(SHOWN).map(tell).collect()
}

/// Who waits for whom, from the one that nobody blocks: one finding for each such session.
fn blocked(last: &PostgresSample) -> Vec<Finding> {
    let finding = |chain: Vec<Link<'_>>| {
        let root = chain.first()?.wait;
        let longest = chain.iter().map(|link| link.wait.waited_ns).max().unwrap_or(0);
        let text = format!(
            "session {} ({}) blocks {} others, for {}: {}",
            root.blocker_pid,
            root.blocker_state,
            chain.len(),
            show_ns(longest),
            root.blocker
        );
        let hint = format!(
            "find out why it does not go on; end it if need be: SELECT pg_terminate_backend({})",
            root.blocker_pid
        );
        let lines = chain.iter().take(SHOWN).map(|Link { depth, wait }| {
            format!(
                "{:indent$}{} waits for {} on {} since {}: {}",
                "",
                wait.blocked_pid,
                wait.blocker_pid,
                wait.lock,
                show_ns(wait.waited_ns),
                wait.blocked,
                indent = 2 * depth
            )
        });
        Some(Finding::new((Severity::Now, Kind::Blocked), text, hint).with(lines))
    };
    chains(&last.lock_waits).into_iter().filter_map(finding).collect()
}

/// A wait, and how far from the session that holds all of them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'w> {
    /// 0 for those that wait for that session itself.
    pub depth: usize,
    /// The wait.
    pub wait: &'w LockWait,
}

/// The waits as trees: one for each session that holds others up and waits for nobody, those it holds up behind it. A circle, which
/// PostgreSQL will break itself, begins at its lowest number.
pub fn chains(waits: &[LockWait]) -> Vec<Vec<Link<'_>>> {
    let mut behind: BTreeMap<i32, Vec<&LockWait>> = BTreeMap::new();
    for wait in waits {
        behind.entry(wait.blocker_pid).or_default().push(wait);
    }
    let waiting: BTreeSet<i32> = waits.iter().map(|wait| wait.blocked_pid).collect();
    let mut told = BTreeSet::new();
    let roots = behind.keys().filter(|pid| !waiting.contains(pid)).chain(behind.keys());
    let mut chains = Vec::new();
    for root in roots {
        let mut chain = Vec::new();
        let mut next: Vec<(usize, i32)> = vec![(0, *root)];
        while let Some((depth, pid)) = next.pop() {
            for wait in behind.get(&pid).into_iter().flatten() {
                // A session that waits for several is told once, where it was met first.
                if told.insert(wait.blocked_pid) {
                    chain.push(Link { depth, wait });
                    next.push((depth + 1, wait.blocked_pid));
                }
            }
        }
        if !chain.is_empty() {
            chains.push(chain);
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(blocked: i32, by: i32) -> LockWait {
        LockWait {
            at_ns: 0,
            blocked_pid: blocked,
            blocked: format!("update {blocked}"),
            blocker_pid: by,
            blocker: format!("lock {by}"),
            blocker_state: "idle in transaction".into(),
            lock: "relation a".into(),
            mode: "RowExclusiveLock".into(),
            waited_ns: 3 * S,
        }
    }

    fn pids(chain: &[Link<'_>]) -> Vec<(usize, i32)> {
        chain.iter().map(|link| (link.depth, link.wait.blocked_pid)).collect()
    }

    #[test]
    fn a_chain_begins_with_the_one_that_waits_for_nobody() {
        let waits = [wait(13, 12), wait(12, 11), wait(14, 12), wait(21, 20)];
        let chains = chains(&waits);
        assert_eq!(chains.len(), 2);
        assert_eq!(pids(&chains[0]), [(0, 12), (1, 13), (1, 14)]);
        assert_eq!(chains[0][0].wait.blocker_pid, 11);
        assert_eq!(pids(&chains[1]), [(0, 21)]);
    }

    #[test]
    fn a_circle_ends_and_who_waits_for_two_is_told_once() {
        let circle = [wait(1, 2), wait(2, 1)];
        assert_eq!(pids(&chains(&circle)[0]), [(0, 2), (1, 1)]);
        let two = [wait(5, 3), wait(5, 4)];
        assert_eq!(chains(&two).iter().map(Vec::len).sum::<usize>(), 1);
        assert!(chains(&[]).is_empty());
    }

    #[test]
    fn the_finding_names_the_root_and_shows_the_chain() {
        let last = PostgresSample { lock_waits: vec![wait(13, 12), wait(12, 11)], ..PostgresSample::default() };
        let found = findings(&PostgresSample::default(), &last, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].seen, "session 11 (idle in transaction) blocks 2 others, for 3.00 s: lock 11");
        assert!(found[0].hint.contains("pg_terminate_backend(11)"), "{found:?}");
        assert_eq!(found[0].evidence[1], "  13 waits for 12 on relation a since 3.00 s: update 13");
    }

    #[test]
    fn who_holds_the_connections_is_evidence() {
        let sessions = [
            Sessions { who: "app by api".into(), state: "idle".into(), count: 3, longest_ns: S },
            Sessions { who: "leaky by job".into(), state: "idle".into(), count: 90, longest_ns: 60 * S },
        ];
        let last = PostgresSample { connections: 93, connections_max: 100, ..PostgresSample::default() };
        let found = findings(&last, &last, &sessions);
        assert_eq!(found[0].severity, Severity::Soon);
        assert_eq!(found[0].evidence[0], "leaky by job has 90 idle, one of them for 60.0 s");
    }
}
