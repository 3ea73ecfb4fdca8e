//! Looks at a cluster again and again while something else goes on, and keeps what its rows are judged by.
//!
//! Invariants: it has a thread of its own, so that the clients' pauses are not its own; what it keeps does not grow with time; logs
//! are read once, at the end, from where they were at the beginning.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use stampede_model::chaos::ProcessId;
use stampede_model::logs::LogGroups;
use stampede_model::look::Look;
use stampede_model::verdict::Course;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::logs::{log_length, read_errors};
use super::{Monitor, Snapshot, Sources};
use crate::cluster::{self, Status};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(250);
/// From when on a statement is slow; rows do not judge that.
const SLOW: Duration = Duration::from_mins(1);

/// Whoever looks.
#[derive(Debug)]
pub struct Patrol {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    looks: watch::Receiver<u64>,
    walking: JoinHandle<()>,
    oom_kills: u64,
}

/// What the last look saw.
#[derive(Clone, Debug, Default)]
pub struct Latest {
    /// Connections of PostgreSQL, when it was seen.
    pub connections: Option<u32>,
    /// Jobs in all queues, when Redis was seen.
    pub waiting: Option<u64>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    course: Course,
    latest: Latest,
    /// How often each replica had ended when it was last seen, and how.
    ended: BTreeMap<String, (u32, String)>,
    /// Ends that the bench brought about.
    killed: BTreeMap<String, u32>,
    /// Logs, and how long they were at first.
    logs: BTreeMap<String, (PathBuf, u64)>,
}

impl Patrol {
    /// Begins to look at the cluster of a control socket, whose status is known.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn begin(socket: &Path, status: &Status, look: &Look) -> std::io::Result<Self> {
        let sources = Sources {
            postgres: status.primary().map(|server| server.url.clone()),
            redis: status.server("redis").map(|server| server.url.clone()),
            lists: look.queues.clone(),
            processes: processes(status),
            slow: SLOW,
        };
        let shared = Arc::new(Shared::default());
        shared.lock().note(status);
        let (stop, stopped) = watch::channel(false);
        let (looked, looks) = watch::channel(0);
        let walk = Walk { socket: socket.to_path_buf(), shared: Arc::clone(&shared), looked };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let walking = std::thread::Builder::new()
            .name("patrol".to_owned())
            .spawn(move || runtime.block_on(walk.until(stopped, sources)))?;
        Ok(Self { shared, stop, looks, walking, oom_kills: oom_kills() })
    }

    /// The bench is about to end a replica.
    pub fn expect_end_of(&self, replica: &str) {
        *self.shared.lock().killed.entry(replica.to_owned()).or_default() += 1;
    }

    /// Waits for a look that began after this call, and gives what it saw; `None` when none comes within `within`.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn next(&self, within: Duration) -> Option<Latest> {
        let mut looks = self.looks.clone();
        // The look that is under way may have begun before.
        let wanted = *looks.borrow_and_update() + 2;
        let looked = timeout(within, looks.wait_for(|looks| *looks >= wanted)).await;
        looked.ok()?.ok()?;
        Some(self.shared.lock().latest.clone())
    }

    /// Ends the looking and gives the whole course; `allowed` are words of log lines that are expected.
    ///
    /// # Cancel safety
    /// Dropping the future loses the course.
    pub async fn end(self, allowed: &[String]) -> Course {
        let Self { shared, stop, walking, oom_kills: before, .. } = self;
        stop.send_replace(true);
        // It fails only when the thread panicked; then the looks end there, and that shows.
        tokio::task::spawn_blocking(move || drop(walking.join())).await.ok();
        let mut state = shared.lock();
        let mut course = std::mem::take(&mut state.course);
        for (name, (ended, how)) in &state.ended {
            let killed = state.killed.get(name).copied().unwrap_or(0);
            if *ended > killed {
                course.ended.push((name.clone(), format!("{how}, {} times in all", ended - killed)));
            }
        }
        let mut groups = LogGroups::default();
        for (name, (file, from)) in &state.logs {
            match read_errors(name, file, *from, &mut groups) {
                Ok(lines) => course.log_lines += lines,
                Err(error) => {
                    groups.take(name, &format!("ERROR its log cannot be read: {error}"));
                }
            }
        }
        course.errors = (groups.without(allowed), groups.left_out());
        course.oom_kills = oom_kills().saturating_sub(before);
        course
    }
}

struct Walk {
    socket: PathBuf,
    shared: Arc<Shared>,
    looked: watch::Sender<u64>,
}

impl Walk {
    async fn until(self, mut stopped: watch::Receiver<bool>, sources: Sources) {
        let mut monitor = Monitor::new(sources);
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
            // While the cluster does not answer, those that are known are looked at.
            let status = cluster::status(&self.socket).await.ok();
            if let Some(status) = &status {
                monitor.follow(processes(status));
            }
            let snapshot = monitor.look().await;
            let mut state = self.shared.lock();
            if let Some(status) = &status {
                state.note(status);
                state.take_replicas(status, &snapshot);
            }
            state.take(&snapshot);
            drop(state);
            self.looked.send_modify(|looks| *looks += 1);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes which replicas there are, how often they ended, and where they log.
    fn note(&mut self, status: &Status) {
        for member in status.members() {
            let how = member.last_end.clone().unwrap_or_default();
            self.ended.insert(member.name.clone(), (member.ended, how));
            let file = PathBuf::from(&member.log);
            self.logs.entry(member.name.clone()).or_insert_with(|| {
                let from = log_length(&file);
                (file, from)
            });
        }
    }

    fn take(&mut self, snapshot: &Snapshot) {
        self.course.take_postgres(snapshot.postgres.as_ref());
        self.course.take_redis(snapshot.redis.as_ref());
        self.latest = Latest {
            connections: snapshot.postgres.as_ref().map(|sample| sample.connections),
            waiting: snapshot.redis.as_ref().map(|sample| sample.lists.values().flatten().sum()),
        };
    }

    fn take_replicas(&mut self, status: &Status, snapshot: &Snapshot) {
        for service in &status.services {
            for member in &service.members {
                let seen = snapshot.processes.iter().find(|process| process.name == member.name);
                if let Some(used) = seen {
                    let key = (service.name.as_str(), member.name.as_str());
                    self.course.take_replica(key, snapshot.at_unix_ms, (used.cpu_cores, used.resident_bytes));
                }
            }
        }
    }
}

fn processes(status: &Status) -> Vec<(String, ProcessId)> {
    status.members().filter_map(|member| Some((member.name.clone(), member.process?))).collect()
}

/// Processes of this machine that the kernel killed for want of memory since its start.
fn oom_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
