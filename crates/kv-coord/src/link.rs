//! One multiplexed connection to one database of one Redis, which comes back by itself.
//!
//! Invariants: no call outlasts its budget, whatever the connection is doing; a lost connection is made anew in the
//! background for as long as somebody asks.
//! When the server says that it follows another one, the connection is given up: the name may lead to the new master by now.
//! Absent on purpose: repeating a call. Whether that is safe only the caller knows.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};
use tokio::time::timeout;

use crate::endpoint::{Endpoint, ForServer, Seen};
use crate::error::{CoordError, Unreachable};

/// How many calls may be on their way before the next one has to wait for room.
const CALLS_IN_FLIGHT: usize = 1_024;
/// Pauses between connection attempts grow to this, so that a Redis that comes back is found soon.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(200);
/// After this many attempts in a row the next call begins the next series.
const RECONNECT_ATTEMPTS: usize = 50;

/// A script and the name it has in errors.
#[derive(Debug)]
pub(crate) struct NamedScript {
    name: &'static str,
    script: Script,
}

impl NamedScript {
    pub(crate) fn new(name: &'static str, code: &str) -> Self {
        Self { name, script: Script::new(code) }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }
}

/// A connection with a budget per call.
#[derive(Clone)]
pub(crate) struct Link {
    managers: Arc<ForServer<ConnectionManager>>,
    config: ConnectionManagerConfig,
    address: Arc<str>,
    budget: Duration,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Link {
    /// Prepares the connection and begins to make it. Must be called within a tokio runtime.
    pub(crate) fn open(endpoint: Endpoint, connect_timeout: Duration, budget: Duration) -> Result<Self, CoordError> {
        let address = Arc::from(endpoint.shown());
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(budget))
            .set_min_delay(Duration::from_millis(10))
            .set_max_delay(RECONNECT_PAUSE_MAX)
            .set_number_of_retries(RECONNECT_ATTEMPTS)
            .set_pipeline_buffer_size(CALLS_IN_FLIGHT);
        let link = Self { managers: Arc::new(ForServer::new(endpoint)), config, address, budget };
        // What cannot be used at all is found here and not by the first caller.
        let is_known = link.manager()?.is_some();
        // The first caller should not have to pay for the connection out of its own budget.
        let warm = Self { budget: connect_timeout, ..link.clone() };
        tokio::spawn(async move {
            if !is_known {
                drop(timeout(connect_timeout, warm.managers.endpoint().moved(&mut Seen::default())).await);
            }
            if let Err(error) = warm.ping().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "Redis does not answer yet");
            }
        });
        Ok(link)
    }

    fn manager(&self) -> Result<Option<ConnectionManager>, CoordError> {
        let config = self.config.clone();
        self.managers.get(|client| ConnectionManager::new_lazy_with_config(client, config).map_err(CoordError::BadUrl))
    }

    /// The connection to whoever is the master.
    fn to_master(&self) -> Result<ConnectionManager, CoordError> {
        self.manager()?.ok_or_else(|| self.unreachable(Unreachable::NoMaster))
    }

    /// Runs a script.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &NamedScript,
        keys: &[&str],
        args: &[&str],
    ) -> Result<T, CoordError> {
        let mut call = script.script.prepare_invoke();
        call.key(keys).arg(args);
        let mut manager = self.to_master()?;
        let value = self.within_budget(call.invoke_async::<redis::Value>(&mut manager)).await?;
        let shown = || format!("{value:?}").chars().take(200).collect();
        T::from_redis_value_ref(&value).map_err(|_| CoordError::Answer { script: script.name, answer: shown() })
    }

    /// A plain command.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, CoordError> {
        let mut manager = self.to_master()?;
        self.within_budget(command.query_async(&mut manager)).await
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), CoordError> {
        let mut manager = self.to_master()?;
        self.within_budget(redis::cmd("PING").exec_async(&mut manager)).await
    }

    async fn within_budget<T>(&self, call: impl Future<Output = Result<T, RedisError>>) -> Result<T, CoordError> {
        match timeout(self.budget, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(self.explain(source)),
            Err(_) => Err(self.unreachable(Unreachable::Silent { budget: self.budget })),
        }
    }

    /// Redis counts as away for the reason given.
    pub(crate) fn unreachable(&self, source: Unreachable) -> CoordError {
        CoordError::Unreachable { address: self.address.to_string(), source }
    }

    fn explain(&self, source: RedisError) -> CoordError {
        if source.is_timeout() {
            return self.unreachable(Unreachable::Silent { budget: self.budget });
        }
        // These say that this server cannot serve now, and that another, or this one later, can.
        let away = matches!(
            source.kind(),
            ErrorKind::Io
                | ErrorKind::Parse
                | ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                        | ServerErrorKind::ClusterDown
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::ReadOnly
                        | ServerErrorKind::TryAgain
                )
        );
        if matches!(source.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)) {
            // It follows another server by now. The connection would stay good for ever, and be of no use.
            self.managers.forget();
        }
        if away {
            return self.unreachable(Unreachable::Broken(source));
        }
        CoordError::Refused { address: self.address.to_string(), source }
    }
}
