//! The one subscription of this process, over which Redis says whose turn it is.
//!
//! Invariants: while the subscription stands, `true` is in the watch; after every gap all waiters are woken to ask for
//! themselves; a connection that went silent is noticed within a few seconds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use redis::aio::{PubSubSink, PubSubStream};
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::core::Core;
use crate::error::CoordError;
use crate::lock::token::Token;
use crate::settings::RedisSettings;

const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_BUDGET: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Begins to listen; ends when `stop` is cancelled.
pub(super) fn spawn(
    settings: &RedisSettings,
    core: Arc<Core>,
    stop: CancellationToken,
) -> Result<watch::Receiver<bool>, CoordError> {
    let client = Client::open(settings.server_with_db(settings.lock_db)).map_err(CoordError::BadUrl)?;
    let connect_timeout = settings.connect_timeout;
    let (up, subscribed) = watch::channel(false);
    tokio::spawn(async move {
        let listening = listen_for_ever(&client, connect_timeout, &core, &up);
        stop.run_until_cancelled(listening).await;
    });
    Ok(subscribed)
}

async fn listen_for_ever(client: &Client, connect_timeout: Duration, core: &Core, up: &watch::Sender<bool>) {
    let mut pause = PAUSE_MIN;
    loop {
        match timeout(connect_timeout, subscribe(client, core.channel())).await {
            Ok(Ok((sink, stream))) => {
                pause = PAUSE_MIN;
                up.send_replace(true);
                core.wake_all();
                listen(sink, stream, core).await;
                up.send_replace(false);
                warn!("the lock subscription broke; waiters ask for themselves until it is back");
            }
            Ok(Err(error)) => debug!(error = &error as &dyn std::error::Error, "no lock subscription"),
            Err(_) => debug!("no lock subscription: no answer"),
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

fn token_in(message: &redis::Msg) -> Option<Token> {
    std::str::from_utf8(message.get_payload_bytes()).ok()?.parse().ok()
}

/// Passes wake-ups on until the connection fails or goes silent.
async fn listen(mut sink: PubSubSink, mut stream: PubSubStream, core: &Core) {
    let mut ping_at = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return };
                // Anything else on this channel was not sent by a lock script and wakes nobody.
                if let Some(token) = token_in(&message) {
                    core.wake(token);
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
