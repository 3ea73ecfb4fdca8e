//! A queue in Redis as seconds to clear: the length of its list, and a counter of jobs that were done.
//!
//! Invariants: a look takes two commands on one connection; a Redis that does not answer makes the metric missing, and is asked again
//! at the next look.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use stampede_model::autoscale::{QueueGauge, ScaleQueue};

use super::AutoscaleError;

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Whoever looks.
pub(super) struct Queue {
    client: redis::Client,
    connection: Option<MultiplexedConnection>,
    list: String,
    done: String,
    gauge: QueueGauge,
}

impl std::fmt::Debug for Queue {
    /// Without the URL, which has a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("list", &self.list).finish_non_exhaustive()
    }
}

impl Queue {
    pub(super) fn new(queue: &ScaleQueue, redis: Option<&str>) -> Result<Self, AutoscaleError> {
        let failed = |why: String| AutoscaleError::Queue { why };
        let url = redis.ok_or_else(|| failed("the cluster has no Redis; add [target.redis] to it".to_owned()))?;
        let client = redis::Client::open(url).map_err(|error| failed(error.to_string()))?;
        let (list, done) = (queue.list.clone(), queue.done.clone());
        Ok(Self { client, connection: None, list, done, gauge: QueueGauge::default() })
    }

    /// Seconds until it is empty with so many workers, when that can be told.
    pub(super) async fn seconds_to_clear(&mut self, at_ns: u64, workers: u32) -> Option<f64> {
        match self.counts().await {
            Ok(counts) => self.gauge.look(at_ns, counts, workers),
            Err(error) => {
                tracing::warn!(%error, "the queue does not answer");
                self.connection = None;
                None
            }
        }
    }

    async fn counts(&mut self) -> Result<(u64, u64), RedisError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(ANSWER_WITHIN))
                    .set_response_timeout(Some(ANSWER_WITHIN));
                none.insert(self.client.get_multiplexed_async_connection_with_config(&config).await?)
            }
        };
        let mut both = redis::pipe();
        both.cmd("LLEN").arg(&self.list).cmd("GET").arg(&self.done);
        let (backlog, done): (u64, Option<u64>) = both.query_async(connection).await?;
        Ok((backlog, done.unwrap_or(0)))
    }
}
