//! Looks at everything beside the clients, once in a while: PostgreSQL, Redis, the processes.
//!
//! Invariants: a source that cannot be looked at is told by name in the snapshot, and tried again with the next; looking changes
//! nothing and takes one connection of each server; counters count from the first look, and anew after a server was away.
//! Absent on purpose: keeping. Whoever wants a history writes the lines down.

mod exposition;
mod locks;
mod logs;
mod patrol;
mod probe;
mod process;
mod sessions;

use std::time::Duration;

use serde::Serialize;
use stampede_model::chaos::ProcessId;
use stampede_model::stress::postgres::{PostgresSample, SlowStatement};
use stampede_model::stress::redis::RedisSample;
use tokio::time::Instant;

pub use exposition::exposition;
pub use locks::{limited, locks, release, value_of};
pub use logs::{log_length, read_errors};
pub use patrol::{Latest, Patrol};
pub use probe::{Probe, Question};
pub use process::ProcessSample;
pub use sessions::sessions;

use crate::chaos::processes::Everybody;
use crate::chaos::{unix_ms, words};
use crate::stress::{StressError, postgres, redis};
use process::Spent;

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// PostgreSQL's URL.
    pub postgres: Option<String>,
    /// Redis's URL.
    pub redis: Option<String>,
    /// Lists of Redis whose lengths are told: queues.
    pub lists: Vec<String>,
    /// Processes by name; each counts with all it started.
    pub processes: Vec<(String, ProcessId)>,
    /// From when on a statement is slow.
    pub slow: Duration,
}

/// One look at all of it.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// When, milliseconds since 1970.
    pub at_unix_ms: i64,
    /// PostgreSQL.
    pub postgres: Option<PostgresSample>,
    /// Its slow statements so far, longest first.
    pub slow: Vec<SlowStatement>,
    /// Redis.
    pub redis: Option<RedisSample>,
    /// The processes.
    pub processes: Vec<ProcessSample>,
    /// What could not be looked at, and why.
    pub troubles: Vec<String>,
}

/// Whoever looks.
pub struct Monitor {
    sources: Sources,
    began: Instant,
    postgres: Option<postgres::Look>,
    redis: Option<redis::Look>,
    spent: Vec<Spent>,
}

impl Monitor {
    /// Looks at these from now on.
    pub fn new(sources: Sources) -> Self {
        let spent = sources.processes.iter().map(|(_, process)| Spent::of(*process)).collect();
        Self { sources, began: Instant::now(), postgres: None, redis: None, spent }
    }

    /// Looks at other processes from now on: replicas come and go.
    pub fn follow(&mut self, processes: Vec<(String, ProcessId)>) {
        if self.sources.processes != processes {
            let known: Vec<Spent> = std::mem::take(&mut self.spent);
            let find = |process: ProcessId| known.iter().find(|spent| spent.root() == process).copied();
            self.spent =
                processes.iter().map(|(_, process)| find(*process).unwrap_or_else(|| Spent::of(*process))).collect();
            self.sources.processes = processes;
        }
    }

    /// Looks at another PostgreSQL from now on: one that was promoted.
    pub fn turn_to(&mut self, postgres: Option<String>) {
        if self.sources.postgres != postgres {
            (self.sources.postgres, self.postgres) = (postgres, None);
        }
    }

    /// Looks at all of it.
    ///
    /// # Cancel safety
    /// Dropping the future loses this look.
    pub async fn look(&mut self) -> Snapshot {
        let mut snapshot = Snapshot {
            at_unix_ms: unix_ms(),
            postgres: None,
            slow: Vec::new(),
            redis: None,
            processes: Vec::new(),
            troubles: Vec::new(),
        };
        if let Err(why) = self.look_at_postgres(&mut snapshot).await {
            self.postgres = None;
            snapshot.troubles.push(format!("postgres: {why}"));
        }
        if let Err(why) = self.look_at_redis(&mut snapshot).await {
            self.redis = None;
            snapshot.troubles.push(format!("redis: {why}"));
        }
        let everybody = Everybody::now();
        for ((name, _), spent) in self.sources.processes.iter().zip(&mut self.spent) {
            match spent.sample(name, &everybody) {
                Some(sample) => snapshot.processes.push(sample),
                None => snapshot.troubles.push(format!("{name}: its process has ended")),
            }
        }
        snapshot
    }

    async fn look_at_postgres(&mut self, snapshot: &mut Snapshot) -> Result<(), String> {
        let Some(url) = &self.sources.postgres else { return Ok(()) };
        let told = |error: StressError| words(&error);
        let mut look = if let Some(look) = self.postgres.take() {
            look
        } else {
            let address = postgres::Address::parse(url).map_err(told)?;
            postgres::Look::open(&address, self.sources.slow).await.map_err(told)?
        };
        let missed = look.missed.0;
        look.sample(self.at_ns()).await;
        if look.missed.0 > missed {
            return Err(look.missed.1);
        }
        snapshot.postgres = look.samples.pop();
        look.samples.clear();
        snapshot.slow.clone_from(&look.findings.slow);
        self.postgres = Some(look);
        Ok(())
    }

    async fn look_at_redis(&mut self, snapshot: &mut Snapshot) -> Result<(), String> {
        let Some(url) = &self.sources.redis else { return Ok(()) };
        let mut look = match self.redis.take() {
            Some(look) => look,
            None => redis::Look::open(url, &self.sources.lists).await.map_err(|error| words(&error))?,
        };
        look.sample(self.at_ns()).await;
        if look.missed_in_a_row() > 0 {
            return Err("it does not answer".to_owned());
        }
        snapshot.redis = look.samples.pop();
        look.samples.clear();
        self.redis = Some(look);
        Ok(())
    }

    fn at_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
