//! What the answers of the resources have in common, and how the interface's description lists errors.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::IntoResponses;
use utoipa::openapi::response::Response;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use super::problem::Problem;

/// Where the resources lie.
pub const BASE: &str = "/api/v1";

/// 201 with the address of what was made.
pub fn created<T: Serialize>(location: String, made: T) -> impl IntoResponse {
    (StatusCode::CREATED, [(LOCATION, location)], Json(made))
}

/// The object, or 404.
pub fn found<T: Serialize>(object: Option<T>, what: &str) -> Result<Json<T>, Problem> {
    object.map(Json).ok_or_else(|| Problem::not_found(what))
}

/// 204 when there was something to delete, else 404.
pub fn deleted<T>(object: Option<T>, what: &str) -> Result<StatusCode, Problem> {
    object.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| Problem::not_found(what))
}

/// Declares sets of error answers for the description of the interface.
macro_rules! error_answers {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
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
    /// Of making something of a body.
    CreateErrors: 400 403 409 413 415 422;
    /// Of changing an object by a body.
    ChangeErrors: 400 403 404 409 413 415 422;
    /// Of an action on an object, without a body.
    ActErrors: 403 404 409;
    /// Of an action on stock, without a body but with a fence.
    StockActErrors: 403 404 409 422;
}

fn problem(status: u16) -> RefOr<Response> {
    let text = match status {
        400 => "The body is no JSON",
        401 => "No valid token",
        403 => "The account may only look",
        404 => "No such object in this tenant",
        409 => "The state of things does not allow it; code says why",
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
