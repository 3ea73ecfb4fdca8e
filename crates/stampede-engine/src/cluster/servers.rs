//! The private PostgreSQL and Redis of a cluster: stopped as roughly as one likes, and started again on the same address.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox::{Listen, Postgres, PostgresOptions, Redis, RedisOptions, SandboxError, Signal};
use stampede_model::chaos::{DatabaseStop, Rough};
use stampede_model::target::Start;
use tokio::time::timeout;

use super::wire::ServerStatus;
use crate::chaos::processes::identity;

/// How long a server may take to end the way it was asked to.
const END_WITHIN: Duration = Duration::from_mins(1);

/// The servers a target asks for.
#[derive(Debug, Default)]
pub(super) struct Servers {
    postgres: Option<Private<Postgres>>,
    redis: Option<Private<Redis>>,
}

/// One server; whoever stops or starts it has it alone, whoever looks does not wait.
#[derive(Debug)]
struct Private<S> {
    server: tokio::sync::Mutex<Option<S>>,
    seen: Mutex<ServerStatus>,
}

impl Servers {
    /// Starts what `start` asks for.
    pub(super) async fn start(start: &Start) -> Result<Self, SandboxError> {
        let mut servers = Self::default();
        if let Some(private) = &start.postgres {
            let mut options = PostgresOptions::default().listen(Listen::AnyPort);
            for (name, value) in &private.settings {
                options = options.setting(name.as_str(), value.as_str());
            }
            let postgres = Postgres::start(options).await?;
            let log = postgres.folder().join("server.log").display().to_string();
            servers.postgres = Some(Private::new("postgres", postgres.url(), log, postgres.pid(), postgres));
        }
        if let Some(private) = &start.redis {
            let mut options = RedisOptions::default();
            for (name, value) in &private.settings {
                options = options.setting(name.as_str(), value.as_str());
            }
            let redis = Redis::start(options).await?;
            let log = redis.folder().join("server.log").display().to_string();
            servers.redis = Some(Private::new("redis", redis.url(), log, redis.pid(), redis));
        }
        Ok(servers)
    }

    /// The URLs: PostgreSQL's and Redis's.
    pub(super) fn urls(&self) -> (Option<String>, Option<String>) {
        let url = |status: &ServerStatus| status.url.clone();
        (self.postgres.as_ref().map(|one| url(&one.seen())), self.redis.as_ref().map(|one| url(&one.seen())))
    }

    pub(super) fn statuses(&self) -> Vec<ServerStatus> {
        let postgres = self.postgres.iter().map(|one| one.seen().clone());
        postgres.chain(self.redis.iter().map(|one| one.seen().clone())).collect()
    }

    pub(super) async fn stop_postgres(&self, how: DatabaseStop) -> Result<(), String> {
        let private = self.postgres.as_ref().ok_or_else(|| missing("postgres"))?;
        let server = private.server.lock().await;
        let Some(postgres) = server.as_ref() else { return Err(missing("postgres")) };
        let signal = match how {
            DatabaseStop::Smart => Signal::TERM,
            DatabaseStop::Fast => Signal::INT,
            DatabaseStop::Immediate => Signal::QUIT,
            DatabaseStop::Kill => Signal::KILL,
        };
        end(postgres.process(), signal).await?;
        private.gone();
        Ok(())
    }

    pub(super) async fn stop_redis(&self, how: Rough) -> Result<(), String> {
        let private = self.redis.as_ref().ok_or_else(|| missing("redis"))?;
        let server = private.server.lock().await;
        let Some(redis) = server.as_ref() else { return Err(missing("redis")) };
        end(redis.process(), if how == Rough::Kill { Signal::KILL } else { Signal::TERM }).await?;
        private.gone();
        Ok(())
    }

    /// Starts a server that does not run; nothing happens when it does.
    pub(super) async fn start_again(&self, name: &str) -> Result<(), String> {
        let words = |error: &SandboxError| crate::chaos::words(error);
        match name {
            "postgres" => {
                let private = self.postgres.as_ref().ok_or_else(|| missing(name))?;
                let mut server = private.server.lock().await;
                let Some(postgres) = server.as_mut() else { return Err(missing(name)) };
                if !postgres.is_running() {
                    private.gone();
                    postgres.restart().await.map_err(|error| words(&error))?;
                }
                private.runs(postgres.pid());
            }
            "redis" => {
                let private = self.redis.as_ref().ok_or_else(|| missing(name))?;
                let mut server = private.server.lock().await;
                let Some(redis) = server.as_mut() else { return Err(missing(name)) };
                if !redis.is_running() {
                    private.gone();
                    redis.restart().await.map_err(|error| words(&error))?;
                }
                private.runs(redis.pid());
            }
            other => return Err(missing(other)),
        }
        Ok(())
    }

    /// Stops both, for good.
    pub(super) async fn stop(&self) {
        if let Some(private) = &self.redis
            && let Some(redis) = private.server.lock().await.take()
        {
            redis.stop().await;
        }
        if let Some(private) = &self.postgres
            && let Some(postgres) = private.server.lock().await.take()
        {
            postgres.stop().await;
        }
    }
}

impl<S> Private<S> {
    fn new(name: &str, url: String, log: String, pid: u32, server: S) -> Self {
        let seen = ServerStatus { name: name.to_owned(), running: true, process: identity(pid), url, log };
        Self { server: tokio::sync::Mutex::new(Some(server)), seen: Mutex::new(seen) }
    }

    fn gone(&self) {
        let mut seen = self.seen();
        (seen.running, seen.process) = (false, None);
    }

    fn runs(&self, pid: u32) {
        let mut seen = self.seen();
        (seen.running, seen.process) = (true, identity(pid));
    }

    fn seen(&self) -> MutexGuard<'_, ServerStatus> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn end(process: &sandbox::Supervised, signal: Signal) -> Result<(), String> {
    process.signal(signal);
    match timeout(END_WITHIN, process.wait()).await {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the server has not ended within {} s", END_WITHIN.as_secs())),
    }
}

fn missing(name: &str) -> String {
    format!("the cluster has no server `{name}`\nhint: add [target.postgres] or [target.redis] to the target file")
}
