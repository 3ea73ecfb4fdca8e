//! What the machinery around the service asks: does it live, is it ready, how is it doing, what does it offer.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

use super::exposition;
use super::problem::{Problem, ProblemBody};
use crate::app::App;

const NO_STORE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
}

/// Whether the process lives. It asks nobody else: a database that is away is no reason to restart this.
#[utoipa::path(get, path = "/healthz", tag = "operations", security(()), responses(
    (status = 200, description = "It does.", body = Health),
))]
pub(crate) async fn healthz() -> impl IntoResponse {
    ([NO_STORE], Json(Health { status: "ok" }))
}

/// Whether requests can be served: not while stopping, not without the database.
#[utoipa::path(get, path = "/readyz", tag = "operations", security(()), responses(
    (status = 200, description = "They can.", body = Health),
    (status = 503, description = "They cannot.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    match readiness(&app).await {
        Ok(()) => ([NO_STORE], Json(Health { status: "ok" })).into_response(),
        Err(problem) => ([NO_STORE], problem).into_response(),
    }
}

async fn readiness(app: &App) -> Result<(), Problem> {
    // Shorter than the second that Kubernetes and most balancers wait: "no" tells them more than silence.
    const PATIENCE: Duration = Duration::from_millis(750);
    if app.draining().is_cancelled() {
        return Err(Problem::unavailable("draining", "The service is stopping.", Duration::from_secs(1)));
    }
    match tokio::time::timeout(PATIENCE, app.store().ping()).await {
        Ok(answer) => Ok(answer?),
        Err(_late) => Err(Problem::unavailable("unavailable", "The database does not answer.", Duration::from_secs(1))),
    }
}

/// Counters and gauges for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()), responses(
    (status = 200, description = "Prometheus' text format.", body = String, content_type = "text/plain"),
))]
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let text = exposition::render(&app).await;
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text)
}

/// 404 for an address that is none.
pub(super) async fn no_route() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address; see /openapi.json.")
}

/// 405 for an address that does not take the method. The router adds `Allow`.
pub(super) async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This address does not take this method; see Allow.",
    )
}
