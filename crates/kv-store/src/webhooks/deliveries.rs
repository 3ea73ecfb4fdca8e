//! Deliveries: events on their way to endpoints, and what became of each attempt.

use jiff::Timestamp;
use kv_types::webhooks::{DeliveryState, EndpointState, WebhookDelivery};
use kv_types::{EventId, TenantId, WebhookDeliveryId, WebhookEndpointId};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::MAX_FAILURES;
use crate::conflict::Retries;
use crate::idempotency::{Open, Write, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// Deliveries of an endpoint behind delivery $4, the newest first.
    LIST_DELIVERIES = "select id, endpoint_id, event_id, state, attempts, last_status, last_error, last_answer, last_attempt_at,
               created_at, finished_at
          from webhook_deliveries where tenant_id = $1 and endpoint_id = $2 and ($3::text is null or state = $3) and id < $4
         order by id desc limit $5";
    /// One delivery.
    GET_DELIVERY = "select id, endpoint_id, event_id, state, attempts, last_status, last_error, last_answer, last_attempt_at,
               created_at, finished_at
          from webhook_deliveries where tenant_id = $1 and endpoint_id = $2 and id = $3";
    /// Sends a delivery again that is over.
    REDELIVER = "with again as (
            update webhook_deliveries set state = 'pending', attempts = 0, finished_at = null
             where tenant_id = $1 and endpoint_id = $2 and id = $3 and state <> 'pending'
            returning id, endpoint_id, event_id, state, attempts, last_status, last_error, last_answer, last_attempt_at,
                      created_at, finished_at),
          sending as (
            insert into jobs (tenant_id, id, kind, payload)
            select $1, $4, 'deliver_webhook', jsonb_build_object('delivery_id', again.id) from again)
        select id, endpoint_id, event_id, state, attempts, last_status, last_error, last_answer, last_attempt_at, created_at,
               finished_at from again";
    /// What is to be sent, and to where.
    GET_SENDING = "select d.state, d.endpoint_id, w.url, w.secret, w.state, e.id, e.position, e.type, e.data, e.created_at
          from webhook_deliveries d
          join webhook_endpoints w on w.tenant_id = $1 and w.id = d.endpoint_id
          left join events e on e.tenant_id = $1 and e.id = d.event_id
         where d.tenant_id = $1 and d.id = $2";
    /// What became of an attempt. A null for the state leaves it pending.
    NOTE_ATTEMPT = "update webhook_deliveries
           set state = coalesce($3, state), attempts = attempts + $4, last_status = $5, last_error = $6, last_answer = $7,
               last_attempt_at = now(), finished_at = case when $3::text is null then null else now() end
         where tenant_id = $1 and id = $2 and state = 'pending' returning endpoint_id";
    /// Whether an endpoint is still there.
    LOOK_AT_ENDPOINT = "select id from webhook_endpoints where tenant_id = $1 and id = $2";
    /// An endpoint has answered.
    NOTE_SUCCESS = "update webhook_endpoints set failures = 0 where tenant_id = $1 and id = $2 and failures > 0";
    /// An endpoint has failed. It is disabled after too many failures, or at once with a reason.
    NOTE_MISS = "update webhook_endpoints
           set failures = failures + 1, updated_at = now(),
               state = case when $3::text is not null or failures + 1 >= $4 then 'disabled' else state end,
               disabled_reason = case when $3::text is not null then $3
                                      when failures + 1 >= $4 then failures + 1 || ' attempts failed one after another'
                                      else disabled_reason end
         where tenant_id = $1 and id = $2 and state = 'enabled' returning state";
}

/// An event that is to be sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// Which one.
    pub id: EventId,
    /// Its place.
    pub position: Option<i64>,
    /// Its type.
    pub kind: String,
    /// What it says.
    pub data: serde_json::Value,
    /// When it happened.
    pub created_at: Timestamp,
}

/// What is to be sent, and to where.
#[derive(Clone)]
pub struct Sending {
    /// The delivery's state.
    pub state: DeliveryState,
    /// The endpoint.
    pub endpoint: WebhookEndpointId,
    /// Where it is.
    pub url: String,
    /// What is signed with.
    pub secret: Vec<u8>,
    /// Whether it wants anything.
    pub endpoint_state: EndpointState,
    /// The event; `None` when it is forgotten.
    pub message: Option<Message>,
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("endpoint", &self.endpoint).field("url", &self.url).finish_non_exhaustive()
    }
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which delivery.
    pub delivery: WebhookDeliveryId,
    /// To which endpoint.
    pub endpoint: WebhookEndpointId,
    /// The answer's status, if there was one.
    pub status: Option<u16>,
    /// What was wrong, if anything.
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub answer: Option<String>,
    /// What it means for the delivery.
    pub state: DeliveryState,
    /// Whether the endpoint was asked at all.
    pub was_sent: bool,
    /// Why nothing is to be sent there any more.
    pub disables: Option<&'static str>,
}

fn delivery_state(raw: &str) -> DeliveryState {
    DeliveryState::parse(raw).expect("the state of a delivery is one of those in its check")
}

