//! The one subscription that a process has to a channel of Redis: made again after every failure, for ever.
//!
//! Invariants: whoever listens is told when the subscription stands and when it broke, as what was said in between is lost; a
//! connection that went silent is noticed within a few seconds.

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{Instant, interval_at, sleep, timeout};
use tracing::{debug, warn};

use crate::endpoint::{Endpoint, Seen};
use crate::error::{CoordError, Unreachable};

const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_BUDGET: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Who listens.
pub(crate) trait Listener {
    /// Whose subscription it is, for the log.
    const NAME: &'static str;

    /// It stands: what was said before is lost.
    fn stands(&self);
    /// Somebody said this.
    fn hears(&self, payload: &[u8]);
    /// It broke: what is said from now on is lost.
    fn broke(&self);
}

/// Listens until it is dropped, to whichever server is the master.
pub(crate) async fn listen_for_ever<L: Listener>(
    endpoint: &Endpoint,
    connect_timeout: Duration,
    channel: &str,
    listener: &L,
) {
    let (mut pause, mut seen) = (PAUSE_MIN, Seen::default());
    loop {
        match timeout(connect_timeout, subscribe(endpoint, channel)).await {
            Ok(Ok(Some((sink, stream)))) => {
                pause = PAUSE_MIN;
                listener.stands();
                tokio::select! {
                    () = listen(sink, stream, listener) => {}
                    () = endpoint.moved(&mut seen) => {}
                }
                listener.broke();
                warn!(of = L::NAME, "a subscription broke; who waits asks for himself until it is back");
            }
            Ok(Ok(None)) => debug!(of = L::NAME, "no subscription: no master is known"),
            Ok(Err(error)) => debug!(of = L::NAME, error = &error as &dyn std::error::Error, "no subscription"),
            Err(_) => debug!(of = L::NAME, "no subscription: no answer"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn subscribe(endpoint: &Endpoint, channel: &str) -> Result<Option<(PubSubSink, PubSubStream)>, CoordError> {
    let Some(client) = endpoint.client()? else { return Ok(None) };
    let subscribed = async {
        let (mut sink, stream) = client.get_async_pubsub().await?.split();
        sink.subscribe(channel).await?;
        Ok::<_, redis::RedisError>((sink, stream))
    };
    subscribed
        .await
        .map(Some)
        .map_err(|source| CoordError::Unreachable { address: endpoint.shown(), source: Unreachable::Broken(source) })
}

/// Passes on what is said until the connection fails or goes silent.
async fn listen(mut sink: PubSubSink, mut stream: PubSubStream, listener: &impl Listener) {
    let mut ping_at = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return };
                listener.hears(message.get_payload_bytes());
            }
            _ = ping_at.tick() => {
                let alive = timeout(PING_BUDGET, sink.ping::<redis::Value>()).await;
                if !matches!(alive, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}
