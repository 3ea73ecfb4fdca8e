//! One multiplexed connection to one database of one Redis, which comes back by itself.
//!
//! Invariants: no call outlasts its budget, whatever the connection is doing; a lost connection is made anew in the
//! background for as long as somebody asks.
//! Absent on purpose: repeating a call. Whether that is safe only the caller knows.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, Script, ServerErrorKind};
use tokio::time::timeout;

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
#[derive(Clone, Debug)]
pub(crate) struct Link {
    manager: ConnectionManager,
    address: Arc<str>,
    budget: Duration,
}

impl Link {
    /// Prepares the connection and begins to make it. Must be called within a tokio runtime.
    pub(crate) fn open(
        server: ConnectionInfo,
        connect_timeout: Duration,
        budget: Duration,
    ) -> Result<Self, CoordError> {
        let address = Arc::from(server.addr().to_string());
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(budget))
            .set_min_delay(Duration::from_millis(10))
            .set_max_delay(RECONNECT_PAUSE_MAX)
            .set_number_of_retries(RECONNECT_ATTEMPTS)
            .set_pipeline_buffer_size(CALLS_IN_FLIGHT);
        let client = Client::open(server).map_err(CoordError::BadUrl)?;
        let manager = ConnectionManager::new_lazy_with_config(client, config).map_err(CoordError::BadUrl)?;
        let link = Self { manager, address, budget };
        // The first caller should not have to pay for the connection out of its own budget.
        let warm = Self { budget: connect_timeout, ..link.clone() };
        tokio::spawn(async move {
            if let Err(error) = warm.ping().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "Redis does not answer yet");
            }
        });
        Ok(link)
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
        let mut manager = self.manager.clone();
        let value = self.within_budget(call.invoke_async::<redis::Value>(&mut manager)).await?;
        let shown = || format!("{value:?}").chars().take(200).collect();
        T::from_redis_value_ref(&value).map_err(|_| CoordError::Answer { script: script.name, answer: shown() })
    }

    /// Asks for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), CoordError> {
        let mut manager = self.manager.clone();
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
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::ReadOnly
                        | ServerErrorKind::TryAgain
                )
        );
        if away {
            return self.unreachable(Unreachable::Broken(source));
        }
        CoordError::Refused { address: self.address.to_string(), source }
    }
}
