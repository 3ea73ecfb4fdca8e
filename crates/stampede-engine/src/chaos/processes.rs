//! Processes of this machine: who they are, whom they started, and signals that reach no stranger.
//!
//! Invariant: a signal goes by a handle of the process (a pidfd) whose start was compared, so that a number that was given anew is
//! never hit. Absent on purpose: other systems than Linux; there `identity` knows nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use stampede_model::chaos::ProcessId;

/// The kernel tells CPU time in these, whatever its own clock ticks at.
const TICKS_PER_S: f64 = 100.0;

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    group: u32,
    cpu_ticks: u64,
    started: u64,
}

/// All processes of this machine at one moment. Reading it costs some ten microseconds for each of them, so who asks after several
/// families reads it once.
#[derive(Clone, Debug)]
pub(crate) struct Everybody(BTreeMap<u32, Stat>);

/// The process that has this number now.
pub fn identity(pid: u32) -> Option<ProcessId> {
    stat(pid).filter(|stat| stat.state != 'Z').map(|stat| ProcessId { pid, started: stat.started })
}

/// Whether it still runs, or stands still.
pub fn is_alive(process: ProcessId) -> bool {
    identity(process.pid) == Some(process)
}

/// Whether it stands still.
pub fn is_stopped(process: ProcessId) -> bool {
    stat(process.pid).is_some_and(|stat| stat.started == process.started && matches!(stat.state, 'T' | 't'))
}

/// The process, all that it or its group started, and all that those started, whatever groups they have made: PostgreSQL's sessions
/// each have one of their own.
pub fn family(root: ProcessId) -> Vec<ProcessId> {
    Everybody::now().family(root)
}

impl Everybody {
    /// Those that there are now, without those that have ended and were not waited for.
    pub(crate) fn now() -> Self {
        let Ok(entries) = fs::read_dir("/proc") else { return Self(BTreeMap::new()) };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Self(pids.filter_map(|pid| Some((pid, stat(pid)?))).filter(|(_, stat)| stat.state != 'Z').collect())
    }

    /// As [`family`].
    pub(crate) fn family(&self, root: ProcessId) -> Vec<ProcessId> {
        let Self(all) = self;
        if all.get(&root.pid).is_none_or(|stat| stat.started != root.started) {
            return Vec::new();
        }
        let mut known = BTreeSet::from([root.pid]);
        let mut found = true;
        while found {
            found = false;
            for (pid, stat) in all {
                let belongs = known.contains(&stat.parent) || (stat.group == root.pid && *pid != root.pid);
                if belongs && known.insert(*pid) {
                    found = true;
                }
            }
        }
        known.iter().filter_map(|pid| all.get(pid).map(|stat| ProcessId { pid: *pid, started: stat.started })).collect()
    }

    /// CPU time of a process with all that it started; 0 when it is gone.
    pub(crate) fn cpu_seconds(&self, root: ProcessId) -> f64 {
        let of = |process: ProcessId| self.0.get(&process.pid).map_or(0, |stat| stat.cpu_ticks);
        self.family(root).into_iter().map(of).sum::<u64>() as f64 / TICKS_PER_S
    }
}

/// Sends a signal to exactly this process; `Ok(false)` when it is gone.
///
/// # Errors
/// When the system refuses, as for a process of another user.
pub fn signal(process: ProcessId, signal: Signal) -> io::Result<bool> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // From here on the handle means one process; is it the one that was meant?
    if !is_alive(process) {
        return Ok(false);
    }
    match pidfd_send_signal(&handle, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in the second field may hold spaces and brackets; what follows its last bracket is numbers.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    // Of all fields the 14th and 15th are CPU time, of the program and of the kernel for it, and the 22nd is the start.
    let user: u64 = fields.nth(8)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let started = fields.nth(6)?.parse().ok()?;
    Some(Stat { state, parent, group, cpu_ticks: user + system, started })
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use sandbox::testing::eventually;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    #[test]
    fn a_name_with_brackets_does_not_confuse_the_fields() {
        let text = "12 (a) S 1 (x)) T 3 4 5 0 -1 0 0 0 0 0 40 2 0 0 20 0 1 0 4711 1 1";
        assert_eq!(parse(text), Some(Stat { state: 'T', parent: 3, group: 4, cpu_ticks: 42, started: 4711 }));
    }

    #[tokio::test]
    async fn a_family_stands_still_and_goes_on_and_strangers_are_not_hit() {
        let mut parent = Command::new("sh").args(["-c", "sleep 60 & sleep 60; :"]).spawn().unwrap();
        let root = identity(parent.id()).unwrap();
        eventually(WITHIN, async || (family(root).len() == 3).then_some(())).await;
        let all = family(root);
        for one in &all {
            assert!(signal(*one, Signal::STOP).unwrap());
        }
        eventually(WITHIN, async || (all.iter().all(|one| is_stopped(*one))).then_some(())).await;
        for one in &all {
            assert!(signal(*one, Signal::CONT).unwrap());
        }
        eventually(WITHIN, async || (all.iter().all(|one| !is_stopped(*one))).then_some(())).await;
        let stranger = ProcessId { pid: root.pid, started: root.started + 1 };
        assert!(!signal(stranger, Signal::KILL).unwrap());
        assert!(is_alive(root));
        for one in &all {
            assert!(signal(*one, Signal::KILL).unwrap());
        }
        parent.wait().unwrap();
        assert!(!is_alive(root) && !signal(root, Signal::KILL).unwrap() && family(root).is_empty());
    }
}
