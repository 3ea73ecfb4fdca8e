//! Counters and latencies in Prometheus' text format.
//!
//! Invariants: a series exists per route, method and status class that the service itself knows, so no client can make one;
//! counting takes two atomic additions and no lock but a shared read.
//! Absent on purpose: a global recorder. Two services in one process, as in tests, do not mix.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};

use kv_types::histogram::{BOUNDS, DurationCounts, DurationHistogram};

use crate::app::App;

/// The label of requests that no route matched.
pub(super) const UNMATCHED: &str = "unmatched";

/// Methods with a series of their own; any other counts as the last.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "other"];
/// Statuses with a series of their own; any other counts as the last.
const STATUSES: [u16; 23] = [
    200, 201, 202, 204, 207, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 429, HUNG_UP, 500, 503, 0,
];
/// Stands for an answer that nobody waited for: the caller hung up before it was made. nginx counts it so, too.
const HUNG_UP: u16 = 499;

/// Routes with series of their own. There are fewer; this bounds the table whatever happens.
const MAX_ROUTES: usize = 256;

/// What the HTTP face has done.
#[derive(Debug, Default)]
pub struct Metrics {
    routes: RwLock<BTreeMap<String, Arc<Route>>>,
    refused_by_limit: AtomicU64,
}

#[derive(Debug, Default)]
struct Route {
    methods: [Series; METHODS.len()],
}

#[derive(Debug, Default)]
struct Series {
    by_status: [AtomicU64; STATUSES.len()],
    latency: DurationHistogram,
}

/// A request under way: counted when it is dropped, so also when its caller hung up and nobody works on it any more.
pub(super) struct UnderWay<'a> {
    metrics: &'a Metrics,
    route: &'a str,
    method: &'a Method,
    started: Instant,
    status: Option<StatusCode>,
}

impl<'a> UnderWay<'a> {
    pub(super) fn new(metrics: &'a Metrics, route: &'a str, method: &'a Method) -> Self {
        Self { metrics, route, method, started: Instant::now(), status: None }
    }

    /// Counts the request as answered with `status`, and says how long that took.
    pub(super) fn answered(mut self, status: StatusCode) -> Duration {
        self.status = Some(status);
        self.started.elapsed()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let status = self.status.map_or(HUNG_UP, |status| status.as_u16());
        self.metrics.count(self.route, self.method, status, self.started.elapsed());
    }
}

/// A request whose head was read and which nobody has looked at yet: counted when it is dropped so.
pub(crate) struct Arrival {
    app: App,
    method: Method,
    is_begun: bool,
}

impl Arrival {
    pub(crate) fn new(app: App, method: Method) -> Self {
        Self { app, method, is_begun: false }
    }

    /// From here on the request is counted by the route that answers it.
    pub(crate) fn begun(mut self) {
        self.is_begun = true;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if !self.is_begun {
            self.app.metrics().count(UNMATCHED, &self.method, HUNG_UP, Duration::ZERO);
        }
    }
}

impl Metrics {
    /// Counts an answer. `route` is the matched pattern, never the path.
    fn count(&self, route: &str, method: &Method, status: u16, took: Duration) {
        let Some(route) = self.route(route) else { return };
        let series = &route.methods[place(&METHODS, &method.as_str())];
        series.by_status[place(&STATUSES, &status)].fetch_add(1, Ordering::Relaxed);
        series.latency.record(took);
    }

    /// Counts a request that a rate limit refused.
    pub fn count_refused_by_limit(&self) {
        self.refused_by_limit.fetch_add(1, Ordering::Relaxed);
    }

    fn route(&self, route: &str) -> Option<Arc<Route>> {
        if let Some(found) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(route) {
            return Some(Arc::clone(found));
        }
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= MAX_ROUTES {
            return None;
        }
        Some(Arc::clone(routes.entry(route.to_owned()).or_default()))
    }

