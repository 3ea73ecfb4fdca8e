//! The subscription over which Redis says whose turn it is.
//!
//! Invariant: while it stands, `true` is in the watch; after every gap all waiters are woken to ask for themselves.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::core::Core;
use crate::lock::token::Token;
use crate::settings::RedisSettings;
use crate::subscription::{self, Listener};

/// Wakes waiters.
struct Waker {
    core: Arc<Core>,
    up: watch::Sender<bool>,
}

/// Begins to listen; ends when `stop` is cancelled.
pub(super) fn spawn(settings: &RedisSettings, core: Arc<Core>, stop: CancellationToken) -> watch::Receiver<bool> {
    let endpoint = settings.endpoint(settings.lock_db());
    let connect_timeout = settings.connect_timeout;
    let (up, subscribed) = watch::channel(false);
    tokio::spawn(async move {
        let channel = core.channel().to_owned();
        let waker = Waker { core, up };
        stop.run_until_cancelled(subscription::listen_for_ever(&endpoint, connect_timeout, &channel, &waker)).await;
    });
    subscribed
}

impl Listener for Waker {
    const NAME: &'static str = "locks";

    fn stands(&self) {
        self.up.send_replace(true);
        self.core.wake_all();
    }

    fn hears(&self, payload: &[u8]) {
        // Anything else on this channel was not sent by a lock script and wakes nobody.
        if let Some(token) = token_in(payload) {
            self.core.wake(token);
        }
    }

    fn broke(&self) {
        self.up.send_replace(false);
    }
}

fn token_in(payload: &[u8]) -> Option<Token> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}
