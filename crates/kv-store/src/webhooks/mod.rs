//! Webhooks: the endpoints of a tenant, and the deliveries of its events to them.
//!
//! Invariants: a delivery is made with its job, by whoever gives its event a place (`app.place_events`); what became of an attempt is
//! written in the transaction that ends its job, or before the job is put off.
//!
//! Absent on purpose: sending.

pub(crate) mod deliveries;

use kv_types::webhooks::{EndpointState, WebhookEndpoint};
use kv_types::{Expected, TenantId, WebhookEndpointId};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::idempotency::{Write, params};
use crate::statement::statements;
use crate::{Store, StoreError};

pub(crate) use deliveries::write_attempt;
pub use deliveries::{Attempt, Message, Sending, redelivery};

/// Endpoints of a tenant at most: each event may become a job for each of them.
pub const MAX_ENDPOINTS: i64 = 20;
/// Attempts that fail one after another, of whatever deliveries, until an endpoint is disabled.
pub const MAX_FAILURES: i32 = 50;

statements! {
    /// A new endpoint, unless there are too many.
    INSERT_ENDPOINT = "insert into webhook_endpoints (tenant_id, id, url, description, event_types, secret)
        select $1, $2, $3, $4, $5, $6
         where (select count(*) from webhook_endpoints where tenant_id = $1) < $7
        returning id, url, description, event_types, state, disabled_reason, failures, version, created_at, updated_at, secret";
    /// All endpoints.
    LIST_ENDPOINTS = "select id, url, description, event_types, state, disabled_reason, failures, version, created_at, updated_at
          from webhook_endpoints where tenant_id = $1 order by id";
    /// One endpoint.
    GET_ENDPOINT = "select id, url, description, event_types, state, disabled_reason, failures, version, created_at, updated_at
          from webhook_endpoints where tenant_id = $1 and id = $2";
    /// A change. Null keeps a field; the description comes with a word on whether it is to be set. Enabling forgets the failures.
    UPDATE_ENDPOINT = "update webhook_endpoints
           set url = coalesce($3, url), description = case when $4::boolean then $5 else description end,
               event_types = coalesce($6, event_types), state = coalesce($7, state),
               disabled_reason = case $7 when 'enabled' then null when 'disabled' then 'it was disabled by a request' else disabled_reason end,
               failures = case $7 when 'enabled' then 0 else failures end,
               version = version + 1, updated_at = now()
         where tenant_id = $1 and id = $2 and ($8::bigint[] is null or version = any($8))
        returning id, url, description, event_types, state, disabled_reason, failures, version, created_at, updated_at";
    /// The end of an endpoint and of its deliveries.
    DELETE_ENDPOINT = "delete from webhook_endpoints where tenant_id = $1 and id = $2 and ($3::bigint[] is null or version = any($3)) returning id";
}

/// An endpoint to be made.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// Where events are sent.
    pub url: String,
    /// The caller's own word for it.
    pub description: Option<String>,
    /// Which types are sent; empty for all.
    pub event_types: Vec<String>,
}

/// A change of an endpoint: what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// Where events are sent.
    pub url: Option<String>,
    /// The caller's own word for it, or none.
    pub description: Option<Option<String>>,
    /// Which types are sent.
    pub event_types: Option<Vec<String>>,
    /// Whether they are sent.
    pub state: Option<EndpointState>,
}

fn read_endpoint(row: &Row) -> Result<WebhookEndpoint, Error> {
    let state: &str = row.try_get(4)?;
    Ok(WebhookEndpoint {
        id: WebhookEndpointId::from_uuid(row.try_get(0)?),
        url: row.try_get(1)?,
        description: row.try_get(2)?,
        event_types: row.try_get(3)?,
        state: EndpointState::parse(state).expect("the state of an endpoint is one of those in its check"),
        disabled_reason: row.try_get(5)?,
        failures: row.try_get(6)?,
        secret: None,
        version: row.try_get(7)?,
        created_at: row.try_get(8)?,
        updated_at: row.try_get(9)?,
    })
}

/// The making of an endpoint, with its secret; nothing is made when there are [`MAX_ENDPOINTS`].
pub fn creation(tenant: TenantId, new: &NewEndpoint, secret: &[u8]) -> Write<(WebhookEndpoint, Vec<u8>)> {
    let NewEndpoint { url, description, event_types } = new.clone();
    Write {
        tenant,
        statement: &INSERT_ENDPOINT,
        params: params![tenant.get(), Uuid::now_v7(), url, description, event_types, secret.to_vec(), MAX_ENDPOINTS],
        read: |row| Ok((read_endpoint(row)?, row.try_get(10)?)),
    }
}

/// The change of an endpoint: there may be none of this id, or none in a state that is expected.
pub fn change(
    tenant: TenantId,
    id: WebhookEndpointId,
    patch: &EndpointPatch,
    expected: &Expected,
) -> Write<WebhookEndpoint> {
    let EndpointPatch { url, description, event_types, state } = patch.clone();
    let (has_description, state) = (description.is_some(), state.map(EndpointState::as_str));
    Write {
        tenant,
        statement: &UPDATE_ENDPOINT,
        params: params![
            tenant.get(),
            id.uuid(),
            url,
            has_description,
            description.flatten(),
            event_types,
            state,
            expected.versions()
        ],
        read: read_endpoint,
    }
}

/// The end of an endpoint.
pub fn deletion(tenant: TenantId, id: WebhookEndpointId, expected: &Expected) -> Write<WebhookEndpointId> {
    let read = |row: &Row| row.try_get(0).map(WebhookEndpointId::from_uuid);
    Write { tenant, statement: &DELETE_ENDPOINT, params: params![tenant.get(), id.uuid(), expected.versions()], read }
}

impl Store {
    /// Makes an endpoint; `None` when there are [`MAX_ENDPOINTS`].
    ///
    /// # Errors
    /// The store's.
    pub async fn create_webhook_endpoint(
        &self,
        tenant: TenantId,
        new: &NewEndpoint,
        secret: &[u8],
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        Ok(self.write(&creation(tenant, new, secret)).await?.map(|(endpoint, _)| endpoint))
    }

    /// All endpoints of a tenant.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhook_endpoints(&self, tenant: TenantId) -> Result<Vec<WebhookEndpoint>, StoreError> {
        let rows = self.run(tenant, &LIST_ENDPOINTS, &[&tenant.get()]).await?;
        Ok(rows.iter().map(read_endpoint).collect::<Result<_, _>>()?)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhook_endpoint(
        &self,
        tenant: TenantId,
        id: WebhookEndpointId,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let rows = self.run(tenant, &GET_ENDPOINT, &[&tenant.get(), &id.uuid()]).await?;
        Ok(rows.first().map(read_endpoint).transpose()?)
    }
}
