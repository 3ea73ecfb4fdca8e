//! Starts a described target, waits until it says it is ready, and stops all of it again.
//!
//! Invariants: what was started is stopped when the [`Running`] target is dropped, and even when the bench is killed, unless it was
//! started to be left behind; a program that dies before it is ready is reported with the last lines of its log; nothing outside the
//! run's own folder is written.
//! Absent on purpose: a shell. Commands are a program and its arguments.

mod error;
pub(crate) mod launch;
pub(crate) mod place;
mod program;
mod ready;

use std::path::{Path, PathBuf};

use sandbox::{Listen, Postgres, PostgresOptions, Redis, RedisOptions};
use stampede_model::target::{PrivateServer, Scope, Start};
use tempfile::TempDir;

pub use error::ControlError;
pub use place::{Environment, environment_of};
pub use program::{Ended, run_program};

use launch::Launched;
use place::Place;

/// What becomes of a started target after the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It is stopped, whatever happens to the bench.
    Stop,
    /// It goes on until somebody stops it by hand.
    Leave,
}

/// A target that answers.
#[derive(Debug)]
pub struct Running {
    url: String,
    replicas: Vec<String>,
    gateway: Option<String>,
    // Fields are dropped from first to last: programs go before the servers they use, and all of them before their folder.
    processes: Vec<Launched>,
    servers: Servers,
    folder: Option<TempDir>,
}

#[derive(Debug, Default)]
struct Servers {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
}

/// A target that was left running.
#[derive(Clone, Debug)]
pub struct Left {
    /// Where it answers.
    pub url: String,
    /// Its programs: name and process id.
    pub processes: Vec<(String, u32)>,
    /// Its folder, to be removed by whoever stops it.
    pub folder: Option<PathBuf>,
}

impl Running {
    /// Starts what the target names, in order, and returns once it is ready.
    ///
    /// `bin` is the folder for `{bin}`; `environment` has a value for every `{env.NAME}`, see [`environment_of`].
    /// # Errors
    /// See [`ControlError`]; what was started by then is stopped.
    /// # Cancel safety
    /// Dropping the future stops what was started.
    pub async fn start(
        start: &Start,
        bin: &Path,
        environment: &Scope,
        afterwards: Afterwards,
    ) -> Result<Self, ControlError> {
        if afterwards == Afterwards::Leave && (start.postgres.is_some() || start.redis.is_some()) {
            return Err(ControlError::PrivateServersCannotStay);
        }
        let mut running = Self {
            url: String::new(),
            replicas: Vec::new(),
            gateway: None,
            processes: Vec::new(),
            servers: Servers::default(),
            folder: None,
        };
        let folder = if start.process.is_empty() { None } else { Some(place::folder()?) };
        running.servers = Servers::start(start).await?;
        let mut place = Place::new(bin, folder.as_ref().map(TempDir::path), environment);
        place
            .urls(running.servers.postgres.as_ref().map(Postgres::url), running.servers.redis.as_ref().map(Redis::url));
        place.choose_ports(start).map_err(|source| ControlError::Port { source })?;
        running.url = place.fill(start.url.as_ref())?;
        for url in &start.replicas {
            running.replicas.push(place.fill(url.as_ref())?);
        }
        running.gateway = start.gateway.as_ref().map(|url| place.fill(url.as_ref())).transpose()?;
        for process in &start.process {
            let log_folder = folder.as_ref().map(|folder| folder.path().join("log"));
            let mut launched = launch::launch(process, &place, log_folder.as_deref(), afterwards)?;
            if process.once {
                launched.finish().await?;
            } else {
                running.processes.push(launched);
            }
        }
        running.folder = folder;
        for url in std::iter::once(running.url.clone()).chain(running.replicas.clone()) {
            ready::wait(&start.ready, &url, &mut running.processes).await?;
        }
        Ok(running)
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the gateway to its servers is.
    pub fn gateway(&self) -> Option<&str> {
        self.gateway.as_deref()
    }

    /// Where else it answers.
    pub fn replicas(&self) -> &[String] {
        &self.replicas
    }

    /// The first of its programs that has ended by itself, with the last lines of its log.
    pub fn dead(&mut self) -> Option<ControlError> {
        self.processes.iter_mut().find_map(Launched::death)
    }

    /// Stops everything, last started first, and removes the folder.
    ///
    /// # Cancel safety
    /// Dropping the future stops what is left without waiting in between.
    pub async fn stop(mut self) {
        while let Some(process) = self.processes.pop() {
            process.stop().await;
        }
        if let Some(redis) = self.servers.redis.take() {
            redis.stop().await;
        }
        if let Some(postgres) = self.servers.postgres.take() {
            postgres.stop().await;
        }
    }

    /// Leaves everything running; only for a target started with [`Afterwards::Leave`].
    pub fn leave(mut self) -> Left {
        let processes = self.processes.drain(..).map(Launched::leave).collect();
        Left { url: self.url.clone(), processes, folder: self.folder.take().map(TempDir::keep) }
    }
}

impl Servers {
    async fn start(start: &Start) -> Result<Self, ControlError> {
        let mut servers = Self::default();
        if let Some(PrivateServer { settings, .. }) = &start.postgres {
            // By TCP, because not every client library finds its way to a socket in a folder.
            let mut options = PostgresOptions::default().listen(Listen::AnyPort);
            for (name, value) in settings {
                options = options.setting(name.as_str(), value.as_str());
            }
            servers.postgres = Some(Postgres::start(options).await?);
        }
        if let Some(PrivateServer { settings, .. }) = &start.redis {
            let mut options = RedisOptions::default();
            for (name, value) in settings {
                options = options.setting(name.as_str(), value.as_str());
            }
            servers.redis = Some(Redis::start(options).await?);
        }
        Ok(servers)
    }
}
