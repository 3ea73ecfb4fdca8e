//! What time does by itself, for all tenants, a few at a time: idempotency keys that have expired are forgotten, and reservations
//! whose time is over give their stock back. Replicas may all do it. Nothing waits for this: a key that is past its time counts as
//! absent, and whoever needs the units of a reservation that is past its time takes them.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream;
use kv_store::Store;
use kv_store::stock::Action;
use kv_types::UserId;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::failure::chain;

/// Keys of one statement: some milliseconds.
const AT_A_TIME: i32 = 1_000;
/// Between two sweeps that find everything done.
const PAUSE: Duration = Duration::from_secs(30);
/// Between two statements of a sweep, so that it never takes more than a part of the database's time.
const BREATH: Duration = Duration::from_millis(50);

/// Reservations of one look.
const DUE_AT_A_TIME: i32 = 500;
/// Between two looks that find everything done.
const DUE_PAUSE: Duration = Duration::from_secs(1);
/// Endings under way at a time: enough for the ledger to put them into one transaction, few enough to leave room for others.
const DUE_SIDE_BY_SIDE: usize = 64;

/// Ends reservations whose time is over, until `stop`.
pub async fn keep_expiring(store: Store, stop: CancellationToken) {
    let mut pauses = interval(DUE_PAUSE);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pauses.tick() => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = expire(&store) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn expire(store: &Store) {
    loop {
        let due = match store.due_reservations(DUE_AT_A_TIME).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "reservations whose time is over are still to be found");
                return;
            }
        };
        let found = due.len();
        let end = |(tenant, id)| async move {
            // Time has no account; what it does is booked without one.
            let nobody = UserId::from_uuid(Uuid::nil());
            let ended = store.stock().change_reservation(tenant, nobody, Action::Expire(id)).await;
            ended.inspect_err(|error| tracing::debug!(%error, "a reservation is still to be ended")).is_ok()
        };
        let ended = stream::iter(due.into_iter().map(end)).buffer_unordered(DUE_SIDE_BY_SIDE);
        let ended = ended.filter(|is_ended| ready(*is_ended)).count().await;
        // When nothing would end, it would be found over and over without a pause.
        if ended == 0 || found < DUE_AT_A_TIME.unsigned_abs() as usize {
            return;
        }
        tokio::time::sleep(BREATH).await;
    }
}

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
