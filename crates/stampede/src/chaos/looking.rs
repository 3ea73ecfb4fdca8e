//! What the servers and the replicas did meanwhile, looked at every second.
//!
//! Invariant: looking never holds anything up: what does not answer in time is a gap.

use std::time::Duration;

use stampede_engine::chaos::Target;
use stampede_engine::cluster::{MemberState, Status};
use stampede_engine::monitor::{Monitor, Snapshot, Sources};
use stampede_model::chaos::ProcessId;
use stampede_model::timeline::{Timeline, Unit};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

const SESSIONS: (&str, Unit) = ("Sessions of PostgreSQL", Unit::Count);
const QUEUES: (&str, Unit) = ("Lengths of queues in Redis", Unit::Count);
const READY: (&str, Unit) = ("Replicas that are ready", Unit::Count);
const CORES: (&str, Unit) = ("Processors in use", Unit::Count);

/// Whoever looks.
pub(crate) struct Looking {
    task: JoinHandle<Timeline>,
    over: watch::Sender<bool>,
}

impl Looking {
    /// Looks in a way of one's own, until what it is given says that it is over.
    pub(crate) fn by<F>(look: impl FnOnce(watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = Timeline> + Send + 'static,
    {
        let (over, is_over) = watch::channel(false);
        Self { task: tokio::spawn(look(is_over)), over }
    }

    /// Looks from now on; `start` is the beginning of the axis.
    pub(super) fn begin(target: Target, status: &Status, lists: &[String], start: Instant) -> Self {
        let url = |name| status.server(name).map(|server| server.url.clone());
        let sources = Sources {
            postgres: status.primary().map(|server| server.url.clone()),
            redis: url("redis"),
            lists: lists.to_vec(),
            processes: processes(status),
            slow: LOOK_EVERY,
        };
        Self::by(|is_over| look(target, Monitor::new(sources), start, is_over))
    }

    /// What was seen.
    pub(crate) async fn finish(self) -> Timeline {
        self.over.send_replace(true);
        // A task that panicked has seen nothing.
        self.task.await.unwrap_or_default()
    }
}

async fn look(target: Target, mut monitor: Monitor, start: Instant, mut over: watch::Receiver<bool>) -> Timeline {
    let mut seen = Timeline::default();
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = over.wait_for(|over| *over) => return seen,
        }
        let at_ns = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let status = timeout(ANSWER_WITHIN, target.status()).await;
        let status = status.ok().and_then(Result::ok);
        if let Some(status) = &status {
            monitor.follow(processes(status));
            monitor.turn_to(status.primary().map(|server| server.url.clone()));
            replicas(&mut seen, status, at_ns);
        }
        if let Ok(snapshot) = timeout(ANSWER_WITHIN, monitor.look()).await {
            servers(&mut seen, &snapshot, at_ns);
        }
    }
}

fn replicas(seen: &mut Timeline, status: &Status, at_ns: u64) {
    for service in &status.services {
        let ready = service.members.iter().filter(|member| member.state == MemberState::Ready).count();
        seen.add(READY, &service.name, (at_ns, ready as f64));
    }
}

fn servers(seen: &mut Timeline, snapshot: &Snapshot, at_ns: u64) {
    if let Some(postgres) = &snapshot.postgres {
        let idle = postgres.connections.saturating_sub(postgres.active + postgres.idle_in_transaction);
        for (name, value) in [
            ("active", postgres.active),
            ("idle in transaction", postgres.idle_in_transaction),
            ("waiting for a lock", postgres.locks_waiting),
            ("idle", idle),
        ] {
            seen.add(SESSIONS, name, (at_ns, f64::from(value)));
        }
    }
    for (list, length) in snapshot.redis.iter().flat_map(|redis| &redis.lists) {
        // A list that is empty is no list.
        seen.add(QUEUES, list, (at_ns, length.unwrap_or(0) as f64));
    }
    let mut cores: Vec<(&str, f64)> = Vec::new();
    for process in &snapshot.processes {
        // All replicas of a service together.
        let name = process.name.trim_end_matches(|digit: char| digit.is_ascii_digit()).trim_end_matches('-');
        match cores.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += process.cpu_cores,
            None => cores.push((name, process.cpu_cores)),
        }
    }
    for (name, sum) in cores {
        seen.add(CORES, name, (at_ns, sum));
    }
}

fn processes(status: &Status) -> Vec<(String, ProcessId)> {
    let members = status.members().filter_map(|member| Some((member.name.clone(), member.process?)));
    let servers = status.servers.iter().filter_map(|server| Some((server.name.clone(), server.process?)));
    members.chain(servers).collect()
}
