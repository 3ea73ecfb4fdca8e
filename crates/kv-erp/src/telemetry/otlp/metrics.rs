//! The metrics of `/metrics` in OTLP's words: the same families, the same numbers, every few seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::Request;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval};

use super::SERVICE;
use super::client::Client;
use crate::app::App;
use crate::http;
use crate::process;
use crate::status::prometheus::{Family, Kind, Sample, parse};

/// How often.
const EVERY: Duration = Duration::from_secs(10);

/// Sends until it is dropped. What a collector misses comes with the next sending, as all counts only grow.
pub(super) async fn keep_exporting(app: App, client: Client, url: String) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_away = false;
    loop {
        ticks.tick().await;
        let text = http::metrics_text(&app).await;
        let request = Request::post(&url)
            .header("content-type", "application/x-protobuf")
            .body(Bytes::from(request(&parse(&text)).encode_to_vec()));
        let sent = match request {
            Ok(request) => client.send(request).await.map(|response| response.status()),
            Err(error) => Err(error.into()),
        };
        match sent {
            Ok(status) if status.is_success() => is_away = false,
            // Once for each time that it goes away.
            _ if is_away => {}
            Ok(status) => {
                is_away = true;
                tracing::warn!(%status, "the collector refuses the metrics");
            }
            Err(error) => {
                is_away = true;
                tracing::warn!(%error, "the collector does not take the metrics");
            }
        }
    }
}

fn request(families: &[Family]) -> ExportMetricsServiceRequest {
    let begun = nanos(process::look().started_unix_s);
    let now = nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
    let metrics = families.iter().map(|family| metric(family, begun, now)).collect();
    let scope = InstrumentationScope { name: SERVICE.to_owned(), ..InstrumentationScope::default() };
    let attributes = vec![attribute("service.name", SERVICE), attribute("service.version", env!("CARGO_PKG_VERSION"))];
    let resource = Resource { attributes, ..Resource::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn metric(family: &Family, begun: u64, now: u64) -> Metric {
    let point = |sample: &Sample| NumberDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: begun,
        time_unix_nano: now,
        value: Some(number_data_point::Value::AsDouble(sample.value)),
        ..NumberDataPoint::default()
    };
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.kind {
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: family.samples.iter().map(point).collect() }),
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: family.samples.iter().map(point).collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: family
                .histograms()
                .iter()
                .map(|series| {
                    let attributes = series.labels.iter().map(|(name, value)| attribute(name, value)).collect();
                    HistogramDataPoint {
                        attributes,
                        start_time_unix_nano: begun,
                        time_unix_nano: now,
                        count: series.count,
                        sum: Some(series.sum),
                        bucket_counts: series.buckets.clone(),
                        explicit_bounds: series.bounds.clone(),
                        ..HistogramDataPoint::default()
                    }
                })
                .collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric { name: family.name.clone(), description: family.help.clone(), data: Some(data), ..Metric::default() }
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    sample.labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn attribute(name: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: name.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn nanos(unix_s: f64) -> u64 {
    (unix_s * 1e9) as u64
}
