//! The private PostgreSQL and Redis of a cluster: stopped as roughly as one likes, and started again on the same address.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox::{Redis, RedisOptions, SandboxError, Signal};
use stampede_model::chaos::{DatabaseStop, Rough};
use stampede_model::target::Start;
use tokio::time::timeout;

use super::ClusterError;
use super::database::{Database, NAMES};
use super::wire::ServerStatus;
use crate::chaos::processes::identity;

/// How long a server may take to end the way it was asked to.
const END_WITHIN: Duration = Duration::from_mins(1);

/// The servers a target asks for.
#[derive(Debug, Default)]
pub(super) struct Servers {
    postgres: Option<Database>,
    redis: Option<Private>,
}

/// Where the servers are.
#[derive(Clone, Debug, Default)]
pub(super) struct Urls {
    pub(super) postgres: Option<String>,
    pub(super) standby: Option<String>,
    pub(super) redis: Option<String>,
}

/// Redis; whoever stops or starts it has it alone, whoever looks does not wait.
#[derive(Debug)]
struct Private {
    server: tokio::sync::Mutex<Option<Redis>>,
    seen: Mutex<ServerStatus>,
}

impl Servers {
    /// Starts what `start` asks for.
    pub(super) async fn start(start: &Start) -> Result<Self, ClusterError> {
        let mut servers = Self::default();
        if let Some(private) = &start.postgres {
            servers.postgres = Some(Database::start(private).await?);
        }
        if let Some(private) = &start.redis {
            let mut options = RedisOptions::default();
            for (name, value) in &private.settings {
                options = options.setting(name.as_str(), value.as_str());
            }
            servers.redis = Some(Private::new(Redis::start(options).await?));
        }
        Ok(servers)
    }

    /// Where they are.
    pub(super) fn urls(&self) -> Urls {
        let mut postgres = self.postgres.iter().flat_map(Database::urls);
        Urls {
            postgres: postgres.next(),
            standby: postgres.next(),
            redis: self.redis.as_ref().map(|one| one.seen().url.clone()),
        }
    }

    pub(super) fn statuses(&self) -> Vec<ServerStatus> {
        let postgres = self.postgres.iter().flat_map(Database::statuses);
        postgres.chain(self.redis.iter().map(|one| one.seen().clone())).collect()
    }

    /// From now on commits of PostgreSQL wait for its standby, if that was wanted.
    pub(super) async fn hold_together(&self) -> Result<(), String> {
        match &self.postgres {
            Some(postgres) => postgres.hold_together().await,
            None => Ok(()),
        }
    }

    pub(super) async fn stop_postgres(&self, name: &str, how: DatabaseStop) -> Result<(), String> {
        self.database()?.stop_place(name, how).await
    }

    pub(super) async fn promote(&self, how: DatabaseStop) -> Result<(), String> {
        self.database()?.promote(how).await
    }

    pub(super) async fn make_whole(&self) -> Result<(), String> {
        self.database()?.make_whole().await
    }

    fn database(&self) -> Result<&Database, String> {
        self.postgres.as_ref().ok_or_else(|| missing("postgres"))
    }

    pub(super) async fn stop_redis(&self, how: Rough) -> Result<(), String> {
        let private = self.redis.as_ref().ok_or_else(|| missing("redis"))?;
        let server = private.server.lock().await;
        let Some(redis) = server.as_ref() else { return Err(missing("redis")) };
        let ended = end(redis.process(), if how == Rough::Kill { Signal::KILL } else { Signal::TERM }).await;
        private.gone();
        ended
    }

    /// Starts a server that does not run; nothing happens when it does.
    pub(super) async fn start_again(&self, name: &str) -> Result<(), String> {
        if NAMES.contains(&name) {
            return self.database()?.start_place(name).await;
        }
        let private = self.redis.as_ref().filter(|_| name == "redis").ok_or_else(|| missing(name))?;
        let mut server = private.server.lock().await;
        let Some(redis) = server.as_mut() else { return Err(missing(name)) };
        if !redis.is_running() {
            private.gone();
            redis.restart().await.map_err(|error: SandboxError| crate::chaos::words(&error))?;
        }
        private.runs(redis.pid());
        Ok(())
    }

    /// Stops all, for good.
    pub(super) async fn stop(&self) {
        if let Some(private) = &self.redis
            && let Some(redis) = private.server.lock().await.take()
        {
            redis.stop().await;
        }
        if let Some(postgres) = &self.postgres {
            postgres.stop().await;
        }
    }
}

impl Private {
    fn new(redis: Redis) -> Self {
        let seen = ServerStatus {
            name: "redis".to_owned(),
            running: true,
            process: identity(redis.pid()),
            url: redis.url(),
            log: redis.folder().join("server.log").display().to_string(),
            role: None,
        };
        Self { server: tokio::sync::Mutex::new(Some(redis)), seen: Mutex::new(seen) }
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

pub(super) async fn end(process: &sandbox::Supervised, signal: Signal) -> Result<(), String> {
    process.signal(signal);
    if timeout(END_WITHIN, process.wait()).await.is_ok() {
        return Ok(());
    }
    // A server that is about to end takes no new sessions and cannot be started either: it is brought to an end, so that it can.
    process.kill().await;
    Err(format!("the server had not ended within {} s, and was killed", END_WITHIN.as_secs()))
}

fn missing(name: &str) -> String {
    format!("the cluster has no server `{name}`\nhint: add [target.postgres] or [target.redis] to the target file")
}
