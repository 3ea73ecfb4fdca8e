//! The HTTP face: the only place where a status code is chosen.
//!
//! A request passes [`layers`] (id, bounds, metrics), then [`auth`] (who asks) and [`limit`] (how often), then one handler, which
//! reads ([`json`], [`query`]), calls the store, and shows. What went wrong becomes a [`problem`] in [`faults`].

pub mod access;
pub(crate) mod acting;
mod address;
pub mod adjustments;
pub mod answers;
mod api_tokens;
mod audit_log;
pub mod auth;
pub mod batches;
pub mod bodies;
pub mod conflict;
pub mod ctx;
pub mod cursor;
pub mod customers;
mod docs;
pub mod etag;
pub mod events;
mod export_files;
pub mod exports;
mod exposition;
mod faults;
pub mod fields;
pub mod freshness;
pub mod idempotency;
pub mod imports;
pub mod invariants;
pub mod jobs;
pub mod json;
pub mod layers;
mod limit;
pub mod listing;
mod locks;
pub mod metrics;
mod openapi;
mod ops;
pub mod orders;
mod outcomes;
pub mod path;
mod platform;
mod prefer;
pub mod problem;
pub mod products;
pub mod query;
pub mod receipts;
mod refusals;
pub mod request_id;
pub mod reservations;
pub mod resources;
mod server_timing;
pub mod shown;
pub mod stock;
pub mod trace_context;
pub mod transfers;
mod users;
pub mod values;
pub mod warehouses;
pub mod webhooks;
pub mod worker;
pub mod writer;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use answers::{BASE, PLATFORM};
pub use ctx::Ctx;
pub use problem::{FieldFault, Problem};

use crate::app::App;

/// Routes for known callers, below [`BASE`].
fn known() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(auth::session::me))
        .routes(routes!(auth::session::logout))
        .routes(routes!(auth::password::change))
        .merge(users::routes())
        .merge(api_tokens::routes())
        .merge(audit_log::routes())
        .routes(routes!(locks::acquire, locks::inspect, locks::renew, locks::release))
        .merge(idempotency::records::routes())
        .merge(resources::routes())
}

/// Routes for anybody, below [`BASE`].
fn anybody() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(auth::login::login))
}

/// Routes beside the interface.
fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::metrics))
        .routes(routes!(openapi::document))
}

/// The interface's description.
pub fn openapi() -> OpenApi {
    let all = operations().nest(BASE, known().merge(anybody())).nest(PLATFORM, platform::routes());
    openapi::complete(all.into_openapi())
}

/// The interface's description as JSON.
pub fn openapi_json() -> Vec<u8> {
    as_json(&openapi())
}

pub(crate) fn as_json(api: &OpenApi) -> Vec<u8> {
    api.to_pretty_json().expect("the description holds nothing but strings, numbers and lists").into_bytes()
}

/// The text of `/metrics`.
pub async fn metrics_text(app: &App) -> String {
    exposition::render(app).await
}

/// The whole service.
pub fn router(app: App) -> Router {
    let known = Router::from(known())
        .method_not_allowed_fallback(ops::no_method)
        .fallback(ops::no_route)
        .layer(from_fn_with_state(app.clone(), auth::require_caller));
    let anybody = Router::from(anybody()).method_not_allowed_fallback(ops::no_method);
    let platform = Router::from(platform::routes())
        .method_not_allowed_fallback(ops::no_method)
        .fallback(ops::no_route)
        .layer(from_fn_with_state(app.clone(), platform::require_platform));
    Router::from(operations())
        .merge(docs::routes())
        .method_not_allowed_fallback(ops::no_method)
        .nest(BASE, known.merge(anybody))
        .nest(PLATFORM, platform)
        .fallback(ops::no_route)
        .layer(DefaultBodyLimit::max(layers::MAX_BODY_BYTES))
        .layer(from_fn_with_state(app.clone(), layers::edge))
        .with_state(app)
}
