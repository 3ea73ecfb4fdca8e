//! The one shape of an error: RFC 9457 `application/problem+json`.
//!
//! Invariant: a client's text and a log's text are two things; nothing of a cause reaches the client but its code and a
//! sentence written for it here. A handler returns a [`Problem`]; the outermost layer renders it, because only that layer knows
//! the request's id.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// The media type of every error.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldFault {
    /// JSON pointer (RFC 6901) into the request's body, or the name of a query parameter or header.
    pub pointer: String,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    #[schema(value_type = String)]
    pub detail: Cow<'static, str>,
    /// Further members, such as `requested` and `available`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub extra: Map<String, Value>,
}

impl FieldFault {
    /// A fault without further members.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), extra: Map::new() }
    }

    /// Adds a member.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }
}

/// An error answer.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<FieldFault>,
    extra: Map<String, Value>,
    retry: Retry,
    /// The state of the thing that a condition was about.
    etag: Option<HeaderValue>,
}

/// The code of an error answer that was rendered, for the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorCode(pub(super) &'static str);

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    No,
    /// At once or at the caller's leisure.
    Free,
    /// Not before this.
    After(Duration),
}

/// The body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// A URN that ends in `code`.
    #[schema(example = "urn:kv-erp:problem:insufficient_stock")]
    r#type: String,
    /// The same for every problem with this code.
    title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened, for people.
    detail: &'a str,
    /// A stable word for programs.
    code: &'a str,
    /// The request's id, as in the header `X-Request-Id` and in the log.
    request_id: Option<&'a str>,
    /// Whether the same request may succeed later.
    retryable: bool,
    /// What is wrong with single fields.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldFault>, required = false)]
    errors: &'a [FieldFault],
    #[serde(flatten)]
    #[schema(ignore)]
    extra: &'a Map<String, Value>,
}

impl Problem {
    /// A problem that is not worth another try.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry = Retry::No;
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            extra: Map::new(),
            retry,
            etag: None,
        }))
    }

    /// 404 `not_found`: no such thing in this tenant.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    /// 422 `validation_failed` with every fault that was found.
    pub fn validation(errors: Vec<FieldFault>) -> Self {
        let detail = match errors.as_slice() {
            [one] => Cow::Owned(one.detail.clone().into_owned()),
            several => Cow::Owned(format!("{} fields are wrong; see errors.", several.len())),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail).with_errors(errors)
    }

    /// 503: something this service needs is away or busy, and may be back after `wait`.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(wait)
    }

    /// Adds what is wrong with single fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldFault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds a member to the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the header `ETag`.
    #[must_use]
    pub fn with_etag(mut self, etag: HeaderValue) -> Self {
        self.0.etag = Some(etag);
        self
    }

    /// Says that the same request may succeed, but not before `wait`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry = Retry::After(wait);
        self
    }

    /// Says that the same request may succeed at any time.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retry = Retry::Free;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable word.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What happened, for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with single fields.
    pub fn errors(&self) -> &[FieldFault] {
        &self.0.errors
    }

    /// The body for a request with this id.
    pub fn body(&self, request_id: Option<&str>) -> Vec<u8> {
        let body = ProblemBody {
            r#type: format!("urn:kv-erp:problem:{}", self.0.code),
            title: title_of(self.0.code),
            status: self.0.status.as_u16(),
            detail: &self.0.detail,
            code: self.0.code,
            request_id,
            retryable: self.0.retry != Retry::No,
            errors: &self.0.errors,
            extra: &self.0.extra,
        };
        serde_json::to_vec(&body).expect("strings, numbers and maps with string keys always serialise")
    }

    fn set_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(etag) = &self.0.etag {
            headers.insert(ETAG, etag.clone());
        }
        if let Retry::After(wait) = self.0.retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds_up(wait)));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"kv-erp\""));
        }
    }
}

/// Never early, and never the `0` that clients take for "at once".
fn whole_seconds_up(wait: Duration) -> u64 {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let partial = u64::from(!wait.subsec_nanos().is_multiple_of(1_000_000));
    millis.saturating_add(partial).div_ceil(1_000).max(1)
}

/// `insufficient_stock` is "Insufficient stock".
fn title_of(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        self.set_headers(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives an error answer its body: a [`Problem`]'s own, or one made of the bare status for an error that a library made.
pub(super) fn render(response: Response, request_id: &str) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    if let Some(problem) = parts.extensions.remove::<Problem>() {
        parts.extensions.insert(ErrorCode(problem.code()));
        return Response::from_parts(parts, Body::from(problem.body(Some(request_id))));
    }
    if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| *kind == PROBLEM_JSON) {
        return Response::from_parts(parts, body);
    }
    let problem = of_bare_status(parts.status);
    problem.set_headers(&mut parts.headers);
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(problem.body(Some(request_id))))
}

fn of_bare_status(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => ("not_found", "There is nothing at this address."),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "This address does not take this method; see Allow."),
        StatusCode::PAYLOAD_TOO_LARGE => ("payload_too_large", "The body is larger than 1 MiB."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unsupported_media_type", "Send the body as application/json."),
        status if status.is_server_error() => {
            ("internal", "The service failed; the log has the cause under the request's id.")
        }
        _ => ("bad_request", "The request cannot be read."),
    };
    Problem::new(status, code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_round_up_and_are_never_zero() {
        for (wait, seconds) in [(0, 1), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds_up(Duration::from_millis(wait)), seconds, "{wait} ms");
        }
        assert_eq!(whole_seconds_up(Duration::from_nanos(1_000_000_001)), 2);
    }

    #[test]
    fn a_body_has_every_member_and_its_additions() {
        let fault = FieldFault::new("/items/0/quantity", "insufficient_stock", "Too few.").with("available", 3);
        let problem = Problem::new(StatusCode::CONFLICT, "insufficient_stock", "Not enough.").with_errors(vec![fault]);
        let body: Value = serde_json::from_slice(&problem.with("position", 2).body(Some("r-1"))).unwrap();
        let expected = serde_json::json!({
            "type": "urn:kv-erp:problem:insufficient_stock", "title": "Insufficient stock", "status": 409,
            "detail": "Not enough.", "code": "insufficient_stock", "request_id": "r-1", "retryable": false, "position": 2,
            "errors": [{"pointer": "/items/0/quantity", "code": "insufficient_stock", "detail": "Too few.", "available": 3}],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_library_s_bare_error_becomes_a_problem() {
        let bare = (StatusCode::METHOD_NOT_ALLOWED, "nope").into_response();
        let rendered = render(bare, "r-2");
        assert_eq!(rendered.headers()[CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(rendered.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn an_answer_that_is_no_error_is_left_alone() {
        let rendered = render((StatusCode::OK, "fine").into_response(), "r-3");
        assert_eq!(rendered.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
