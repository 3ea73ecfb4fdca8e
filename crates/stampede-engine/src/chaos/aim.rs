//! Aims a fault at what is there: what it meets, how it is undone, what is to be done.
//!
//! Invariants: only what the cluster says it started is ever aimed at; which replica of a service is drawn from the seed and the
//! fault's place in the run; a fault of HTTP never meets a way on which nobody speaks it.

use stampede_model::chaos::{DatabaseStop, Fault, ProcessId, RedisPause, Rough, Undo, draw};

use super::ChaosError;
use super::inject::{Action, Aimed, Order, Target};
use super::injector::Intent;
use super::named::in_words;
use super::processes::family;
use crate::cluster::{Ask, Gate, LinkState, MemberStatus, ServerRole, ServerStatus, Status};

/// What a fault meets, how it is undone, and what is done.
type Aim = Result<(String, Undo, Action), ChaosError>;

impl Target {
    /// Finds what the order means; `id` is the fault's number in the journal.
    pub(super) fn aim(&self, order: &Order, status: &Status, id: u64) -> Result<Aimed, ChaosError> {
        let (on, undo, action) = match &order.fault {
            Fault::Kill | Fault::Restart | Fault::Stop | Fault::Pause => self.at_a_process(order, status),
            Fault::Slow(..) | Fault::Cut | Fault::HalfOpen(_) | Fault::Reset | Fault::Http(_) => {
                self.at_a_link(order, status)
            }
            Fault::PostgresStop(how) => self.at_a_postgres(order, status, *how),
            Fault::Promote(how) => self.at_the_primary(order, status, *how),
            Fault::Exhaust(_) | Fault::LockTable(_) | Fault::LockRows(_) => self.by_sessions(order, status, id),
            Fault::RedisStop(_) | Fault::RedisRestart | Fault::Flushall | Fault::ClientPause(_) => {
                self.at_redis(order, status)
            }
        }?;
        Ok(Aimed { intent: Intent { on, words: in_words(order), undo }, action })
    }

    fn at_a_process(&self, order: &Order, status: &Status) -> Aim {
        if order.fault == Fault::Pause {
            let (name, process) = running(order, status)?;
            return Ok((name, Undo::Continue { processes: family(process) }, Action::Pause(process)));
        }
        let (name, process) = running_member(order, status)?;
        let on = name.clone();
        let action = match order.fault {
            Fault::Stop => Action::Ask(vec![Ask::Stop { on }]),
            Fault::Restart => Action::Ask(vec![Ask::Restart { on }]),
            _ => Action::Kill(process),
        };
        Ok((name.clone(), Undo::Member { reach: self.reach.clone(), name }, action))
    }

    fn at_a_link(&self, order: &Order, status: &Status) -> Aim {
        let name = link(order, status)?;
        let ask = Ask::Disturb { link: name.clone(), state: link_state(order) };
        Ok((name.clone(), Undo::Link { reach: self.reach.clone(), name }, Action::Ask(vec![ask])))
    }

    /// The named place, or wherever the primary is.
    fn at_a_postgres(&self, order: &Order, status: &Status, how: DatabaseStop) -> Aim {
        let server = match order.on.as_deref() {
            Some("standby") => known(status.server("standby"), "standby")?,
            _ => postgres(order, status)?,
        };
        let name = server.name.clone();
        let ask = Ask::StopPostgres { name: name.clone(), how };
        Ok((name.clone(), Undo::Server { reach: self.reach.clone(), name }, Action::Ask(vec![ask])))
    }

    fn at_the_primary(&self, order: &Order, status: &Status, how: DatabaseStop) -> Aim {
        let primary = postgres(order, status)?;
        let standby = status.servers.iter().find(|server| server.role == Some(ServerRole::Standby));
        let Some(standby) = standby.filter(|standby| standby.running) else {
            let hint =
                "hint: add standby = \"synchronous\" to [target.postgres] of its file, or start the one there is";
            return Err(ChaosError::Aim(format!("{} needs a standby that runs\n{hint}", order.kind)));
        };
        let on = format!("{}, {} takes over", primary.name, standby.name);
        Ok((on, Undo::Standby { reach: self.reach.clone() }, Action::Ask(vec![Ask::Promote { how }])))
    }

