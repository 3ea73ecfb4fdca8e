//! Aims a fault at what is there, and carries it out.
//!
//! Invariants: only what the cluster says it started is ever hit; which replica of a service is drawn from the seed and the fault's
//! place in the run; everything the undo needs is known before anything happens.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use stampede_model::chaos::{DatabaseStop, Direction, Fault, Kind, ProcessId, Reach, RedisPause, Rough, Undo, draw};
use stampede_model::units::show_duration;

use super::injector::Intent;
use super::processes::{family, is_stopped, signal};
use super::sessions::{self, Held};
use super::{ChaosError, words};
use crate::cluster::{self, Ask, Card, Gate, LinkState, MemberStatus, Status};

/// Rounds of stopping a family that goes on starting processes.
const STOP_ROUNDS: u32 = 10;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its kind.
    pub kind: Kind,
    /// The fault.
    pub fault: Fault,
    /// What it is to meet.
    pub on: Option<String>,
    /// How long it lasts.
    pub lasts: Duration,
    /// What replicas are drawn from.
    pub seed: u64,
    /// Which injection of the run this is.
    pub index: u64,
}

/// Where faults are injected: a cluster that `stampede cluster` started.
#[derive(Clone, Debug)]
pub struct Target {
    reach: Reach,
}

/// A fault that is aimed.
#[derive(Debug)]
pub(super) struct Aimed {
    pub(super) intent: Intent,
    action: Action,
}

#[derive(Debug)]
enum Action {
    Kill(ProcessId),
    Pause(ProcessId),
    Ask(Vec<Ask>),
    Exhaust { url: String, name: String, connections: Option<u32> },
    Lock { url: String, name: String, statement: String },
    Flush { url: String },
    PauseRedis { url: String, mode: &'static str, lasts: Duration },
}

impl Target {
    /// The cluster of a card.
    pub fn of(card: &Card) -> Self {
        Self { reach: Reach { socket: card.socket.display().to_string(), process: card.process } }
    }

    /// How it is.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> Result<Status, ChaosError> {
        Ok(cluster::status(Path::new(&self.reach.socket)).await?)
    }

    /// Finds what the order means; `id` is the fault's number in the journal.
    pub(super) fn aim(&self, order: &Order, status: &Status, id: u64) -> Result<Aimed, ChaosError> {
        let reach = self.reach.clone();
        let member_undo = |name: &str| Undo::Member { reach: self.reach.clone(), name: name.to_owned() };
        let (on, undo, action) = match &order.fault {
            Fault::Kill => {
                let (name, process) = running_member(order, status)?;
                (name.clone(), member_undo(&name), Action::Kill(process))
            }
            Fault::Restart | Fault::Stop => {
                let (name, _) = running_member(order, status)?;
                let on = name.clone();
                let ask = if order.fault == Fault::Stop { Ask::Stop { on } } else { Ask::Restart { on } };
                (name.clone(), member_undo(&name), Action::Ask(vec![ask]))
            }
            Fault::Pause => {
                let (name, process) = running(order, status)?;
                (name, Undo::Continue { processes: family(process) }, Action::Pause(process))
            }
            Fault::Slow(..) | Fault::Cut | Fault::HalfOpen(_) | Fault::Reset => {
                let name = link(order, status)?;
                let state = link_state(order);
                let ask = Ask::Disturb { link: name.clone(), state };
                (name.clone(), Undo::Link { reach, name }, Action::Ask(vec![ask]))
            }
            Fault::PostgresStop(how) => {
                let name = server(order, status, "postgres")?.0;
                (name.clone(), Undo::Server { reach, name }, Action::Ask(vec![Ask::StopPostgres { how: *how }]))
            }
            Fault::RedisStop(how) => {
                let name = server(order, status, "redis")?.0;
                (name.clone(), Undo::Server { reach, name }, Action::Ask(vec![Ask::StopRedis { how: *how }]))
            }
            Fault::RedisRestart => {
                let name = server(order, status, "redis")?.0;
                let asks = vec![Ask::StopRedis { how: Rough::Kill }, Ask::StartServer { name: name.clone() }];
                (name.clone(), Undo::Server { reach, name }, Action::Ask(asks))
            }
            Fault::Exhaust(connections) => {
                let (on, url) = server(order, status, "postgres")?;
                let name = format!("stampede-chaos-{id}");
                let undo = Undo::Sessions { reach, name: name.clone() };
                (on, undo, Action::Exhaust { url, name, connections: *connections })
            }
            Fault::LockTable(_) | Fault::LockRows(_) => {
                let (on, url) = server(order, status, "postgres")?;
                let name = format!("stampede-chaos-{id}");
                let undo = Undo::Sessions { reach, name: name.clone() };
                (on, undo, Action::Lock { url, name, statement: lock_statement(&order.fault) })
            }
            Fault::Flushall => {
                let (on, url) = server(order, status, "redis")?;
                (on, Undo::Nothing, Action::Flush { url })
            }
            Fault::ClientPause(mode) => {
                let (on, url) = server(order, status, "redis")?;
                let mode = if *mode == RedisPause::All { "ALL" } else { "WRITE" };
                (on, Undo::Unpause { reach }, Action::PauseRedis { url, mode, lasts: order.lasts })
            }
        };
        Ok(Aimed { intent: Intent { on, words: in_words(order), undo }, action })
    }

