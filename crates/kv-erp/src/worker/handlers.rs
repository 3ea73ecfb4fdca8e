//! What is done for each kind of job.
//!
//! A handler ends its job with its effect in one transaction ([`kv_store::Store::end_job`]), or what it does is harmless when it is
//! done twice. A payload that does not read as its kind demands is poison: no further attempt would read it better.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kv_store::StoreError;
use kv_store::exports::EXPORT_CSV;
use kv_store::imports::IMPORT_CSV;
use kv_store::jobs::{Ended, Forgetting, HOUSE, Work};
use kv_types::OrderId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::sleep;

use super::Worker;
use super::custom::{Task, TaskError};
use super::deliver::deliver;
use super::files;
use super::life::Held;
use crate::sweep;

/// The record of what an order's customer is told.
pub(super) const SEND_ORDER_CONFIRMATION: &str = "send_order_confirmation";
/// Gives back the stock of reservations whose time is over.
pub(super) const EXPIRE_RESERVATIONS: &str = "expire_reservations";
/// Deletes idempotency keys that have expired.
pub(super) const FORGET_KEYS: &str = "forget_idempotency_keys";
/// Deletes jobs that are over.
pub(super) const FORGET_JOBS: &str = "forget_jobs";
/// Deletes old imports.
pub(super) const FORGET_IMPORTS: &str = "forget_imports";
/// Deletes old events.
pub(super) const FORGET_EVENTS: &str = "forget_events";

/// Sends an event to an endpoint.
pub(super) const DELIVER_WEBHOOK: &str = "deliver_webhook";
/// Deletes files that were kept long enough.
pub(super) const FORGET_FILES: &str = "forget_files";
/// Deletes old deliveries.
pub(super) const FORGET_DELIVERIES: &str = "forget_webhook_deliveries";

/// Failed attempts after which a job is dead.
const ATTEMPTS_MAX: i32 = 5;
/// Attempts to reach an endpoint.
const DELIVERY_ATTEMPTS_MAX: i32 = 12;
/// How long an attempt at a file may take; the next one goes on where it stopped.
const FILE_TIME: Duration = Duration::from_hours(1);
/// Rows of one statement of a clean-up, and the pause between two.
const AT_A_TIME: i32 = 1_000;
/// The same of files: each has up to a thousand pieces, which go with it, and a statement has its time.
const FILES_AT_A_TIME: i32 = 8;
const BREATH: Duration = Duration::from_millis(50);
/// How long a done job can be looked at.
const KEEP_DONE: SignedDuration = SignedDuration::from_hours(24);
/// How long a dead job can be replayed.
const KEEP_DEAD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long an import that nobody goes on with is kept, complete or not.
const KEEP_IMPORTS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long events can be read.
const KEEP_EVENTS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why an attempt did not end its job.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    /// Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
    /// No attempt will.
    #[error("{0}")]
    Poison(String),
    /// It is not its turn yet; this was no attempt.
    #[error("later")]
    Later(Duration),
    /// What a handler of somebody else's says.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The handler panicked.
    #[error("{0}")]
    Panicked(String),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// After how many failed attempts a job of a kind is dead.
pub(super) fn attempts_max(kind: &str) -> i32 {
    if kind == DELIVER_WEBHOOK { DELIVERY_ATTEMPTS_MAX } else { ATTEMPTS_MAX }
}

/// How long an attempt at a kind may take, when that is longer than others: a file takes as long as its upload might.
pub(super) fn time_limit(kind: &str) -> Option<Duration> {
    matches!(kind, IMPORT_CSV | EXPORT_CSV).then_some(FILE_TIME)
}

/// A job's details, or poison.
pub(super) fn payload<T: DeserializeOwned>(held: &Held) -> Result<T, Trouble> {
    serde_json::from_value(held.work.payload.clone())
        .map_err(|error| Trouble::Poison(format!("its payload is not one of {}: {error}", held.kind)))
}

/// Does a job and ends it.
pub(super) async fn handle(worker: &Worker, held: &Held) -> Result<Ended, Trouble> {
    let work = match held.kind.as_str() {
        SEND_ORDER_CONFIRMATION => Work::ConfirmOrder(payload::<OfOrder>(held)?.order_id),
        DELIVER_WEBHOOK => return deliver(worker, held).await,
        // In boxes, so that every other job has not to hold all that a file takes.
        IMPORT_CSV => Box::pin(files::import(worker, held)).await?,
        EXPORT_CSV => Box::pin(files::export(worker, held)).await?,
        EXPIRE_RESERVATIONS | FORGET_KEYS | FORGET_JOBS | FORGET_IMPORTS | FORGET_EVENTS | FORGET_DELIVERIES
        | FORGET_FILES
            if held.tenant == HOUSE =>
        {
            keep_house(worker, &held.kind).await?;
            Work::Nothing
        }
        kind => {
            let Some(handler) = worker.0.config.handlers.find(kind) else {
                return Err(Trouble::Poison(format!("this program knows no jobs of the kind {kind}")));
            };
            let (failures, payload) = (held.work.attempts, held.work.payload.clone());
            handler.handle(Task { tenant: held.tenant, id: held.id, failures, payload }).await?;
            Work::Nothing
        }
    };
    let ended = worker.store().end_job(held.tenant, held.id, &work).await?;
    if matches!(work, Work::Imported(_) | Work::Exported(_) | Work::ExportFailed(..)) {
        // Their events want a place.
        worker.store().ring();
    }
    Ok(ended)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOrder {
    order_id: OrderId,
}

/// What is done regularly for all tenants; done twice it does no harm.
async fn keep_house(worker: &Worker, kind: &str) -> Result<(), StoreError> {
    let (store, now) = (worker.store(), Timestamp::now());
    match kind {
        EXPIRE_RESERVATIONS => sweep::expire_all(store).await,
        FORGET_KEYS => {
            while store.forget_expired_keys(AT_A_TIME).await? >= i64::from(AT_A_TIME) {
                sleep(BREATH).await;
            }
            Ok(())
        }
        FORGET_IMPORTS => forget(worker, Forgetting::Imports(now - KEEP_IMPORTS)).await,
        FORGET_FILES => forget(worker, Forgetting::Files).await,
        FORGET_DELIVERIES => forget(worker, Forgetting::Deliveries(now - KEEP_EVENTS)).await,
        FORGET_EVENTS => forget(worker, Forgetting::Events(now - KEEP_EVENTS)).await,
        _ => forget(worker, Forgetting::Jobs(now - KEEP_DONE, now - KEEP_DEAD)).await,
    }
}

async fn forget(worker: &Worker, what: Forgetting) -> Result<(), StoreError> {
    let most = if matches!(what, Forgetting::Files) { FILES_AT_A_TIME } else { AT_A_TIME };
    while worker.store().forget(what, most).await? >= i64::from(most) {
        sleep(BREATH).await;
    }
    Ok(())
}
