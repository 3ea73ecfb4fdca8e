//! What pgbench prints, in the shapes of versions 13 to 17: the summary, a line of progress, a line of its log.
//!
//! Invariants: a line is known by its words, so unknown lines are passed over and a missing one leaves its figure out;
//! what is no number (`NaN%` of no transactions) is left out too; kept statements are bounded.
//!
//! The shapes: 13 prints two rates, with and without the time to connect; 14 begins with its version and prints one rate;
//! from 15 on failed and retried transactions are counted, and `-r` has columns for them.

mod lines;

use serde::{Deserialize, Serialize};

use super::figure::{Figure, Unit};
use super::record::SecondFigures;
use super::redact;
use crate::histogram::Histogram;
use lines::{after, first_number, ms_after, number_in, share_of};

/// Most statements of a script that are kept.
const STATEMENTS_MAX: usize = 100;

/// What pgbench says when it is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The first line from version 14 on.
    pub version: Option<String>,
    /// Its figures: `tps`, `latency`, `failed` and so on.
    pub figures: Vec<Figure>,
    /// With `-r`: each statement with its mean.
    pub statements: Vec<StatementLatency>,
}

/// One statement of the script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatementLatency {
    /// The statement, shortened.
    pub statement: String,
    /// Mean time, in nanoseconds.
    pub mean_ns: u64,
    /// How often it failed; `None` before version 15.
    pub failures: Option<u64>,
    /// How often it was tried again; `None` without `--max-tries`.
    pub retries: Option<u64>,
}

/// One transaction in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    /// It took so many nanoseconds.
    Done(u64),
    /// It failed, or was never begun.
    Failed,
}

impl Summary {
    /// Reads what pgbench printed to its standard output; `None` when it never came to a rate.
    pub fn parse(text: &str) -> Option<Self> {
        let mut summary = Self { version: None, figures: Vec::new(), statements: Vec::new() };
        let mut columns = 0;
        for line in text.lines() {
            // What stands under one script of several repeats the whole's names.
            let own = !line.starts_with(" - ");
            let line = line.trim().trim_start_matches("- ");
            if let Some(found) = statement_columns(line) {
                columns = found;
            } else if let Some(statement) = statement(line, columns) {
                if summary.statements.len() < STATEMENTS_MAX {
                    summary.statements.push(statement);
                }
            } else if own {
                columns = 0;
                summary.read(line);
            }
        }
        summary.add_failed_share();
        summary.get("tps").is_some().then_some(summary)
    }

    /// The value of a figure.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("pgbench (") {
            self.version = rest.strip_suffix(')').map(str::to_owned);
            return;
        }
        if let Some(rest) = line.strip_prefix("tps = ") {
            // Version 13 prints the rate with the connects first; the one without is the other versions' rate.
            let name = if line.contains("(including connections") { "tps.with_connects" } else { "tps" };
            self.add(name, first_number(rest), Unit::PerSecond);
            return;
        }
        for (words, name) in [
            ("latency average = ", "latency"),
            ("latency stddev = ", "latency.stddev"),
            ("initial connection time = ", "connect"),
            ("average connection time = ", "connect.mean"),
            ("rate limit schedule lag: avg ", "lag"),
        ] {
            self.add(name, ms_after(line, words), Unit::Ns);
        }
        for (words, name) in [
            ("number of transactions actually processed: ", "transactions"),
            ("number of failed transactions: ", "failed.count"),
            ("number of serialization failures: ", "failed.serialization"),
            ("number of deadlock failures: ", "failed.deadlock"),
            ("number of transactions retried: ", "retried"),
            ("total number of retries: ", "retries"),
            ("number of transactions skipped: ", "skipped"),
            ("scaling factor: ", "scale"),
            ("number of clients: ", "clients"),
            ("number of threads: ", "threads"),
        ] {
            self.add(name, after(line, words).and_then(first_number), Unit::Count);
        }
        if line.starts_with("number of transactions above the ") {
            let late = line.split_once("limit: ").and_then(|(_, rest)| share_of(rest));
            self.add("late", late, Unit::Share);
        }
    }

    fn add(&mut self, name: &str, value: Option<f64>, unit: Unit) {
        if let Some(value) = value.filter(|value| value.is_finite() && self.get(name).is_none()) {
            self.figures.push(Figure::new(name, value, unit));
        }
    }

    /// pgbench rounds the share to a thousandth of a percent; the counts say it exactly.
    fn add_failed_share(&mut self) {
        if let (Some(done), Some(failed)) = (self.get("transactions"), self.get("failed.count")) {
            let share = (done + failed > 0.0).then(|| failed / (done + failed));
            self.add("failed", share, Unit::Share);
        }
    }
}

