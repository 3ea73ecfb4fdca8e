//! CSV: one line per second and step, the whole run first, for spreadsheets.
//!
//! Invariants: times are milliseconds with all six decimals, so no nanosecond is lost; what is not known is empty, never
//! 0; lines are ordered by second, then the whole, then the steps in the plan's order.

use csv::{Terminator, WriterBuilder};
use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_model::run_result::{SecondPoint, StepSecond};

use super::{ExportError, WHOLE};

const HEAD: [&str; 14] = [
    "second",
    "step",
    "sent",
    "succeeded",
    "failed",
    "in_flight",
    "users",
    "samples",
    "censored",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "max_ms",
];

/// The whole table.
pub(super) fn render(run: &RunFile) -> Result<Vec<u8>, ExportError> {
    let failed = |source: csv::Error| ExportError::Content { format: "CSV", source: source.into() };
    let mut table = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    table.write_record(HEAD).map_err(failed)?;
    let result = &run.result;
    let mut rests: Vec<&[StepSecond]> = result.steps.iter().map(|step| step.seconds.as_slice()).collect();
    for point in &result.seconds {
        table.write_record(of_point(point)).map_err(failed)?;
        for (step, rest) in result.steps.iter().zip(&mut rests) {
            // A step has no point where nothing ended at it.
            while let Some((second, later)) = rest.split_first().filter(|(second, _)| second.second <= point.second) {
                table.write_record(of_step(&step.name, second)).map_err(failed)?;
                *rest = later;
            }
        }
    }
    table.into_inner().map_err(|error| ExportError::Content { format: "CSV", source: error.to_string().into() })
}

fn of_point(point: &SecondPoint) -> [String; 14] {
    let SecondPoint { second, sent, succeeded, failed, in_flight, users, p50_ns, p95_ns, p99_ns, max_ns } = *point;
    let [p50, p95, p99, max] = [p50_ns, p95_ns, p99_ns, max_ns].map(ms);
    let none = String::new;
    [
        second.to_string(),
        WHOLE.to_owned(),
        sent.to_string(),
        succeeded.to_string(),
        failed.to_string(),
        in_flight.to_string(),
        users.to_string(),
        none(),
        none(),
        none(),
        p50,
        p95,
        p99,
        max,
    ]
}

fn of_step(name: &str, second: &StepSecond) -> [String; 14] {
    let latency: Histogram = second.latency.unpack();
    let none = String::new;
    let at = |share| ms(latency.quantile(share).map(|figure| figure.ns));
    [
        second.second.to_string(),
        name.to_owned(),
        none(),
        second.succeeded.to_string(),
        second.failed.to_string(),
        none(),
        none(),
        latency.count().to_string(),
        latency.censored().to_string(),
        ms(latency.mean().map(|figure| figure.ns)),
        at(0.5),
        at(0.95),
        at(0.99),
        ms(latency.max().map(|figure| figure.ns)),
    ]
}

fn ms(ns: Option<u64>) -> String {
    ns.map_or(String::new(), |ns| format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000))
}
