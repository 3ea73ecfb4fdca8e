//! What the answers of the resources have in common, and how the interface's description lists errors.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kv_store::StoreError;
use kv_store::idempotency::Done;
use kv_types::Expected;
use serde::Serialize;
use utoipa::IntoResponses;
use utoipa::openapi::response::Response as Described;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use super::etag::{self, Tagged};
use super::problem::{FieldFault, Problem};
use super::shown::{Shown, respond};

/// Where the resources lie.
pub const BASE: &str = "/api/v1";

/// Where the platform manages tenants.
pub const PLATFORM: &str = "/platform/v1";

/// The object, or 404.
pub fn found<T>(object: Option<T>, what: &str) -> Result<T, Problem> {
    object.ok_or_else(|| Problem::not_found(what))
}

/// What the making of something was answered.
pub fn done<T>(done: Option<Done<T>>, what: &str, show: impl FnOnce(&T) -> Shown) -> Result<Response, Problem> {
    respond(found(done, what)?, show)
}

/// What a write under a condition was answered. When it found nothing to write to, a look at the thing tells why: 404 when it is not
/// there, or 412 with the state it is in.
pub async fn done_if<T, U: Tagged>(
    done: Option<Done<T>>,
    show: impl FnOnce(&T) -> Shown,
    (look, what): (impl Future<Output = Result<Option<U>, StoreError>>, &str),
) -> Result<Response, Problem> {
    match done {
        Some(done) => respond(done, show),
        None => Err(etag::mismatch(found(look.await?, what)?.revision())),
    }
}

/// The answer to a change of nothing: the thing as it is, if it is in a state that is expected.
pub fn unchanged<T: Serialize + Tagged>(thing: &T, expected: &Expected) -> Result<Response, Problem> {
    if expected.admits(thing.revision()) {
        Ok(Shown::revised(thing).into_response())
    } else {
        Err(etag::mismatch(thing.revision()))
    }
}

/// What every authenticated request may meet.
pub const COMMON_STATUSES: [u16; 5] = [401, 403, 429, 500, 503];

/// Every status that a problem is described with.
const PROBLEM_STATUSES: [u16; 13] = [400, 401, 403, 404, 409, 412, 413, 415, 422, 428, 429, 500, 503];

/// Declares sets of error answers for the description of the interface.
macro_rules! error_answers {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Described>> {
                let own = [$($status),+];
                COMMON_STATUSES.into_iter().chain(own).map(|status| (status.to_string(), problem_ref(status))).collect()
            }
        }
    )+};
}

error_answers! {
    /// Of a list.
    ListErrors: 422;
    /// Of an object by its id.
    GetErrors: 404 422;
    /// Of a proof.
    AuditErrors: 403 409;
    /// Of making something of a body.
    CreateErrors: 400 403 409 413 415 422;
    /// Of changing an object by a body.
    ChangeErrors: 400 403 404 409 413 415 422;
    /// Of changing an object by a body, under a condition that must be given.
    PatchErrors: 400 403 404 409 412 413 415 422 428;
    /// Of changing an object by a body, under a condition that may be given.
    MatchedChangeErrors: 400 403 404 409 412 413 415 422;
    /// Of an action on an object without a body, under a condition that may be given.
    MatchedActErrors: 403 404 409 412 422;
    /// Of an action on an object, without a body.
    ActErrors: 403 404 409 422;
    /// Of an action on stock, without a body but with a fence.
    StockActErrors: 403 404 409 422;
}

/// A problem of this status, described once for all operations.
pub fn problem_ref(status: u16) -> RefOr<Described> {
    RefOr::Ref(Ref::from_response_name(format!("Problem{status}")))
}

/// The descriptions that [`problem_ref`] leads to, by name.
pub fn problem_answers() -> impl Iterator<Item = (String, RefOr<Described>)> {
    PROBLEM_STATUSES.into_iter().map(|status| (format!("Problem{status}"), problem_answer(status)))
}

/// How a problem of this status is described, with an example.
fn problem_answer(status: u16) -> RefOr<Described> {
    let (text, code, detail) = match status {
        400 => ("The body is no JSON", "invalid_json", "The body is not JSON: expected value at line 1 column 14."),
        401 => ("No valid token", "token_invalid", "The token is unknown, revoked or expired."),
        403 => (
            "The account's role is too low, the token has not the scope, or the tenant is suspended; code says which",
            "role_too_low",
            "This takes the role manager or a higher one; the account has clerk.",
        ),
        404 => ("No such object in this tenant", "not_found", "There is no such order."),
        409 => (
            "The state of things does not allow it; code says why",
            "insufficient_stock",
            "There is not enough stock for 1 of the lines; nothing was written.",
        ),
        412 => (
            "It is in another state than If-Match says; ETag and current_version tell which",
            "version_mismatch",
            "It has changed: it is at version 8.",
        ),
        413 => ("The body is larger than 1 MiB", "payload_too_large", "The body is larger than 1 MiB."),
        415 => ("The body is not declared as JSON", "unsupported_media_type", "Send the body as application/json."),
        422 => (
            "A field, a parameter or a reference is wrong; errors lists all of them",
            "validation_failed",
            "must be a whole number from 1 to 1000000",
        ),
        428 => ("If-Match is missing", "precondition_required", "Send If-Match with the ETag of what you saw."),
        429 => {
            ("Too many requests; see Retry-After", "rate_limited", "60 requests are allowed in 60 s; see Retry-After.")
        }
        500 => {
            ("A fault of the service", "internal", "The service failed; the log has the cause under the request's id.")
        }
        _ => (
            "The service cannot do it now; see Retry-After",
            "unavailable",
            "The database is not reachable; nothing was written.",
        ),
    };
    let example = Problem::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, detail);
    let example = match status {
        409 => example.with_errors(vec![shortage()]),
        422 => example.with_errors(vec![FieldFault::new("/items/0/quantity", "out_of_range", detail)]),
        429 | 503 => example.retry_after(Duration::from_secs(1)),
        _ => example,
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(serde_json::from_slice(&example.body(Some("01960000-0000-7000-8000-00000000000f"))).ok())
        .build();
    RefOr::T(ResponseBuilder::new().description(text).content("application/problem+json", content).build())
}

fn shortage() -> FieldFault {
    FieldFault::new("/items/0/quantity", "insufficient_stock", "5 asked for, 3 available.")
        .with("product_id", "01960000-0000-7000-8000-000000000002")
        .with("requested", 5)
        .with("available", 3)
}
