//! JSON: the run file with the chief figures under the names oha prints, and those figures alone.
//!
//! Invariants: times under oha's names are seconds, as there; shares are of all asked requests, so that a request cut at
//! the deadline counts; a figure that was not measured is `null`, never 0.
//! Absent on purpose: look-up times of names, which are part of connecting here.

use std::collections::BTreeMap;

use serde::Serialize;
use stampede_model::histogram::Histogram;
use stampede_model::run::{Metrics, RunFile};
use stampede_model::run_result::{Counts, SecondPoint};
use stampede_model::run_trust::Trust;
use stampede_model::threshold::Judged;

use super::ExportError;
use crate::stress;
use crate::words::Outcome;

const PERCENTS: [f64; 9] = [10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];
const BARS: u64 = 11;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oha {
    summary: Summary,
    response_time_histogram: BTreeMap<String, u64>,
    latency_percentiles: BTreeMap<String, Option<f64>>,
    first_byte_percentiles: BTreeMap<String, Option<f64>>,
    rps: Option<Rps>,
    details: Details,
    status_code_distribution: BTreeMap<String, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    success_rate: f64,
    total: f64,
    slowest: Option<f64>,
    fastest: Option<f64>,
    average: Option<f64>,
    requests_per_sec: f64,
    total_data: u64,
    size_per_request: Option<u64>,
    size_per_sec: f64,
}

#[derive(Serialize)]
struct Rps {
    mean: f64,
    stddev: f64,
    max: f64,
    min: f64,
    percentiles: BTreeMap<String, f64>,
}

#[derive(Serialize)]
struct Details {
    #[serde(rename = "DNSDialup")]
    dial_up: Triple,
    #[serde(rename = "firstByte")]
    first_byte: Triple,
}

#[derive(Serialize)]
struct Triple {
    average: Option<f64>,
    fastest: Option<f64>,
    slowest: Option<f64>,
}

/// Everything: the run file with oha's names beside its own.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    oha: Oha,
    #[serde(flatten)]
    run: &'a RunFile,
}

/// The figures without the measurement.
#[derive(Serialize)]
struct Figures<'a> {
    verdict: &'static str,
    #[serde(flatten)]
    oha: Oha,
    metrics: &'a Metrics,
    counts: &'a Counts,
    thresholds: &'a [Judged],
    trust: &'a Trust,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stress: Vec<stress::Brief<'a>>,
}

/// The run file as bytes, on one line.
pub(super) fn document(run: &RunFile) -> Result<Vec<u8>, ExportError> {
    let document = Document { oha: Oha::of(run), run };
    let mut bytes = serde_json::to_vec(&document)
        .map_err(|source| ExportError::Content { format: "JSON", source: source.into() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The chief figures as indented text.
pub(crate) fn figures_json(run: &RunFile) -> String {
    let figures = Figures {
        verdict: Outcome::of(run).word(),
        oha: Oha::of(run),
        metrics: &run.metrics,
        counts: &run.result.counts,
        thresholds: &run.thresholds,
        trust: &run.trust,
        stress: run.stress.iter().map(stress::Brief::of).collect(),
    };
    let mut text = serde_json::to_string_pretty(&figures).expect("numbers, words and maps of words are always JSON");
    text.push('\n');
    text
}

impl Oha {
    fn of(run: &RunFile) -> Self {
        let result = &run.result;
        let (intent, first_byte) = (&result.latency.intent, &result.latency.first_byte);
        let Triple { average, fastest, slowest } = Triple::of(intent);
        let total = result.elapsed_ns as f64 / 1e9;
        let data = result.traffic.body_bytes;
        Self {
            summary: Summary {
                success_rate: result.success_share(),
                total,
                slowest,
                fastest,
                average,
                requests_per_sec: result.answered_per_s(),
                total_data: data,
                size_per_request: data.checked_div(result.counts.answered),
                size_per_sec: if total > 0.0 { data as f64 / total } else { 0.0 },
            },
            response_time_histogram: bars(intent),
            latency_percentiles: percentiles(intent),
            first_byte_percentiles: percentiles(first_byte),
            rps: Rps::of(&result.seconds, result.point_s),
            details: Details { dial_up: Triple::of(&result.latency.connect), first_byte: Triple::of(first_byte) },
            status_code_distribution: result
                .statuses
                .iter()
                .map(|(status, count)| (status.to_string(), *count))
                .collect(),
            error_distribution: result
                .failures
                .iter()
                .map(|failure| (failure.kind.label().to_owned(), failure.count))
                .collect(),
        }
    }
}

impl Triple {
    fn of(histogram: &Histogram) -> Self {
        let [average, fastest, slowest] =
            [histogram.mean(), histogram.min(), histogram.max()].map(|figure| figure.map(|figure| seconds(figure.ns)));
        Self { average, fastest, slowest }
    }
}

impl Rps {
    /// Ended requests per second, over the points of the run.
    fn of(points: &[SecondPoint], width_s: u32) -> Option<Self> {
        let width = f64::from(width_s.max(1));
        let mut rates: Vec<f64> = points.iter().map(|point| (point.succeeded + point.failed) as f64 / width).collect();
        rates.sort_by(f64::total_cmp);
        let (min, max) = (*rates.first()?, *rates.last()?);
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let squares: f64 = rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        let stddev = if rates.len() > 1 { (squares / (rates.len() - 1) as f64).sqrt() } else { 0.0 };
        let at = |percent: f64| {
            let rank = (percent / 100.0 * rates.len() as f64).ceil() as usize;
            rates[rank.clamp(1, rates.len()) - 1]
        };
        let percentiles = PERCENTS.iter().map(|percent| (format!("p{percent}"), at(*percent))).collect();
        Some(Self { mean, stddev, max, min, percentiles })
    }
}

fn percentiles(histogram: &Histogram) -> BTreeMap<String, Option<f64>> {
    let at = |percent: f64| histogram.quantile(percent / 100.0).map(|figure| seconds(figure.ns));
    PERCENTS.iter().map(|percent| (format!("p{percent}"), at(*percent))).collect()
}

/// Upper ends of equal bars in seconds, and the samples in each.
fn bars(histogram: &Histogram) -> BTreeMap<String, u64> {
    let (Some(min), Some(max)) = (histogram.min(), histogram.max()) else { return BTreeMap::new() };
    let width = ((max.ns - min.ns) / BARS).max(1);
    let upto = |bar: u64| if bar + 1 >= BARS { max.ns } else { (min.ns + width * (bar + 1)).min(max.ns) };
    let mut bars: BTreeMap<String, u64> = (0..BARS).map(|bar| (seconds(upto(bar)).to_string(), 0)).collect();
    for (ns, samples) in histogram.steps() {
        let bar = (ns.saturating_sub(min.ns) / width).min(BARS - 1);
        *bars.entry(seconds(upto(bar)).to_string()).or_default() += samples;
    }
    bars
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
