//! What the machinery around the service asks: does it live, is it ready, how is it doing, what does it offer.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use kv_store::conflict::Conflict;
use serde::Serialize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use utoipa::ToSchema;

use super::metrics::{head, line};
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
    const PATIENCE: Duration = Duration::from_secs(2);
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
    let mut text = String::with_capacity(16 * 1024);
    app.metrics().render(&mut text);
    write_pool(&app, &mut text);
    write_stock(&app, &mut text);
    write_conflicts(&app, &mut text);
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text)
}

fn write_pool(app: &App, out: &mut String) {
    let pool = app.store().pool_status();
    head(out, "kv_pool_connections", "gauge", "Database connections of the pool.");
    line(out, "kv_pool_connections", &[("state", "open")], pool.size);
    line(out, "kv_pool_connections", &[("state", "idle")], pool.available);
    line(out, "kv_pool_connections", &[("state", "allowed")], pool.max_size);
    head(out, "kv_pool_waiting", "gauge", "Requests that wait for a database connection.");
    line(out, "kv_pool_waiting", &[], pool.waiting);
    head(out, "kv_places_free", "gauge", "How many more requests of a kind may work at the same time.");
    line(out, "kv_places_free", &[("kind", "request")], app.in_flight().available_permits());
    line(out, "kv_places_free", &[("kind", "lock_wait")], app.lock_waits().available_permits());
    line(out, "kv_places_free", &[("kind", "proof")], app.proofs().free());
}

fn write_stock(app: &App, out: &mut String) {
    let stats = app.store().stock().stats();
    let counters = [
        ("kv_stock_batches_total", "Transactions of the stock writers.", &stats.batches),
        ("kv_stock_commands_total", "Commands decided in them.", &stats.commands),
        ("kv_stock_failed_batches_total", "Transactions of the stock writers that failed.", &stats.failed_batches),
        (
            "kv_stock_deadlocks_total",
            "Deadlocks and serialisation failures of batches; the aim is none.",
            &stats.deadlocks,
        ),
    ];
    for (name, help, counter) in counters {
        head(out, name, "counter", help);
        line(out, name, &[], counter.load(Ordering::Relaxed));
    }
    head(out, "kv_stock_largest_batch", "gauge", "The most commands that shared one transaction.");
    line(out, "kv_stock_largest_batch", &[], stats.largest_batch.load(Ordering::Relaxed));
}

fn write_conflicts(app: &App, out: &mut String) {
    const NAME: &str = "kv_database_retries_total";
    head(
        out,
        NAME,
        "counter",
        "Transactions that PostgreSQL rolled back in favour of others and that were begun anew.",
    );
    for conflict in Conflict::ALL {
        line(out, NAME, &[("code", conflict.code())], app.store().conflicts().retries(conflict));
    }
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
