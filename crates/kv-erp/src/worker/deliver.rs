//! The delivery of an event to an endpoint.
//!
//! An attempt that fails is written down before its job is put off; the last one ends the job, and the delivery is failed: it is sent
//! again when somebody asks for it, not by a replay of jobs.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use kv_store::jobs::{Ended, Work};
use kv_store::webhooks::{Attempt, Message, Sending};
use kv_types::WebhookDeliveryId;
use kv_types::webhooks::{DeliveryState, EndpointState};
use serde::Deserialize;
use serde_json::json;

use super::Worker;
use super::handlers::{self, Trouble};
use super::life::Held;
use crate::failure::chain;
use crate::webhooks::Secret;
use crate::webhooks::send::{Answer, SendError};

/// How long a delivery waits that finds no place, at least and at most.
const NO_PLACE_MS: std::ops::Range<u64> = 200..60_000;
/// And so much more for each that found none since the last one did, so that a long line is not asked for all the time.
const NO_PLACE_EACH_MS: u64 = 20;
/// What an endpoint says that wants nothing any more.
const GONE: u16 = 410;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDelivery {
    delivery_id: WebhookDeliveryId,
}

/// Makes one attempt and ends the job, unless another attempt is to be made.
pub(super) async fn deliver(worker: &Worker, held: &Held) -> Result<Ended, Trouble> {
    let OfDelivery { delivery_id } = handlers::payload(held)?;
    let sending = worker.store().webhook_sending(held.tenant, delivery_id).await?;
    let Some(sending) = sending.filter(|sending| sending.state == DeliveryState::Pending) else {
        // It is over, or its endpoint is gone.
        return Ok(worker.store().end_job(held.tenant, held.id, &Work::Nothing).await?);
    };
    let attempt = match (&sending.message, sending.endpoint_state) {
        (None, _) => unsent(&sending, delivery_id, "the event is forgotten"),
        (_, EndpointState::Disabled) => unsent(&sending, delivery_id, "the endpoint is disabled"),
        (Some(message), EndpointState::Enabled) => {
            let _place = worker.0.places.take(held.tenant, sending.endpoint).map_err(|refused| {
                let most_ms = (NO_PLACE_MS.start + NO_PLACE_EACH_MS * u64::from(refused)).min(NO_PLACE_MS.end);
                Trouble::Later(Duration::from_millis(rand::random_range(NO_PLACE_MS.start..=most_ms)))
            })?;
            // Who waits for an answer keeps no other job waiting.
            held.leave_place();
            let answered = send(worker, &sending, message).await;
            let is_last = held.work.attempts + 1 >= handlers::attempts_max(&held.kind);
            judge(&sending, delivery_id, (answered, is_last))
        }
    };
    if attempt.state == DeliveryState::Pending {
        worker.store().note_webhook_attempt(held.tenant, &attempt).await?;
        return Err(Trouble::Failed(attempt.error.unwrap_or_default()));
    }
    Ok(worker.store().end_job(held.tenant, held.id, &Work::Delivered(attempt)).await?)
}

async fn send(worker: &Worker, sending: &Sending, message: &Message) -> Result<Answer, SendError> {
    let body = json!({
        "id": message.id, "type": message.kind, "timestamp": message.created_at, "position": message.position, "data": message.data,
    });
    let (body, id) = (Bytes::from(body.to_string()), message.id.to_string());
    let timestamp_s = Timestamp::now().as_second();
    let signature = Secret::of(sending.secret.clone()).sign(&id, timestamp_s, &body);
    let headers =
        [("webhook-id", id), ("webhook-timestamp", timestamp_s.to_string()), ("webhook-signature", signature)];
    worker.0.sender.post(&sending.url, &headers, body).await
}

fn unsent(sending: &Sending, delivery: WebhookDeliveryId, reason: &str) -> Attempt {
    Attempt {
        delivery,
        endpoint: sending.endpoint,
        status: None,
        error: Some(reason.to_owned()),
        answer: None,
        state: DeliveryState::Failed,
        was_sent: false,
        disables: None,
    }
}

/// What an attempt means.
fn judge(
    sending: &Sending,
    delivery: WebhookDeliveryId,
    (answered, is_last): (Result<Answer, SendError>, bool),
) -> Attempt {
    let (status, answer, error) = match answered {
        Ok(Answer { status, body }) if (200..300).contains(&status) => (Some(status), Some(body), None),
        Ok(Answer { status, body }) => (Some(status), Some(body), Some(format!("the answer was {status}"))),
        Err(error) => (None, None, Some(chain(&error))),
    };
    let is_gone = status == Some(GONE);
    let state = match &error {
        None => DeliveryState::Succeeded,
        Some(_) if is_last || is_gone => DeliveryState::Failed,
        Some(_) => DeliveryState::Pending,
    };
    let disables = is_gone.then_some("the endpoint answered 410 Gone");
    Attempt { delivery, endpoint: sending.endpoint, status, error, answer, state, was_sent: true, disables }
}

#[cfg(test)]
mod tests {
    use kv_types::WebhookEndpointId;

    use super::*;

    fn judged(answered: Result<u16, SendError>, is_last: bool) -> Attempt {
        let sending = Sending {
            state: DeliveryState::Pending,
            endpoint: WebhookEndpointId::from_uuid(uuid::Uuid::nil()),
            url: String::new(),
            secret: Vec::new(),
            endpoint_state: EndpointState::Enabled,
            message: None,
        };
        let answered = answered.map(|status| Answer { status, body: String::new() });
        judge(&sending, WebhookDeliveryId::from_uuid(uuid::Uuid::nil()), (answered, is_last))
    }

    #[test]
    fn two_hundreds_are_success_and_all_else_is_tried_again_until_the_last() {
        for status in [200, 204, 299] {
            assert_eq!(judged(Ok(status), false).state, DeliveryState::Succeeded);
        }
        // A redirect is not followed.
        for status in [199, 301, 302, 307, 400, 429, 500, 503] {
            assert_eq!(judged(Ok(status), false).state, DeliveryState::Pending, "{status}");
            assert_eq!(judged(Ok(status), true).state, DeliveryState::Failed, "{status}");
        }
        assert_eq!(judged(Err(SendError::Late), false).state, DeliveryState::Pending);
        let gone = judged(Ok(410), false);
        assert!(gone.state == DeliveryState::Failed && gone.disables.is_some());
    }
}
