//! Jobs that the queue gave up because their workers ended without a word: written down in PostgreSQL, so that they are not pushed
//! again and can be replayed. The relay notices what this misses.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Worker, name};
use crate::failure::chain;

/// Between two looks at the newest dead letters.
const EVERY: Duration = Duration::from_secs(5);

/// Looks until `stop`.
pub(super) async fn keep_burying(worker: Worker, stop: CancellationToken) {
    let burying = async {
        // What was looked at before: the newest death.
        let mut newest_ms = 0;
        loop {
            match bury(&worker, newest_ms).await {
                Ok(newest) => newest_ms = newest,
                Err(error) => tracing::warn!(error, "dead jobs are still to be written down"),
            }
            sleep(EVERY).await;
        }
    };
    stop.run_until_cancelled(burying).await;
}

async fn bury(worker: &Worker, newest_ms: u64) -> Result<u64, String> {
    let letters = worker.queue().dead_letters().await.map_err(|error| chain(&error))?;
    let newest = letters.iter().map(|letter| letter.died_ms).max().unwrap_or(0);
    for letter in letters.iter().filter(|letter| letter.died_ms >= newest_ms) {
        let Some(life) = name::read(&letter.job.id) else { continue };
        let written = worker.store().bury_job(letter.job.tenant, life, (letter.reason.as_str(), 0)).await;
        if written.map_err(|error| chain(&error))? {
            tracing::error!(job = %letter.job.id, tenant.id = %letter.job.tenant, kind = %letter.job.kind, reason = %letter.reason, "a job died with its workers");
        }
    }
    Ok(newest)
}