    /// Does it. What is returned must be kept until the undo.
    pub(super) async fn carry_out(&self, action: &Aimed) -> Result<Option<Held>, String> {
        match &action.action {
            Action::Kill(process) => match signal(*process, Signal::KILL) {
                Ok(true) => Ok(None),
                Ok(false) => Err("it had ended before".to_owned()),
                Err(error) => Err(error.to_string()),
            },
            Action::Pause(process) => stand_still(*process).map(|()| None),
            Action::Ask(asks) => {
                for ask in asks {
                    let done = cluster::ask(Path::new(&self.reach.socket), ask).await;
                    done.map_err(|error| words(&error))?;
                }
                Ok(None)
            }
            Action::Exhaust { url, name, connections } => {
                let held = sessions::exhaust(url, name, *connections).await?;
                tracing::info!(held = held.count(), "connections of postgres are held");
                Ok(Some(held))
            }
            Action::Lock { url, name, statement } => sessions::lock(url, name, statement).await.map(Some),
            Action::Flush { url } => sessions::redis(url, &["FLUSHALL"]).await.map(|()| None),
            Action::PauseRedis { url, mode, lasts } => sessions::pause_redis(url, mode, *lasts).await.map(Some),
        }
    }
}

/// Stops a process and all that belong to it, until no new ones appear.
fn stand_still(root: ProcessId) -> Result<(), String> {
    for _ in 0..STOP_ROUNDS {
        let going: Vec<ProcessId> = family(root).into_iter().filter(|one| !is_stopped(*one)).collect();
        if going.is_empty() {
            return Ok(());
        }
        for one in going {
            signal(one, Signal::STOP).map_err(|error| format!("process {}: {error}", one.pid))?;
        }
    }
    // A signal takes a moment to be seen; who was sent it will stand still.
    Ok(())
}

/// A replica with a process: the named one, or one of a service that is drawn.
fn running_member(order: &Order, status: &Status) -> Result<(String, ProcessId), ChaosError> {
    let callable = || {
        let mut services = status.services.iter().filter(|service| service.listen.is_some());
        services.next().filter(|_| services.next().is_none()).map(|service| service.name.clone())
    };
    let Some(on) = order.on.clone().or_else(callable) else {
        let names: Vec<&str> = status.services.iter().map(|service| service.name.as_str()).collect();
        return Err(ChaosError::Aim(format!("{} on what?\nhint: --on {}", order.kind, names.join(", or --on "))));
    };
    if let Some(member) = status.members().find(|member| member.name == on) {
        return with_process(member).ok_or_else(|| {
            ChaosError::Aim(format!("{on} has no process now, it is {:?}", member.state).to_lowercase())
        });
    }
    let Some(service) = status.services.iter().find(|service| service.name == on) else {
        let names: Vec<&str> = status.services.iter().map(|service| service.name.as_str()).collect();
        let replicas: Vec<&str> = status.members().map(|member| member.name.as_str()).collect();
        return Err(ChaosError::Aim(format!(
            "{} cannot meet `{on}`: nothing this cluster started is called so\nhint: services {}; replicas {}",
            order.kind,
            names.join(", "),
            replicas.join(", ")
        )));
    };
    let running: Vec<(String, ProcessId)> = service.members.iter().filter_map(with_process).collect();
    let drawn = usize::try_from(draw(order.seed, order.index, running.len() as u64)).unwrap_or(0);
    running.into_iter().nth(drawn).ok_or_else(|| ChaosError::Aim(format!("no replica of {on} has a process now")))
}

