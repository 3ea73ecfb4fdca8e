//! What the machinery around a worker asks it: does it live, can it work, what has it done. It has no other face.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::exposition;
use crate::worker::{Worker, metrics};

/// Answers until it is dropped.
pub async fn answer(listener: TcpListener, worker: Worker, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers))
        .with_state((worker, stop));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "nobody answers any more; the work goes on");
    }
}

async fn ready(State((worker, stop)): State<(Worker, CancellationToken)>) -> impl IntoResponse {
    let is_ready = !stop.is_cancelled() && worker.store().ping().await.is_ok() && worker.queue().ping().await.is_ok();
    let (status, word) =
        if is_ready { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    (status, Json(json!({"status": word})))
}

async fn numbers(State((worker, _)): State<(Worker, CancellationToken)>) -> impl IntoResponse {
    let mut text = String::with_capacity(8 * 1024);
    exposition::write_build(&mut text);
    worker.metrics().render(&mut text);
    exposition::write_queue(Some(worker.queue()), &mut text).await;
    metrics::render_outbox(worker.store(), &mut text).await;
    exposition::write_process(&mut text);
    ([(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))], text)
}