/// `statement latencies in milliseconds, failures and retries:` begins a list of as many columns.
fn statement_columns(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("statement latencies in milliseconds")?;
    Some(1 + usize::from(rest.contains("failures")) + usize::from(rest.contains("retries")))
}

fn statement(line: &str, columns: usize) -> Option<StatementLatency> {
    if columns == 0 {
        return None;
    }
    let (ms, mut rest) = number_in(line)?;
    let mut counts = [None, None];
    for count in counts.iter_mut().take(columns - 1) {
        let (value, left) = number_in(rest)?;
        (*count, rest) = (Some(value as u64), left);
    }
    (ms.is_finite() && !rest.is_empty()).then(|| StatementLatency {
        statement: redact::statement(rest),
        mean_ns: (ms * 1e6) as u64,
        failures: counts[0],
        retries: counts[1],
    })
}

/// Reads a line of `-P`; `None` for any other line.
pub fn progress(line: &str) -> Option<SecondFigures> {
    let rest = line.trim().strip_prefix("progress: ")?;
    let (at, rest) = rest.split_once(" s, ")?;
    let mut second = SecondFigures { at_ns: (at.parse::<f64>().ok()? * 1e9) as u64, figures: Vec::new() };
    for part in rest.split(", ") {
        for (name, value, unit) in progress_part(part) {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                second.figures.push(Figure::new(name, value, unit));
            }
        }
    }
    Some(second)
}

fn progress_part(part: &str) -> Vec<(&'static str, Option<f64>, Unit)> {
    if let Some(rest) = part.strip_prefix("lat ") {
        let (mean, deviation) = rest.split_once(" ms stddev ").unwrap_or((rest, ""));
        let ms = |text: &str| first_number(text).map(|ms| ms * 1e6);
        return vec![("latency", ms(mean), Unit::Ns), ("latency.stddev", ms(deviation), Unit::Ns)];
    }
    if let Some(rest) = part.strip_prefix("lag ") {
        return vec![("lag", first_number(rest).map(|ms| ms * 1e6), Unit::Ns)];
    }
    for (word, name, unit) in [
        (" tps", "tps", Unit::PerSecond),
        (" failed", "failed.count", Unit::Count),
        (" skipped", "skipped", Unit::Count),
        (" retried", "retried", Unit::Count),
        (" retries", "retries", Unit::Count),
    ] {
        if let Some(number) = part.strip_suffix(word) {
            return vec![(name, number.parse().ok(), unit)];
        }
    }
    Vec::new()
}

/// Reads a line of `--log`: client, number, microseconds or a word, script, second, microsecond.
pub fn logged(line: &str) -> Option<Logged> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let time = words.next()?;
    // A line cut off by the end of pgbench has no time of day.
    words.nth(2)?;
    match time {
        "failed" | "skipped" | "serialization" | "deadlock" => Some(Logged::Failed),
        micros => Some(Logged::Done(micros.parse::<u64>().ok()?.saturating_mul(1_000))),
    }
}

/// The percentiles of logged transactions, as figures.
pub fn percentiles(histogram: &Histogram) -> Vec<Figure> {
    let quantile =
        |name: &str, share: f64| histogram.quantile(share).map(|figure| Figure::new(name, figure.ns as f64, Unit::Ns));
    let max = histogram.max().map(|figure| Figure::new("latency.max", figure.ns as f64, Unit::Ns));
    let figures = [quantile("latency.p50", 0.5), quantile("latency.p95", 0.95), quantile("latency.p99", 0.99), max];
    figures.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
