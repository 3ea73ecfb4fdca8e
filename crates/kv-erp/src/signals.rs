//! SIGTERM and SIGINT: the first asks to stop in good order, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell sees of a process that a second signal ended.
const AT_ONCE: i32 = 130;

/// Cancels `stop` at the first signal.
///
/// # Errors
/// When the system gives no signal handler.
pub fn watch(stop: CancellationToken) -> io::Result<()> {
    let mut signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        next(&mut signals).await;
        tracing::info!("stopping; a second signal ends the process at once");
        stop.cancel();
        next(&mut signals).await;
        // A private server notices that its owner is gone and stops by itself.
        std::process::exit(AT_ONCE);
    });
    Ok(())
}

async fn next((terminate, interrupt): &mut (Signal, Signal)) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
