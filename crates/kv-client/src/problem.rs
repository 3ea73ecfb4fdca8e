//! An error answer, RFC 9457.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What the service says went wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word, for example `insufficient_stock`.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// The request's id, as in the service's log.
    pub request_id: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// What is wrong with single fields.
    #[serde(default)]
    pub errors: Vec<FieldFault>,
    /// Further members, such as `order_status`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
    /// When to try again, as the answer's `Retry-After` says.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FieldFault {
    /// JSON pointer into the body, or the name of a parameter or header.
    pub pointer: String,
    /// A stable word.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// Further members, such as `requested` and `available`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Problem {
    /// What stands for an answer that is no problem: that of something between here and the service.
    pub(crate) fn bare(status: u16, body: &[u8]) -> Self {
        let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
        Self {
            status,
            code: "not_a_problem".to_owned(),
            detail: format!("The answer does not come from the service: {text}"),
            request_id: None,
            retryable: matches!(status, 408 | 502..=504),
            errors: Vec::new(),
            extra: Map::new(),
            retry_after: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)?;
        for fault in &self.errors {
            write!(f, "; {} {}", fault.pointer, fault.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
