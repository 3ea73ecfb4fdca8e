//! The outermost layer: every request passes through [`edge`], and every answer leaves with an id and, if it is an error, as a
//! problem.
//!
//! One function instead of a stack of layers, because each layer costs an allocation per request.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use kv_coord::lock::Wait;
use kv_store::{replicas, spent};
use tokio::sync::Semaphore;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::faults;
use super::freshness;
use super::imports::{UPLOAD_ROUTE, UPLOAD_TIME};
use super::invariants::PROOF_ROUTE;
use super::locks::LOCK_ROUTE;
use super::metrics::{UNMATCHED, UnderWay};
use super::problem::{self, ErrorCode, Problem};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::server_timing::{self, SERVER_TIMING};
use super::trace_context::{TRACERESPONSE, TraceContext};
use crate::app::App;
use crate::telemetry;

/// The largest body that is read.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Gives a request its id, its bounds and its place in the metrics.
pub(super) async fn edge(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let method = request.method().clone();
    let under_way = UnderWay::new(app.metrics(), route, &method);
    request.extensions_mut().insert(id.clone());
    let trace = TraceContext::of(request.headers());
    let span = request_span(&id, trace, (&method, route));
    let trace = telemetry::join_trace(&span, trace);
    request.extensions_mut().insert(trace);
    let bounds = Bounds::of(&app, &method, route);
    let wanted = freshness::of_request(&method, request.headers());
    let work = bounded(bounds, &method, request, next).instrument(span.clone());
    let (response, spent) = spent::measure(replicas::within(wanted, work)).await;
    let mut response = problem::render(response, id.as_str());
    freshness::add_token(app.store(), &method, &mut response).await;
    response.headers_mut().insert(X_REQUEST_ID, id.header());
    response.headers_mut().insert(TRACERESPONSE, trace.header());
    let took = under_way.answered(response.status());
    if let Some(timing) = server_timing::header(took, spent) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    telemetry::note_status(&span, response.status().as_u16());
    span.in_scope(|| log_answer(&response, took));
    response
}

/// What every line of the log about a request says: which one, whose, and where. The tenant is known later.
fn request_span(id: &RequestId, trace: TraceContext, (method, route): (&Method, &str)) -> Span {
    let trace_id = format_args!("{:032x}", trace.trace_id);
    tracing::info_span!("request", request_id = id.as_str(), %trace_id, %method, route, tenant = Empty)
}

/// One line for each request that failed, with its code: `ERROR` when the service or what it needs is to blame, `INFO` when the
/// request was refused. One that a rate limit turned away leaves no line, as limits are there to be cheap.
fn log_answer(response: &Response, took: Duration) {
    let status = response.status();
    let code = response.extensions().get::<ErrorCode>().map_or("", |code| code.0);
    let (status_code, took_us) = (status.as_u16(), took.as_micros() as u64);
    if status.is_server_error() {
        tracing::error!(status = status_code, code, took_us, "request failed");
    } else if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        tracing::info!(status = status_code, code, took_us, "request refused");
    } else {
        tracing::debug!(status = status_code, code, took_us, "answered");
    }
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
        if route == UPLOAD_ROUTE && *method == Method::PUT {
            return Self { places: Some(app.uploads()), time: UPLOAD_TIME };
        }
        // A service that is full must still say that it lives.
        let is_bounded = route.starts_with(super::BASE) || route.starts_with(super::PLATFORM);
        let places = is_bounded.then_some(app.in_flight());
        if route == PROOF_ROUTE {
            return Self { places, time: time + app.settings().proof_timeout };
        }
        Self { places, time }
    }
}

async fn bounded(bounds: Bounds<'_>, method: &Method, request: Request, next: Next) -> Response {
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

/// 413 for a body that says itself that it is too large: it need not be sent. One that does not say is found while reading.
pub(super) fn refuse_announced_size(request: &Request) -> Result<(), Problem> {
    if request.extensions().get::<MatchedPath>().is_some_and(|path| path.as_str() == UPLOAD_ROUTE) {
        return Ok(());
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        let detail = "The body is larger than 1 MiB.";
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::HeaderMap;
    use axum::middleware::from_fn_with_state;
    use axum::routing::{get, post};
    use kv_coord::lock::Epoch;
    use kv_store::{Store, StoreConfig};
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::app::{Coordination, HttpSettings};

    /// An app whose database is never asked.
    fn app(request_timeout: Duration) -> App {
        let store = Store::open(&StoreConfig::new("host=/nonexistent dbname=none".parse().unwrap())).unwrap();
        let settings = HttpSettings { request_timeout, ..HttpSettings::default() };
        App::new(store, Coordination::in_process(Epoch::new(1).unwrap()), settings)
    }

    async fn never() {
        std::future::pending::<()>().await;
    }

    async fn broken() -> &'static str {
        panic!("the handler is broken")
    }

    async fn ask(app: &App, line: &str) -> (StatusCode, HeaderMap, Value) {
        let router = Router::new()
            .route("/api/v1/never", get(never).post(never))
            .route("/api/v1/broken", get(broken))
            .route("/healthz", post(never))
            .layer(from_fn_with_state(app.clone(), edge))
            .with_state(app.clone());
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_with_the_request_s_id() {
        let (status, headers, body) = ask(&app(Duration::from_secs(10)), "GET /api/v1/broken").await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (500, Some("internal")));
        assert_eq!(body["request_id"], headers["x-request-id"].to_str().unwrap());
        assert!(!body.to_string().contains("handler is broken"), "the cause is for the log only");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_ended() {
        let app = app(Duration::from_millis(20));
        let (status, headers, body) = ask(&app, "GET /api/v1/never").await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (503, Some("timeout")));
        assert_eq!((&headers["retry-after"], &body["retryable"]), (&"1".parse().unwrap(), &true.into()));
        let (status, headers, body) = ask(&app, "POST /api/v1/never").await;
        assert_eq!((status.as_u16(), &body["retryable"]), (503, &false.into()), "a write may have happened");
        assert!(!headers.contains_key("retry-after"));
    }

    #[tokio::test]
    async fn a_full_service_turns_requests_away_but_not_the_probes() {
        let app = app(Duration::from_millis(20));
        let everything = u32::try_from(app.in_flight().available_permits()).unwrap();
        let all = app.in_flight().acquire_many(everything).await.unwrap();
        let (status, headers, body) = ask(&app, "GET /api/v1/never").await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (503, Some("overloaded")));
        assert_eq!(headers["retry-after"], "1");
        let (_, _, body) = ask(&app, "POST /healthz").await;
        assert_eq!(body["code"], "timeout", "it was let in");
        drop(all);
        let (_, _, body) = ask(&app, "GET /api/v1/broken").await;
        assert_eq!(body["code"], "internal", "places are given back");
    }
}
