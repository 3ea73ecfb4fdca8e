//! What the gateway answers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// A status and its JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    status: StatusCode,
    body: Value,
}

impl Answer {
    /// Something.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }

    /// Nothing: a nil, no row.
    pub(super) fn nothing(body: Value) -> Self {
        Self { status: StatusCode::NOT_FOUND, body }
    }

    /// The data's own rules, or another transaction, stand in the way.
    pub(super) fn refused(code: &str, error: &str) -> Self {
        Self { status: StatusCode::CONFLICT, body: json!({"code": code, "error": error}) }
    }

    /// The command is wrong.
    pub(super) fn wrong(code: &str, error: &str) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, body: json!({"code": code, "error": error}) }
    }

    /// The request is wrong.
    pub(super) fn mistake(error: impl Into<String>) -> Self {
        Self::wrong("request", &error.into())
    }

    /// The server behind gave no answer; whether the command was carried out is not known.
    pub(super) fn broken(error: &str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, body: json!({"code": "no-answer", "error": error}) }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }

    /// Whether the connection behind cannot be used again.
    pub(super) fn is_broken(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body.to_string())));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
