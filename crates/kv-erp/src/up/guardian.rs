//! Keeps the private PostgreSQL running: one that dies is started again on the same folder and socket.
//!
//! The service itself needs no help: its requests are answered 503 meanwhile and go on afterwards.

use std::time::Duration;

use sandbox::Postgres;
use tokio_util::sync::CancellationToken;

use crate::failure::chain;

/// Between two tries: the last processes of a killed server take a moment to end, and a server that dies at once must not spin.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`, then stops the server in good order.
pub(super) async fn keep_running(mut postgres: Postgres, stop: CancellationToken) {
    loop {
        tokio::select! {
            status = postgres.process().wait() => tracing::error!(%status, "the private PostgreSQL ended; starting it again"),
            () = stop.cancelled() => break,
        }
        tokio::select! {
            started = postgres.restart() => match started {
                Ok(()) => tracing::info!("the private PostgreSQL runs again"),
                Err(error) => tracing::error!(error = %chain(&error), "the private PostgreSQL does not start"),
            },
            () = stop.cancelled() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => break,
        }
    }
    postgres.stop().await;
}
