//! Rate limits: bursts from many connections, above all where one window ends and the next begins.

use std::io::Write;
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::sleep;

use super::super::WorkloadError;
use super::super::client::{Client, Done, Intent};

/// How long before the end of a window a client is back, at most.
const BEFORE: Duration = Duration::from_millis(8);

/// What a client knows of its window.
#[derive(Debug, Default)]
pub(in super::super) struct Limiting {
    /// Refusals in a row: after some it waits for the window's end.
    refused: u32,
}

impl Limiting {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let window_ms = client.shared.workload.history_settings().integer("window_ms").ok().flatten().unwrap_or(1_000);
        let key = Some(client.user.as_ref().clone());
        let done = client.perform(Intent { role: "call", key, is_kept: true, ..Intent::default() }).await?;
        if !done.operation.is_refused() {
            self.refused = 0;
            return Ok(());
        }
        self.refused += 1;
        let until_end = until_end(&done).unwrap_or(Duration::from_millis(window_ms.unsigned_abs()));
        // A workload that is over before the window is goes on asking.
        if self.refused >= 2 && until_end < client.shared.workload.lasts {
            self.refused = 0;
            let early = Duration::from_micros(client.rng.random_range(0..=BEFORE.as_micros() as u64));
            sleep(until_end.saturating_sub(early).min(Duration::from_millis(window_ms.unsigned_abs()))).await;
        }
        Ok(())
    }
}

/// Until the target says that calls pass again.
fn until_end(done: &Done) -> Option<Duration> {
    let wait_ms = done.integer("retry_after_ms").or_else(|| done.integer("retry_after_s").map(|s| s * 1_000))?;
    Some(Duration::from_millis(u64::try_from(wait_ms).ok()?))
}