fn with_process(member: &MemberStatus) -> Option<(String, ProcessId)> {
    Some((member.name.clone(), member.process?))
}

/// A replica or a private server.
fn running(order: &Order, status: &Status) -> Result<(String, ProcessId), ChaosError> {
    match order.on.as_deref().and_then(|on| status.server(on)) {
        Some(server) => {
            let process = server.process.ok_or_else(|| ChaosError::Aim(format!("{} is down", server.name)))?;
            Ok((server.name.clone(), process))
        }
        None => running_member(order, status),
    }
}

fn link(order: &Order, status: &Status) -> Result<String, ChaosError> {
    let mut groups: Vec<&str> = status.links.iter().map(|link| link.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    let hint = format!("hint: --on {}, or one replica's own link", groups.join(", or --on "));
    match &order.on {
        None => Err(ChaosError::Aim(format!("{} on which link?\n{hint}", order.kind))),
        Some(on) if status.links.iter().any(|link| link.name == *on || link.group == *on) => Ok(on.clone()),
        Some(on) => Err(ChaosError::Aim(format!("no link is called `{on}`\n{hint}"))),
    }
}

fn link_state(order: &Order) -> LinkState {
    let seed = draw(order.seed, order.index, u64::MAX);
    let calm = LinkState { seed, ..LinkState::default() };
    match &order.fault {
        Fault::Slow(limits, direction) => LinkState { limits: *limits, direction: *direction, ..calm },
        Fault::Cut => LinkState { gate: Gate::Refuse, ..calm },
        Fault::Reset => LinkState { gate: Gate::Reset, ..calm },
        Fault::HalfOpen(direction) => LinkState { silent: Some(*direction), ..calm },
        _ => calm,
    }
}

/// The server's name and URL.
fn server(order: &Order, status: &Status, name: &str) -> Result<(String, String), ChaosError> {
    if let Some(on) = order.on.as_deref().filter(|on| *on != name) {
        return Err(ChaosError::Aim(format!("{} meets {name}, not `{on}`\nhint: leave --on out", order.kind)));
    }
    match status.server(name) {
        Some(server) if server.running => Ok((name.to_owned(), server.url.clone())),
        Some(_) => Err(ChaosError::Aim(format!("{name} is down"))),
        None => Err(ChaosError::Aim(format!(
            "the cluster has no {name}\nhint: add [target.{name}] to its file, or disturb the link to the one it uses"
        ))),
    }
}

fn lock_statement(fault: &Fault) -> String {
    match fault {
        Fault::LockTable(table) => format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
        Fault::LockRows(rows) => rows.clone(),
        _ => String::new(),
    }
}

fn in_words(order: &Order) -> String {
    let kind = order.kind;
    let way = |direction: &Direction| match direction {
        Direction::Both => "",
        Direction::Up => " up",
        Direction::Down => " down",
    };
    match &order.fault {
        Fault::Slow(limits, direction) => {
            let mut text = kind.to_string();
            for (name, value) in [("", limits.latency_ms), (" jitter", limits.jitter_ms), ("", limits.close_ms)] {
                if value > 0 {
                    text = format!("{text}{name} {}", show_duration(Duration::from_millis(value)));
                }
            }
            if limits.bytes_per_s > 0 {
                text = format!("{text} {} B/s", limits.bytes_per_s);
            }
            text + way(direction)
        }
        Fault::HalfOpen(direction) => format!("{kind}{}", way(direction)),
        Fault::PostgresStop(how) => {
            let how = match how {
                DatabaseStop::Smart => "smart",
                DatabaseStop::Fast => "fast",
                DatabaseStop::Immediate => "immediate",
                DatabaseStop::Kill => "kill",
            };
            format!("{kind} {how}")
        }
        Fault::RedisStop(Rough::Kill) => format!("{kind} kill"),
        Fault::Exhaust(Some(connections)) => format!("{kind} {connections}"),
        Fault::LockTable(table) => format!("{kind} {table}"),
        Fault::ClientPause(RedisPause::Write) => format!("{kind} write"),
        _ => kind.to_string(),
    }
}
