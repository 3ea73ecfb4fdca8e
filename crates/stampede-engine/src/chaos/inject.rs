//! A fault that is ordered, one that is aimed, and its carrying out.
//!
//! Invariants: only what the cluster says it started is ever hit; everything the undo needs is known before anything happens.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use stampede_model::chaos::{Fault, Kind, ProcessId, Reach};
use tokio::time::{sleep, timeout};

use super::injector::Intent;
use super::processes::{family, is_alive, is_stopped, signal};
use super::sessions::{self, Held};
use super::{ChaosError, words};
use crate::cluster::{self, Ask, Card, Status};

/// A process that waits for a disk dies when that answers.
const DEAD_WITHIN: Duration = Duration::from_secs(10);
const LOOK_PAUSE: Duration = Duration::from_millis(2);

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
    pub(super) reach: Reach,
}

/// A fault that is aimed.
#[derive(Debug)]
pub(super) struct Aimed {
    pub(super) intent: Intent,
    pub(super) action: Action,
}

/// What is done.
#[derive(Debug)]
pub(super) enum Action {
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

    /// Does it. What is returned must be kept until the undo.
    pub(super) async fn carry_out(&self, action: &Aimed) -> Result<Option<Held>, String> {
        match &action.action {
            Action::Kill(process) => match signal(*process, Signal::KILL) {
                Ok(true) => until_dead(*process).await.map(|()| None),
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

/// A killed process runs on until the kernel comes to it; whoever looked for its successor meanwhile would take it for that.
async fn until_dead(process: ProcessId) -> Result<(), String> {
    let dies = async {
        while is_alive(process) {
            sleep(LOOK_PAUSE).await;
        }
    };
    timeout(DEAD_WITHIN, dies).await.map_err(|_| format!("process {} outlived SIGKILL", process.pid))
}
