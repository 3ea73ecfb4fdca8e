//! The deadlocks that the servers of a test run met, counted from their logs: a statistic goes with its database, a log with its
//! server.
//!
//! Each PostgreSQL that is started while [`DEADLOCK_LOG_VARIABLE`] names a file writes a line into it when it is started, and another
//! with its count when it has stopped. Whoever set the variable reads the file ([`read_deadlocks`]). A test that is about deadlocks
//! says so in its database ([`EXPECT_DEADLOCKS`]), and those are not counted.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Names the file.
pub const DEADLOCK_LOG_VARIABLE: &str = "SANDBOX_DEADLOCK_LOG";

/// A statement after which the deadlocks of its database are not counted.
pub const EXPECT_DEADLOCKS: &str = "do $$ begin raise log 'deadlocks are expected in %', current_database(); end $$";

/// What that statement writes before the database's name.
const EXPECTED: &str = "LOG:  deadlocks are expected in ";

/// With the database and the code of an error in each line.
pub(crate) const LOG_LINE_PREFIX: &str = "%m [%p] %q%d %e ";
/// PostgreSQL's code of a deadlock.
const DEADLOCK: &str = "40P01";

/// What the servers of a run have told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlocks {
    /// Servers that have stopped, and told of their log.
    pub servers: usize,
    /// Deadlocks in all of those logs.
    pub deadlocks: usize,
    /// Servers whose starter was killed, so that nobody read their log.
    pub unread: usize,
    /// Servers that still run.
    pub running: usize,
}

/// How many deadlocks a server's log tells of, but for those that were expected.
pub fn count_deadlocks(log: &str) -> usize {
    let expected: HashSet<&str> = log.lines().filter_map(|line| Some(line.split_once(EXPECTED)?.1.trim())).collect();
    let database_of = |line| -> Option<&str> {
        let (_, line): (&str, &str) = str::split_once(line, "] ")?;
        let mut words = line.split(' ');
        let database = words.next()?;
        (words.next() == Some(DEADLOCK) && matches!(words.next(), Some("ERROR:" | "FATAL:"))).then_some(database)
    };
    log.lines().filter_map(database_of).filter(|database| !expected.contains(database)).count()
}

/// Reads the file.
///
/// # Errors
/// When it cannot be read; a file that is not there yet is empty.
pub fn read_deadlocks(file: &Path) -> io::Result<Deadlocks> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let (mut started, mut told) = (HashMap::new(), Deadlocks::default());
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["started", pid, server] => drop(started.insert(server, pid)),
            ["stopped", server, count] => {
                started.remove(server);
                told.servers += 1;
                told.deadlocks += count.parse::<usize>().unwrap_or(0);
            }
            _ => {}
        }
    }
    told.running = started.values().filter(|pid| is_alive(pid)).count();
    told.unread = started.len() - told.running;
    Ok(told)
}

/// Whether a process has not ended; one that nobody has collected yet has.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// One server's part in the file. It is dropped when the server has stopped and its log is still there.
pub(crate) struct Witness {
    file: PathBuf,
    server: String,
    log: PathBuf,
}

impl Witness {
    /// Tells of a server that has been started, when somebody wants to know.
    pub(crate) fn of_log(log: PathBuf) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let file = std::env::var_os(DEADLOCK_LOG_VARIABLE).filter(|file| !file.is_empty())?;
        let pid = std::process::id();
        let server = format!("{pid}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let witness = Self { file: file.into(), server, log };
        witness.tell(&format!("started {pid} {}\n", witness.server));
        Some(witness)
    }

    fn tell(&self, line: &str) {
        let written = OpenOptions::new().create(true).append(true).open(&self.file);
        // One write, so that no line stands within another.
        if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
            tracing::warn!(%error, file = %self.file.display(), "a server's deadlocks are not told");
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        match fs::read(&self.log) {
            Ok(log) => {
                let count = count_deadlocks(&String::from_utf8_lossy(&log));
                self.tell(&format!("stopped {} {count}\n", self.server));
            }
            Err(error) => tracing::warn!(%error, log = %self.log.display(), "a server's log cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlocks_are_counted_where_they_are_not_expected() {
        let log = "\
2026-01-01 00:00:00.000 UTC [1] LOG:  database system is ready to accept connections
2026-01-01 00:00:01.000 UTC [2] test_1 40P01 ERROR:  deadlock detected
2026-01-01 00:00:01.000 UTC [2] test_1 40P01 DETAIL:  Process 2 waits for ShareLock; blocked by [3] test_1 40P01 ERROR:
\tProcess 3 waits for ShareLock
2026-01-01 00:00:01.000 UTC [2] test_1 40P01 STATEMENT:  update t set a = 1
2026-01-01 00:00:02.000 UTC [3] test_1 23505 ERROR:  duplicate key value violates unique constraint \"40P01\"
2026-01-01 00:00:03.000 UTC [4] test_2 40P01 ERROR:  deadlock detected
2026-01-01 00:00:04.000 UTC [5] test_2 00000 LOG:  deadlocks are expected in test_2
2026-01-01 00:00:05.000 UTC [6] test_22 40P01 ERROR:  deadlock detected
";
        assert_eq!(count_deadlocks(log), 2);
        assert_eq!(count_deadlocks(""), 0);
    }

    #[test]
    fn a_file_tells_who_stopped_who_runs_and_who_was_killed() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("deadlocks");
        assert_eq!(read_deadlocks(&file).unwrap(), Deadlocks::default());
        let alive = std::process::id();
        // No process has this number: it is larger than any that Linux gives.
        let text = format!(
            "started {alive} a\nstarted {alive} b\nstarted 99999999 c\nstopped a 2\nstarted 99999999 d\nstopped d 1\n"
        );
        fs::write(&file, text).unwrap();
        assert_eq!(read_deadlocks(&file).unwrap(), Deadlocks { servers: 2, deadlocks: 3, unread: 1, running: 1 });
    }
}
