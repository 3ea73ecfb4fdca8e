//! What is sent to a cluster: a method, a path and a body, which can be shown as well as sent.

use std::fmt;

use serde_json::Value;

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// GET, POST, PATCH or DELETE.
    pub method: &'static str,
    /// Path and query.
    pub path: String,
    /// What is sent, as JSON; a PATCH is a merge patch (RFC 7386).
    pub body: Option<Value>,
}

impl Call {
    pub(super) const fn get(path: String) -> Self {
        Self { method: "GET", path, body: None }
    }

    pub(super) const fn post(path: String, body: Value) -> Self {
        Self { method: "POST", path, body: Some(body) }
    }

    pub(super) const fn patch(path: String, body: Value) -> Self {
        Self { method: "PATCH", path, body: Some(body) }
    }

    pub(super) const fn delete(path: String, body: Option<Value>) -> Self {
        Self { method: "DELETE", path, body }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        self.body.iter().try_for_each(|body| write!(f, " {body}"))
    }
}