fn read_delivery(row: &Row) -> Result<WebhookDelivery, Error> {
    Ok(WebhookDelivery {
        id: WebhookDeliveryId::from_uuid(row.try_get(0)?),
        endpoint_id: WebhookEndpointId::from_uuid(row.try_get(1)?),
        event_id: EventId::from_uuid(row.try_get(2)?),
        state: delivery_state(row.try_get(3)?),
        attempts: row.try_get(4)?,
        last_status: row.try_get(5)?,
        last_error: row.try_get(6)?,
        last_answer: row.try_get(7)?,
        last_attempt_at: row.try_get(8)?,
        created_at: row.try_get(9)?,
        finished_at: row.try_get(10)?,
    })
}

fn read_sending(row: &Row) -> Result<Sending, StoreError> {
    let endpoint_state =
        EndpointState::parse(row.try_get(4)?).ok_or(StoreError::Corrupt("the state of an endpoint"))?;
    let event: Option<Uuid> = row.try_get(5)?;
    let message = match event {
        None => None,
        Some(id) => Some(Message {
            id: EventId::from_uuid(id),
            position: row.try_get(6)?,
            kind: row.try_get(7)?,
            data: row.try_get(8)?,
            created_at: row.try_get(9)?,
        }),
    };
    Ok(Sending {
        state: delivery_state(row.try_get(0)?),
        endpoint: WebhookEndpointId::from_uuid(row.try_get(1)?),
        url: row.try_get(2)?,
        secret: row.try_get(3)?,
        endpoint_state,
        message,
    })
}

/// The sending again of a delivery that is over.
pub fn redelivery(
    tenant: TenantId,
    endpoint: WebhookEndpointId,
    delivery: WebhookDeliveryId,
) -> Write<WebhookDelivery> {
    let params = params![tenant.get(), endpoint.uuid(), delivery.uuid(), Uuid::now_v7()];
    Write { tenant, statement: &REDELIVER, params, read: read_delivery }
}

impl Store {
    /// A page of an endpoint's deliveries, the newest first, of one state or of all.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhook_deliveries(
        &self,
        (tenant, endpoint): (TenantId, WebhookEndpointId),
        state: Option<DeliveryState>,
        before: Option<WebhookDeliveryId>,
        limit: i64,
    ) -> Result<Page<WebhookDelivery>, StoreError> {
        let before = before.map_or(Uuid::max(), WebhookDeliveryId::uuid);
        let state = state.map(DeliveryState::as_str);
        let params: Params<'_> = &[&tenant.get(), &endpoint.uuid(), &state, &before, &(limit + 1)];
        let rows = self.run(tenant, &LIST_DELIVERIES, params).await?;
        Ok(Page::from_rows(&rows, limit, read_delivery)?)
    }

    /// One delivery of an endpoint.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhook_delivery(
        &self,
        (tenant, endpoint): (TenantId, WebhookEndpointId),
        id: WebhookDeliveryId,
    ) -> Result<Option<WebhookDelivery>, StoreError> {
        let rows = self.run(tenant, &GET_DELIVERY, &[&tenant.get(), &endpoint.uuid(), &id.uuid()]).await?;
        Ok(rows.first().map(read_delivery).transpose()?)
    }

    /// What is to be sent; `None` when the delivery or its endpoint is gone.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhook_sending(
        &self,
        tenant: TenantId,
        delivery: WebhookDeliveryId,
    ) -> Result<Option<Sending>, StoreError> {
        let rows = self.run(tenant, &GET_SENDING, &[&tenant.get(), &delivery.uuid()]).await?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => read_sending(row).map(Some),
            _ => Err(StoreError::Corrupt("a delivery")),
        }
    }

    /// Notes an attempt whose delivery is tried again.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_webhook_attempt(&self, tenant: TenantId, attempt: &Attempt) -> Result<(), StoreError> {
        let mut retries = Retries::new(self.conflicts());
        loop {
            let transaction = Open::on(self).await?;
            let (owner, endpoint) = (tenant.get(), attempt.endpoint.uuid());
            let noted = match transaction.begin_with(tenant, &LOOK_AT_ENDPOINT, &[&owner, &endpoint]).await {
                Ok(_) => write_attempt(&transaction, tenant, attempt).await,
                Err(error) => Err(error),
            };
            let Err(error) = noted else { return transaction.commit().await };
            transaction.roll_back().await;
            retries.after(error).await?;
        }
    }
}

/// Writes down what became of an attempt, in a transaction that has begun. The endpoint comes before the delivery, as in the end of
/// an endpoint, which takes its deliveries along.
pub(crate) async fn write_attempt(transaction: &Open, tenant: TenantId, attempt: &Attempt) -> Result<(), StoreError> {
    let (owner, endpoint) = (tenant.get(), attempt.endpoint.uuid());
    if attempt.state == DeliveryState::Succeeded {
        transaction.query(&NOTE_SUCCESS, &[&owner, &endpoint]).await?;
    } else if attempt.was_sent {
        let params: Params<'_> = &[&owner, &endpoint, &attempt.disables, &MAX_FAILURES];
        transaction.query(&NOTE_MISS, params).await?;
    }
    let state = (attempt.state != DeliveryState::Pending).then(|| attempt.state.as_str());
    let (sent, status) = (i32::from(attempt.was_sent), attempt.status.map(i32::from));
    let params: Params<'_> =
        &[&owner, &attempt.delivery.uuid(), &state, &sent, &status, &attempt.error, &attempt.answer];
    transaction.query(&NOTE_ATTEMPT, params).await.map(drop)
}
