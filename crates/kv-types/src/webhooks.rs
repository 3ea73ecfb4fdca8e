//! Webhooks: where a tenant wants its events sent, and what became of each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{EventId, WebhookDeliveryId, WebhookEndpointId};

/// Whether events are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// They are.
    Enabled,
    /// They are not: somebody said so, or it failed too often.
    Disabled,
}

impl EndpointState {
    /// The word in the table and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled].into_iter().find(|state| state.as_str() == raw)
    }
}

/// A place that events are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Where they are sent.
    #[schema(example = "https://example.com/hooks/kv-erp")]
    pub url: String,
    /// The caller's own word for it.
    #[schema(example = "Shop")]
    pub description: Option<String>,
    /// Which types are sent; empty for all.
    #[schema(example = json!(["order.created", "stock.low"]))]
    pub event_types: Vec<String>,
    /// Whether they are sent.
    pub state: EndpointState,
    /// Why they are not.
    pub disabled_reason: Option<String>,
    /// Attempts that failed since one succeeded.
    #[schema(example = 0)]
    pub failures: i32,
    /// What its deliveries are signed with, as the libraries of Standard Webhooks take it: `whsec_` and the key in base64. It is shown
    /// by the answer that made the endpoint alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: Option<String>,
    /// Counts its changes.
    #[schema(example = 1)]
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The states of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried, now or later.
    Pending,
    /// The endpoint answered 2xx.
    Succeeded,
    /// It was given up, and can be sent again.
    Failed,
}

impl DeliveryState {
    /// The word in the table and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Pending, Self::Succeeded, Self::Failed].into_iter().find(|state| state.as_str() == raw)
    }
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// Its id.
    pub id: WebhookDeliveryId,
    /// To where.
    pub endpoint_id: WebhookEndpointId,
    /// What; the value of `webhook-id`.
    pub event_id: EventId,
    /// Its state.
    pub state: DeliveryState,
    /// How often it was tried.
    #[schema(example = 1)]
    pub attempts: i32,
    /// The status of the last answer; null when none came.
    #[schema(example = 200)]
    pub last_status: Option<i32>,
    /// What was wrong with the last attempt.
    pub last_error: Option<String>,
    /// The beginning of the last answer's body.
    pub last_answer: Option<String>,
    /// When it was last tried.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_attempt_at: Option<Timestamp>,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it succeeded or was given up.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}
