//! Traces and metrics to an OpenTelemetry collector: OTLP over HTTP, protobuf.
//!
//! Invariants: what waits to be sent is bounded, and over the bound it is dropped and not waited for; a collector that is away costs a
//! warning and no request.

mod client;
mod metrics;

use std::time::Duration;

use opentelemetry::trace::{
    SpanContext, SpanId, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, Registry};

use self::client::Client;
use crate::app::App;
use crate::failure::Failure;
use crate::http::trace_context::TraceContext;

const SERVICE: &str = "kv-erp";
/// How long the collector may take for one delivery.
const PATIENCE: Duration = Duration::from_secs(5);

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    client: Client,
    endpoint: String,
    stop: CancellationToken,
}

impl Exporter {
    /// Must be called within a tokio runtime. Does not wait for the collector.
    pub(super) fn open(endpoint: &str, sample_ratio: f64) -> Result<Self, Failure> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let client = Client::new(PATIENCE);
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client.clone())
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| {
                Failure::usage(format!("--otlp-endpoint cannot be used: {error}")).hint("use http://HOST:4318")
            })?;
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", SERVICE),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample_ratio)));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .with_sampler(sampler)
            .build();
        Ok(Self { provider, client, endpoint, stop: CancellationToken::new() })
    }

    /// Makes traces of the spans.
    pub(super) fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer().with_tracer(self.provider.tracer(SERVICE)).with_level(true).boxed()
    }

    /// Sends the metrics now and then, until this is dropped.
    pub(super) fn export_metrics_of(&self, app: &App) {
        let (app, client) = (app.clone(), self.client.clone());
        let (url, stop) = (format!("{}/v1/metrics", self.endpoint), self.stop.clone());
        tokio::spawn(stop.run_until_cancelled_owned(metrics::keep_exporting(app, client, url)));
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.cancel();
        // The log may be gone by now, and a collector that is away was warned of before.
        self.provider.shutdown_with_timeout(PATIENCE).ok();
    }
}

/// As [`super::join_trace`].
pub(super) fn join_trace(span: &Span, trace: TraceContext) -> TraceContext {
    if let Some(parent_id) = trace.parent_id {
        let flags = if trace.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace_id, parent_id) = (TraceId::from(trace.trace_id), SpanId::from(parent_id));
        let parent = SpanContext::new(trace_id, parent_id, flags, true, TraceState::default());
        // A span that nobody records has no parent to set.
        span.set_parent(Context::new().with_remote_span_context(parent)).ok();
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    if !own.is_valid() {
        return trace;
    }
    TraceContext {
        trace_id: u128::from_be_bytes(own.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(own.span_id().to_bytes()),
        flags: own.trace_flags().to_u8() & 1,
        ..trace
    }
}

/// As [`super::note_status`].
pub(super) fn note_status(span: &Span, status: u16) {
    span.set_attribute("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.set_status(Status::error(""));
    }
}
