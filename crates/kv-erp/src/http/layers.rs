//! The outermost layer: every request passes through [`edge`], and every answer leaves with an id and, if it is an error, as a
//! problem.
//!
//! One function instead of a stack of layers, because each layer costs an allocation per request.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use kv_coord::lock::Wait;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::faults;
use super::locks::LOCK_ROUTE;
use super::problem::{self, Problem};
use super::request_id::{RequestId, X_REQUEST_ID};
use crate::app::App;

/// The largest body that is read.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The label of requests that no route matched.
const UNMATCHED: &str = "unmatched";

/// Gives a request its id, its bounds and its place in the metrics.
pub(super) async fn edge(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let method = request.method().clone();
    request.extensions_mut().insert(id.clone());
    let span = tracing::debug_span!("request", id = id.as_str(), %method, route);
    let bounds = Bounds::of(&app, &method, route);
    let response = bounded(bounds, &method, request, next).instrument(span).await;
    let mut response = problem::render(response, id.as_str());
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    let took = started.elapsed();
    app.metrics().count(route, &method, response.status(), took);
    tracing::debug!(id = id.as_str(), %method, route, status = response.status().as_u16(), took_us = took.as_micros(), "answered");
    response
}

/// How many requests of a kind may work at a time, and for how long each.
struct Bounds<'a> {
    places: Option<&'a Semaphore>,
    time: Duration,
}

impl<'a> Bounds<'a> {
    fn of(app: &'a App, method: &Method, route: &str) -> Self {
        let time = app.settings().request_timeout;
        if route == LOCK_ROUTE && *method == Method::POST {
            return Self { places: Some(app.lock_waits()), time: time + Duration::from_millis(Wait::MAX_MS) };
        }
        // A service that is full must still say that it lives.
        let places = route.starts_with(super::BASE).then_some(app.in_flight());
        Self { places, time }
    }
}

async fn bounded(bounds: Bounds<'_>, method: &Method, request: Request, next: Next) -> Response {
    if announces_too_much(request.headers()) {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than 1 MiB.")
            .into_response();
    }
    let _place = match bounds.places.map(Semaphore::try_acquire).transpose() {
        Ok(place) => place,
        Err(_full) => {
            let detail = "The service works on as much as it can.";
            return Problem::unavailable("overloaded", detail, Duration::from_secs(1)).into_response();
        }
    };
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(bounds.time, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            tracing::error!(panic = panic_text(panic.as_ref()), "a handler panicked");
            faults::internal().into_response()
        }
        Err(_elapsed) => timed_out(method).into_response(),
    }
}

fn announces_too_much(headers: &HeaderMap) -> bool {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64)
}

/// A read may simply be repeated; of a write nobody knows here whether it happened.
fn timed_out(method: &Method) -> Problem {
    let detail = "The request took too long; if it was to change something, look whether it did before you repeat it.";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail);
    if method.is_safe() { problem.retry_after(Duration::from_secs(1)) } else { problem }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}
