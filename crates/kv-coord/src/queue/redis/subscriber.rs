//! The one subscription of this process, over which Redis says that there is work.
//!
//! Invariants: after every gap somebody is woken to look; a connection that went silent is noticed within a few seconds.
//! Absent on purpose: a promise that no call is lost. Whoever waits looks about once a second anyway.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::Notify;
use tokio::time::{Instant, interval_at, sleep, timeout};
use tracing::{debug, warn};

const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_BUDGET: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Waiters woken by one call; the first that finds more than it takes wakes the next.
const WAKE_MAX: u64 = 64;

/// Listens until it is dropped.
pub(super) async fn listen_for_ever(client: Client, connect_timeout: Duration, channel: String, bell: Arc<Notify>) {
    let mut pause = PAUSE_MIN;
    loop {
        match timeout(connect_timeout, subscribe(&client, &channel)).await {
            Ok(Ok((sink, stream))) => {
                pause = PAUSE_MIN;
                bell.notify_one();
                listen(sink, stream, &bell).await;
                warn!("the queue's subscription broke; who waits for work looks for it until it is back");
            }
            Ok(Err(error)) => debug!(error = &error as &dyn std::error::Error, "no queue subscription"),
            Err(_) => debug!("no queue subscription: no answer"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn subscribe(client: &Client, channel: &str) -> Result<(PubSubSink, PubSubStream), redis::RedisError> {
    let (mut sink, stream) = client.get_async_pubsub().await?.split();
    sink.subscribe(channel).await?;
    Ok((sink, stream))
}

fn count_in(message: &redis::Msg) -> Option<u64> {
    std::str::from_utf8(message.get_payload_bytes()).ok()?.parse().ok()
}

/// Passes calls on until the connection fails or goes silent.
async fn listen(mut sink: PubSubSink, mut stream: PubSubStream, bell: &Notify) {
    let mut ping_at = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return };
                for _ in 0..count_in(&message).unwrap_or(1).min(WAKE_MAX) {
                    bell.notify_one();
                }
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