    fn by_sessions(&self, order: &Order, status: &Status, id: u64) -> Aim {
        let server = postgres(order, status)?;
        let (on, url, name) = (server.name.clone(), server.url.clone(), format!("stampede-chaos-{id}"));
        let undo = Undo::Sessions { reach: self.reach.clone(), name: name.clone() };
        let action = match &order.fault {
            Fault::Exhaust(connections) => Action::Exhaust { url, name, connections: *connections },
            fault => Action::Lock { url, name, statement: lock_statement(fault) },
        };
        Ok((on, undo, action))
    }

    fn at_redis(&self, order: &Order, status: &Status) -> Aim {
        if let Some(on) = order.on.as_deref().filter(|on| *on != "redis") {
            return Err(not_here(order, "redis", on));
        }
        let server = known(status.server("redis"), "redis")?;
        let (name, url, reach) = (server.name.clone(), server.url.clone(), self.reach.clone());
        let restarted = Undo::Server { reach: reach.clone(), name: name.clone() };
        let (undo, action) = match &order.fault {
            Fault::RedisStop(how) => (restarted, Action::Ask(vec![Ask::StopRedis { how: *how }])),
            Fault::ClientPause(mode) => {
                let mode = if *mode == RedisPause::All { "ALL" } else { "WRITE" };
                (Undo::Unpause { reach }, Action::PauseRedis { url, mode, lasts: order.lasts })
            }
            Fault::Flushall => (Undo::Nothing, Action::Flush { url }),
            _ => {
                let again = Ask::StartServer { name: name.clone() };
                (restarted, Action::Ask(vec![Ask::StopRedis { how: Rough::Kill }, again]))
            }
        };
        Ok((name, undo, action))
    }
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
        Some(on) if matches!(order.fault, Fault::Http(_)) && speaks_no_http(on, status) => {
            let hint = "hint: --on the way of clients, or a link to a server of HTTP";
            Err(ChaosError::Aim(format!("nobody speaks HTTP on `{on}`, so {} means nothing there\n{hint}", order.kind)))
        }
        Some(on) if status.links.iter().any(|link| link.name == *on || link.group == *on) => Ok(on.clone()),
        Some(on) => Err(ChaosError::Aim(format!("no link is called `{on}`\n{hint}"))),
    }
}

/// Whether a link leads to PostgreSQL or Redis.
fn speaks_no_http(on: &str, status: &Status) -> bool {
    let meant = status.links.iter().filter(|link| link.name == on || link.group == on);
    meant.into_iter().any(|link| status.servers.iter().any(|server| link.group.ends_with(&format!("-{}", server.name))))
}

fn link_state(order: &Order) -> LinkState {
    let seed = draw(order.seed, order.index, u64::MAX);
    let calm = LinkState { seed, ..LinkState::default() };
    match &order.fault {
        Fault::Slow(limits, direction) => LinkState { limits: *limits, direction: *direction, ..calm },
        Fault::Cut => LinkState { gate: Gate::Refuse, ..calm },
        Fault::Reset => LinkState { gate: Gate::Reset, ..calm },
        Fault::Http(trouble) => LinkState { http: Some(*trouble), ..calm },
        Fault::HalfOpen(direction) => LinkState { silent: Some(*direction), ..calm },
        _ => calm,
    }
}

/// The PostgreSQL that takes writes; `--on` may name it, and nothing else.
fn postgres<'s>(order: &Order, status: &'s Status) -> Result<&'s ServerStatus, ChaosError> {
    let primary = status.primary();
    match (order.on.as_deref(), primary) {
        (Some(on), Some(primary)) if on != primary.name => Err(not_here(order, &primary.name, on)),
        (Some(on), None) if on != "postgres" => Err(not_here(order, "postgres", on)),
        _ => known(primary, "postgres"),
    }
}

fn not_here(order: &Order, name: &str, on: &str) -> ChaosError {
    ChaosError::Aim(format!("{} meets {name}, not `{on}`\nhint: leave --on out", order.kind))
}

/// A server that is there and runs.
fn known<'s>(server: Option<&'s ServerStatus>, name: &str) -> Result<&'s ServerStatus, ChaosError> {
    match server {
        Some(server) if server.running => Ok(server),
        Some(_) => Err(ChaosError::Aim(format!("{name} is down"))),
        None if name == "standby" => Err(ChaosError::Aim(
            "the cluster has no standby\nhint: add standby = \"synchronous\" to [target.postgres] of its file"
                .to_owned(),
        )),
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
