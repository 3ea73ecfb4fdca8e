//! Spans and metrics arrive at a collector: here a small one that keeps what it is sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use sandbox::Login;
use sandbox::testing::eventually;

use crate::process::{Running, place};
use crate::wire::Connection;
use crate::world::{APP_PASSWORD, World};

const PATIENCE: Duration = Duration::from_mins(1);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

type Kept = Arc<Mutex<Vec<(String, Bytes)>>>;

async fn keep(State(kept): State<Kept>, uri: Uri, body: Bytes) -> Bytes {
    kept.lock().unwrap().push((uri.path().to_owned(), body));
    Bytes::new()
}

async fn collector() -> (String, Kept) {
    let kept = Kept::default();
    let router = Router::new().fallback(keep).with_state(Arc::clone(&kept));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, kept)
}

fn spans(kept: &Kept) -> Vec<Span> {
    let kept = kept.lock().unwrap();
    let requests = kept.iter().filter(|(path, _)| path == "/v1/traces");
    let requests = requests.map(|(_, body)| ExportTraceServiceRequest::decode(body.clone()).unwrap());
    requests.flat_map(|request| request.resource_spans).flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[tokio::test]
async fn spans_under_the_caller_s_trace_and_metrics_arrive_at_the_collector() {
    let (place, world) = (place(), World::new().await);
    let (url, kept) = collector().await;
    let database = world.database.url_for(Login::Role { name: "kv_app", password: APP_PASSWORD });
    let args = ["api", "--listen", "127.0.0.1:0", "--database-url", &database, "--otlp-endpoint", &url];
    let api = Running::start_with(place.path(), &args, &[]).await;
    let head = format!(
        "GET /api/v1/customers HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n\r\n",
        world.one.token()
    );
    let answer = Connection::open(api.address).await.exchange(&head).await;
    assert_eq!(answer.status, 200);
    let span = eventually(PATIENCE, async || {
        spans(&kept).into_iter().find(|span| hexadecimal(&span.trace_id) == TRACE && span.name == "request")
    })
    .await;
    assert_eq!(hexadecimal(&span.parent_span_id), "00f067aa0ba902b7");
    let told = answer.header("traceresponse").unwrap();
    assert_eq!(told, format!("00-{TRACE}-{}-01", hexadecimal(&span.span_id)));
    let names: Vec<&str> = span.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    for name in ["route", "method", "tenant", "request_id", "http.response.status_code"] {
        assert!(names.contains(&name), "{name} among {names:?}");
    }
    let metrics = eventually(PATIENCE, async || {
        let kept = kept.lock().unwrap();
        let bodies: Vec<_> = kept.iter().filter(|(path, _)| path == "/v1/metrics").map(|(_, body)| body.clone()).collect();
        let requests = bodies.into_iter().map(|body| ExportMetricsServiceRequest::decode(body).unwrap());
        let metrics = requests.flat_map(|request| request.resource_metrics).flat_map(|of| of.scope_metrics);
        let metrics: Vec<_> = metrics.flat_map(|of| of.metrics).collect();
        let has_requests = metrics.iter().any(|metric| {
            matches!(&metric.data, Some(Data::Sum(sum)) if metric.name == "kv_http_requests_total" && !sum.data_points.is_empty())
        });
        if has_requests { Ok(metrics) } else { Err(metrics.len()) }
    })
    .await;
    let histogram = metrics.iter().find_map(|metric| match &metric.data {
        Some(Data::Histogram(histogram)) if metric.name == "kv_pool_wait_seconds" => histogram.data_points.first(),
        _ => None,
    });
    let point = histogram.expect("waits for the pool are a histogram");
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
    api.process.terminate().await;
    assert!(!api.text().contains("ERROR"), "{}", api.text());
}
