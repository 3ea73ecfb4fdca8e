//! Forgets idempotency keys that have expired, of all tenants, a few at a time. Replicas may all do it: each leaves alone what
//! another one holds. A key that is past its time and still there counts as absent, so nothing waits for this.

use std::time::Duration;

use kv_store::Store;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::failure::chain;

/// Keys of one statement: some milliseconds.
const AT_A_TIME: i32 = 1_000;
/// Between two sweeps that find everything done.
const PAUSE: Duration = Duration::from_secs(30);
/// Between two statements of a sweep, so that it never takes more than a part of the database's time.
const BREATH: Duration = Duration::from_millis(50);

/// Sweeps until `stop`. A sweep that fails is left to the next.
pub async fn keep_sweeping(store: Store, stop: CancellationToken) {
    let mut pauses = interval(PAUSE);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pauses.tick() => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = sweep(&store) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn sweep(store: &Store) {
    loop {
        match store.forget_expired_keys(AT_A_TIME).await {
            Ok(forgotten) if forgotten >= i64::from(AT_A_TIME) => tokio::time::sleep(BREATH).await,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "expired idempotency keys are still to be forgotten");
                return;
            }
        }
    }
}