    /// Writes all series.
    pub fn render(&self, out: &mut String) {
        head(out, "kv_http_requests_total", "counter", "Answers by route, method and status.");
        self.each(|route, method, series| {
            for (status, count) in STATUSES.iter().zip(&series.by_status) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                    line(
                        out,
                        "kv_http_requests_total",
                        &[("route", route), ("method", method), ("status", &status)],
                        count,
                    );
                }
            }
        });
        let (name, help) =
            ("kv_http_request_duration_seconds", "Time from the head of a request to the head of its answer.");
        head(out, name, "histogram", help);
        self.each(|route, method, series| {
            buckets(out, name, &[("route", route), ("method", method)], &series.latency.read());
        });
        head(out, "kv_rate_limited_total", "counter", "Requests that a rate limit refused.");
        line(out, "kv_rate_limited_total", &[], self.refused_by_limit.load(Ordering::Relaxed));
    }

    fn each(&self, mut visit: impl FnMut(&str, &str, &Series)) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        for (name, route) in routes.iter() {
            for (method, series) in METHODS.iter().zip(&route.methods) {
                if series.latency.read().count() > 0 {
                    visit(name, method, series);
                }
            }
        }
    }
}

/// The index of a value, or of the last entry, which stands for everything else.
fn place<T: PartialEq>(known: &[T], value: &T) -> usize {
    known.iter().position(|candidate| candidate == value).unwrap_or(known.len() - 1)
}

/// Begins a metric.
pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
}

/// Writes one sample. Labels come from this program and hold nothing to escape.
pub(crate) fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    out.push_str(name);
    for (index, (label, text)) in labels.iter().enumerate() {
        write!(out, "{}{label}=\"{text}\"", if index == 0 { '{' } else { ',' }).ok();
    }
    out.push_str(if labels.is_empty() { " " } else { "} " });
    writeln!(out, "{value}").ok();
}

/// Writes one histogram: its buckets, each with those below it, the sum in seconds, and how many there are.
pub(super) fn buckets(out: &mut String, name: &str, labels: &[(&str, &str)], counts: &DurationCounts) {
    let mut cumulative = 0;
    let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
    for (bound, count) in bounds.zip(counts.buckets) {
        cumulative += count;
        line(out, &format!("{name}_bucket"), &[labels, &[("le", bound)]].concat(), cumulative);
    }
    line(out, &format!("{name}_sum"), labels, counts.sum_us as f64 / 1e6);
    line(out, &format!("{name}_count"), labels, cumulative);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_latencies_are_counted_by_route_method_and_status() {
        let metrics = Metrics::default();
        for took_us in [900, 1_000, 1_001, 99_000_000] {
            metrics.count("/a/{id}", &Method::GET, 200, Duration::from_micros(took_us));
        }
        metrics.count("/a/{id}", &Method::GET, 418, Duration::ZERO);
        let mut text = String::new();
        metrics.render(&mut text);
        for expected in [
            r#"kv_http_requests_total{route="/a/{id}",method="GET",status="200"} 4"#,
            r#"kv_http_requests_total{route="/a/{id}",method="GET",status="other"} 1"#,
            r#"kv_http_request_duration_seconds_bucket{route="/a/{id}",method="GET",le="0.001"} 3"#,
            r#"kv_http_request_duration_seconds_bucket{route="/a/{id}",method="GET",le="0.0025"} 4"#,
            r#"kv_http_request_duration_seconds_bucket{route="/a/{id}",method="GET",le="10"} 4"#,
            r#"kv_http_request_duration_seconds_bucket{route="/a/{id}",method="GET",le="+Inf"} 5"#,
            r#"kv_http_request_duration_seconds_sum{route="/a/{id}",method="GET"} 99.002901"#,
            r#"kv_http_request_duration_seconds_count{route="/a/{id}",method="GET"} 5"#,
            "kv_rate_limited_total 0",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
        }
    }

    #[test]
    fn a_caller_who_hangs_up_is_counted() {
        let metrics = Metrics::default();
        drop(UnderWay::new(&metrics, "/a", &Method::GET));
        UnderWay::new(&metrics, "/a", &Method::GET).answered(StatusCode::OK);
        let mut text = String::new();
        metrics.render(&mut text);
        for expected in [
            r#"kv_http_requests_total{route="/a",method="GET",status="200"} 1"#,
            r#"kv_http_requests_total{route="/a",method="GET",status="499"} 1"#,
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
        }
    }

    #[test]
    fn the_table_is_bounded() {
        let metrics = Metrics::default();
        for n in 0..MAX_ROUTES * 2 {
            metrics.count(&n.to_string(), &Method::GET, 200, Duration::ZERO);
        }
        assert_eq!(metrics.routes.read().unwrap().len(), MAX_ROUTES);
    }
}
