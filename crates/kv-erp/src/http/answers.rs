//! What the answers of the resources have in common, and how the interface's description lists errors.

use std::collections::BTreeMap;

use axum::response::{IntoResponse as _, Response};
use kv_store::StoreError;
use kv_store::idempotency::Done;
use kv_types::Expected;
use serde::Serialize;
use utoipa::IntoResponses;
use utoipa::openapi::response::Response as Described;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use super::etag::{self, Tagged};
use super::problem::Problem;
use super::shown::{Shown, respond};

/// Where the resources lie.
pub const BASE: &str = "/api/v1";

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

/// Declares sets of error answers for the description of the interface.
macro_rules! error_answers {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Described>> {
                // Every authenticated request may meet these four.
                [401, 429, 500, 503 $(, $status)+].into_iter().map(|status| (status.to_string(), problem(status))).collect()
            }
        }
    )+};
}

error_answers! {
    /// Of a list.
    ListErrors: 422;
    /// Of an object by its id.
    GetErrors: 404;
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

fn problem(status: u16) -> RefOr<Described> {
    let text = match status {
        400 => "The body is no JSON",
        401 => "No valid token",
        403 => "The account may only look",
        404 => "No such object in this tenant",
        409 => "The state of things does not allow it; code says why",
        412 => "It is in another state than If-Match says; ETag and current_version tell which",
        428 => "If-Match is missing",
        413 => "The body is larger than 1 MiB",
        415 => "The body is not declared as JSON",
        422 => "A field, a parameter or a reference is wrong; errors lists all of them",
        429 => "Too many requests; see Retry-After",
        500 => "A fault of the service",
        _ => "The service cannot do it now; see Retry-After",
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    RefOr::T(ResponseBuilder::new().description(text).content("application/problem+json", content).build())
}
