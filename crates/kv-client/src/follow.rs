//! What follows from a tenant's writes: events, their deliveries, and jobs.

use http::Method;
use kv_types::events::Event;
use kv_types::jobs::JobView;
use kv_types::webhooks::{EndpointState, WebhookDelivery, WebhookEndpoint};
use kv_types::{JobId, WebhookDeliveryId, WebhookEndpointId};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::error::Error;
use crate::list::escaped;
use crate::send::Call;

/// Events behind a place.
#[derive(Clone, Debug, Deserialize)]
pub struct Events {
    /// They, the oldest first.
    pub data: Vec<Event>,
    /// What to give as `after` the next time.
    pub next_after: i64,
    /// Whether there are more already.
    pub has_more: bool,
}

/// Jobs, the newest first.
#[derive(Clone, Debug, Deserialize)]
pub struct JobPage {
    /// They.
    pub data: Vec<JobView>,
    /// What to give as `before` for the next page.
    pub next_before: Option<JobId>,
}

/// Deliveries, the newest first.
#[derive(Clone, Debug, Deserialize)]
pub struct DeliveryPage {
    /// They.
    pub data: Vec<WebhookDelivery>,
    /// What to give as `before` for the next page.
    pub next_before: Option<WebhookDeliveryId>,
}

/// An endpoint to be made.
#[derive(Clone, Debug, Serialize)]
pub struct NewEndpoint {
    /// Where events are sent.
    pub url: String,
    /// The caller's own word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which types are sent; empty for all.
    pub event_types: Vec<String>,
}

/// Changes of an endpoint: what is `None` stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EndpointPatch {
    /// Where events are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Which types are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_types: Option<Vec<String>>,
    /// Whether they are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<EndpointState>,
}

/// Where events are sent.
#[derive(Clone, Debug)]
pub struct Webhooks<'a>(&'a Client);

/// What follows from what was committed.
#[derive(Clone, Debug)]
pub struct Jobs<'a>(&'a Client);

impl Client {
    /// Events behind a place, of one type or of all: at most a hundred.
    pub async fn events(&self, after: i64, kind: Option<&str>) -> Result<Events, Error> {
        let kind = kind.map(|kind| format!("&type={}", escaped(kind))).unwrap_or_default();
        self.read(Call::get(format!("/events?after={after}&limit=100{kind}"))).await
    }

    /// Where events are sent.
    pub fn webhooks(&self) -> Webhooks<'_> {
        Webhooks(self)
    }

    /// What follows from what was committed.
    pub fn jobs(&self) -> Jobs<'_> {
        Jobs(self)
    }
}

impl Webhooks<'_> {
    /// Makes an endpoint; its secret is shown this once.
    pub async fn create(&self, new: &NewEndpoint) -> Result<WebhookEndpoint, Error> {
        self.0.write(Call::post("/webhook-endpoints").json(new)?).await
    }

    /// All of them.
    pub async fn list(&self) -> Result<Vec<WebhookEndpoint>, Error> {
        #[derive(Deserialize)]
        struct All {
            data: Vec<WebhookEndpoint>,
        }
        self.0.read(Call::get("/webhook-endpoints")).await.map(|all: All| all.data)
    }

    /// Shows one.
    pub async fn get(&self, id: WebhookEndpointId) -> Result<WebhookEndpoint, Error> {
        self.0.read(Call::get(format!("/webhook-endpoints/{id}"))).await
    }

    /// Changes one that is still at `version`; otherwise 412 `version_mismatch`.
    pub async fn change(
        &self,
        id: WebhookEndpointId,
        version: i64,
        patch: &EndpointPatch,
    ) -> Result<WebhookEndpoint, Error> {
        let call = Call::new(Method::PATCH, format!("/webhook-endpoints/{id}")).at_version(version);
        self.0.write(call.json(patch)?).await
    }

    /// Deletes one with its deliveries.
    pub async fn delete(&self, id: WebhookEndpointId) -> Result<(), Error> {
        self.0.write_silent(Call::new(Method::DELETE, format!("/webhook-endpoints/{id}"))).await
    }

    /// Its newest deliveries, or those before one: at most a hundred.
    pub async fn deliveries(
        &self,
        id: WebhookEndpointId,
        before: Option<WebhookDeliveryId>,
    ) -> Result<DeliveryPage, Error> {
        let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
        self.0.read(Call::get(format!("/webhook-endpoints/{id}/deliveries?limit=100{before}"))).await
    }

    /// Sends one again that is over.
    pub async fn redeliver(
        &self,
        id: WebhookEndpointId,
        delivery: WebhookDeliveryId,
    ) -> Result<WebhookDelivery, Error> {
        self.0.write(Call::post(format!("/webhook-endpoints/{id}/deliveries/{delivery}/redeliver"))).await
    }
}

impl Jobs<'_> {
    /// The newest, or those before one, of a state or of all: at most a hundred.
    pub async fn list(&self, state: Option<&str>, before: Option<JobId>) -> Result<JobPage, Error> {
        let state = state.map(|state| format!("&state={}", escaped(state))).unwrap_or_default();
        let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
        self.0.read(Call::get(format!("/jobs?limit=100{state}{before}"))).await
    }

    /// Shows one.
    pub async fn get(&self, id: JobId) -> Result<JobView, Error> {
        self.0.read(Call::get(format!("/jobs/{id}"))).await
    }

    /// Begins a dead one anew.
    pub async fn replay(&self, id: JobId) -> Result<JobView, Error> {
        self.0.write(Call::post(format!("/jobs/{id}/replay"))).await
    }
}
