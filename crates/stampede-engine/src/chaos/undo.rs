//! Makes a target whole again, and looks whether it is.
//!
//! Invariants: every undo may run twice, also by two processes at once; nothing counts as undone that was not seen to be so; a
//! cluster that has ended took all it started with it, and so is whole.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use stampede_model::chaos::{ClusterReach, KubernetesUndo, ProcessId, Reach, Undo};
use tokio::time::{Instant, sleep};

use super::processes::{family, is_alive, is_stopped, signal};
use super::{sessions, words};
use crate::cluster::{self, Ask, AskError, MemberState, ServerRole, Status};

/// How long it may take to be seen whole. A database that recovers from a crash is the slowest.
const SEEN_WITHIN: Duration = Duration::from_mins(2);
/// How long processes that were continued may take to be seen so.
const CONTINUED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What became of an undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// Whether the target was seen to be whole.
    pub verified: bool,
    /// What was seen.
    pub note: String,
}

/// Undoes, and looks.
///
/// # Cancel safety
/// Dropping the future may leave it half done; it can be done again.
pub async fn undo(undo: &Undo) -> Undone {
    let (reach, seen) = match undo {
        Undo::Nothing => return whole("nothing to undo"),
        Undo::Continue { processes } => return go_on(processes).await,
        Undo::Kubernetes { reach, how } => return in_kubernetes(reach, how).await,
        Undo::Member { reach, name } => (reach, member(reach, name).await),
        Undo::Link { reach, name } => (reach, link(reach, name).await),
        Undo::Server { reach, name } => (reach, server(reach, name).await),
        Undo::Standby { reach } => (reach, standby(reach).await),
        Undo::Sessions { reach, name } => (reach, sessions_gone(reach, name).await),
        Undo::Unpause { reach } => (reach, unpause(reach).await),
    };
    match seen {
        Ok(note) => whole(note),
        Err(_) if !is_alive(reach.process) => whole("the cluster has ended, and with it all that it started"),
        Err(why) => Undone { verified: false, note: why },
    }
}

#[cfg(feature = "kubernetes")]
async fn in_kubernetes(reach: &ClusterReach, how: &KubernetesUndo) -> Undone {
    match super::kubernetes::undo(reach, how).await {
        Ok(note) => whole(note),
        Err(note) => Undone { verified: false, note },
    }
}

#[cfg(not(feature = "kubernetes"))]
#[expect(clippy::unused_async, reason = "the other build of it asks a cluster")]
async fn in_kubernetes(reach: &ClusterReach, _how: &KubernetesUndo) -> Undone {
    let note =
        format!("it is in the Kubernetes namespace {}, and this build has no feature `kubernetes`", reach.namespace);
    Undone { verified: false, note }
}

fn whole(note: impl Into<String>) -> Undone {
    Undone { verified: true, note: note.into() }
}

