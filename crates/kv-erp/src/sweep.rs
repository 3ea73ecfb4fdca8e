//! What time does by itself, for all tenants, a few at a time: idempotency keys that have expired are forgotten, and reservations
//! whose time is over give their stock back. Replicas may all do it. Nothing waits for this: a key that is past its time counts as
//! absent, and whoever needs the units of a reservation that is past its time takes them.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream;
use kv_store::stock::{Action, DueReservation};
use kv_store::{Store, StoreError};
use kv_types::UserId;
use kv_types::stock::ReservationStatus;
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
    let mut place = None;
    let mut pauses = interval(DUE_PAUSE);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pauses.tick() => {}
            () = stop.cancelled() => return,
        }
        tokio::select! {
            () = expire(&store, &mut place) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Ends what is due, page by page from `place` on, and begins at the first one again behind the last. What cannot be ended costs
/// one page of a pause's work, and keeps nobody behind it waiting for longer.
async fn expire(store: &Store, place: &mut Option<DueReservation>) {
    loop {
        let due = match store.due_reservations(place.as_ref(), DUE_AT_A_TIME).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "reservations whose time is over are still to be found");
                return;
            }
        };
        let is_last = due.len() < DUE_AT_A_TIME.unsigned_abs() as usize;
        let next = due.last().copied().filter(|_| !is_last);
        let ended = stream::iter(due.into_iter().map(|due| end(store, due))).buffer_unordered(DUE_SIDE_BY_SIDE);
        let ended = ended.filter(|is_ended| ready(*is_ended)).count().await;
        *place = next;
        if ended == 0 || is_last {
            return;
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Ends all that is due now, once.
///
/// # Errors
/// The store's.
pub async fn expire_all(store: &Store) -> Result<(), StoreError> {
    let mut place: Option<DueReservation> = None;
    loop {
        let due = store.due_reservations(place.as_ref(), DUE_AT_A_TIME).await?;
        let is_last = due.len() < DUE_AT_A_TIME.unsigned_abs() as usize;
        place = due.last().copied();
        stream::iter(due.into_iter().map(|due| end(store, due)))
            .buffer_unordered(DUE_SIDE_BY_SIDE)
            .for_each(|_| ready(()))
            .await;
        if is_last {
            return Ok(());
        }
        tokio::time::sleep(BREATH).await;
    }
}

/// Ends one and says whether it has ended. One that contradicts its level stays, for the proof of the ledger to name.
async fn end(store: &Store, due: DueReservation) -> bool {
    // Time has no account; what it does is booked without one.
    let nobody = UserId::from_uuid(Uuid::nil());
    match store.stock().change_reservation(due.tenant, nobody, Action::Expire(due.id)).await {
        Ok(held) => held.status != ReservationStatus::Pending,
        Err(error) => {
            tracing::debug!(%error, "a reservation is still to be ended");
            false
        }
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