async fn go_on(processes: &[ProcessId]) -> Undone {
    let deadline = Instant::now() + CONTINUED_WITHIN;
    let mut refused = None;
    loop {
        // Those that were started meanwhile by one that was not stopped yet are found by their parents.
        let mut all: Vec<ProcessId> =
            processes.iter().copied().chain(processes.iter().flat_map(|one| family(*one))).collect();
        all.sort();
        all.dedup();
        // To all of them: one that waits for a disk has yet to meet the stop, which this takes back, and nobody else minds.
        for one in &all {
            if let Err(error) = signal(*one, Signal::CONT) {
                refused = Some(error.to_string());
            }
        }
        let standing: Vec<ProcessId> = all.into_iter().filter(|one| is_stopped(*one)).collect();
        if standing.is_empty() {
            let left = processes.iter().filter(|one| is_alive(**one)).count();
            return whole(format!("{left} of {} processes go on, the others have ended", processes.len()));
        }
        if Instant::now() >= deadline {
            let why = refused.map(|why| format!(" ({why})")).unwrap_or_default();
            return Undone { verified: false, note: format!("process {} stands still{why}", standing[0].pid) };
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn member(reach: &Reach, name: &str) -> Result<String, String> {
    let find = |status: &Status| status.members().find(|member| member.name == name).cloned();
    if find(&ask_status(reach).await?).is_none() {
        return Ok(format!("{name} is no part of the cluster any more"));
    }
    ask(reach, &Ask::Start { on: name.to_owned() }).await?;
    let seen = |status: &Status| match find(status) {
        None => Ok(format!("{name} is no part of the cluster any more")),
        // Just after its death the cluster may not have noticed it.
        Some(member) if member.state == MemberState::Ready && member.process.is_some_and(is_alive) => {
            Ok(format!("{name} is ready"))
        }
        Some(member) => Err(format!("{name} is {:?}", member.state).to_lowercase()),
    };
    until(reach, seen).await
}

async fn link(reach: &Reach, name: &str) -> Result<String, String> {
    ask(reach, &Ask::Heal { link: name.to_owned() }).await?;
    let seen = |status: &Status| {
        let mut meant = status.links.iter().filter(|link| link.name == name || link.group == name);
        match meant.find(|link| !link.state.is_calm() || !link.listening) {
            None => Ok(format!("{name} is calm")),
            Some(link) => Err(format!("{} is not whole yet", link.name)),
        }
    };
    until(reach, seen).await
}

async fn server(reach: &Reach, name: &str) -> Result<String, String> {
    ask(reach, &Ask::StartServer { name: name.to_owned() }).await?;
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        let status = ask_status(reach).await?;
        // A process is no answer: one that is about to end takes nobody in.
        let seen = match status.server(name) {
            Some(server) if server.running && name == "redis" => sessions::redis(&server.url, &["PING"]).await,
            Some(server) if server.running => sessions::answers(&server.url).await,
            _ => Err(format!("{name} is down")),
        };
        match seen {
            Ok(()) => return Ok(format!("{name} answers")),
            Err(why) if Instant::now() >= deadline => return Err(why),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// One primary that takes writes, and a standby that is seen to follow it.
async fn standby(reach: &Reach) -> Result<String, String> {
    ask(reach, &Ask::MakeWhole).await?;
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        let status = ask_status(reach).await?;
        let of = |role| status.servers.iter().find(|server| server.role == Some(role));
        let seen = match (of(ServerRole::Primary), of(ServerRole::Standby)) {
            (Some(primary), Some(standby)) => match sessions::followed(&primary.url, &standby.url).await {
                Ok(()) => return Ok(format!("{} takes writes, {} follows it", primary.name, standby.name)),
                Err(why) => why,
            },
            _ => "there is no primary with a standby".to_owned(),
        };
        if Instant::now() >= deadline {
            return Err(seen);
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn sessions_gone(reach: &Reach, name: &str) -> Result<String, String> {
    let status = ask_status(reach).await?;
    let url = status.primary().map(|server| server.url.clone()).ok_or("the cluster has no postgres")?;
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        match sessions::end(&url, name).await {
            Ok(0) => return Ok(format!("no session {name} is left")),
            Ok(left) if Instant::now() >= deadline => return Err(format!("{left} sessions {name} are left")),
            // While all places are taken nobody can look; the sessions of a process that died give theirs back by themselves.
            Err(why) if Instant::now() >= deadline => return Err(why),
            Ok(_) | Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

async fn unpause(reach: &Reach) -> Result<String, String> {
    let status = ask_status(reach).await?;
    let url = status.server("redis").map(|server| server.url.clone()).ok_or("the cluster has no redis")?;
    sessions::redis(&url, &["CLIENT", "UNPAUSE"]).await?;
    sessions::redis(&url, &["PING"]).await?;
    Ok("redis answers".to_owned())
}

async fn until(reach: &Reach, seen: impl Fn(&Status) -> Result<String, String>) -> Result<String, String> {
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        match seen(&ask_status(reach).await?) {
            Ok(note) => return Ok(note),
            Err(why) if Instant::now() >= deadline => return Err(why),
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

async fn ask(reach: &Reach, ask: &Ask) -> Result<(), String> {
    cluster::ask(Path::new(&reach.socket), ask).await.map(drop).map_err(|error: AskError| words(&error))
}

async fn ask_status(reach: &Reach) -> Result<Status, String> {
    cluster::status(Path::new(&reach.socket)).await.map_err(|error| words(&error))
}
