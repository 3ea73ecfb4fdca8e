//! HdrHistogram's two files: the percentile distribution (`.hgrm`) and the interval log (`.hlog`).
//!
//! Invariants: values are microseconds from the intended start, three significant digits; a value under one microsecond
//! is one; the log has, for each point in which something ended, one untagged line for the whole run and one tagged line
//! per step.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::Histogram as Hdr;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_model::run_result::{LoadResult, StepResult, StepSecond};

use super::ExportError;

const DIGITS: u8 = 3;
/// The log's column of maxima is in milliseconds, as its readers expect.
const US_PER_MS: f64 = 1_000.0;

/// The percentile distribution of the whole run, from intent.
pub(super) fn distribution(run: &RunFile) -> String {
    let intent = &run.result.latency.intent;
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut seen = 0;
    for (ns, samples) in intent.steps() {
        seen += samples;
        let share = seen as f64 / intent.count() as f64;
        let us = ns as f64 / 1e3;
        let _infallible = write!(text, "{us:>12.3} {share:>2.12} {seen:>10}");
        // The last line has no inverse: it would be infinite.
        let _infallible =
            if seen < intent.count() { writeln!(text, " {:>14.2}", 1.0 / (1.0 - share)) } else { writeln!(text) };
    }
    let us = |figure: Option<stampede_model::histogram::Figure>| figure.map_or(0.0, |figure| figure.ns as f64 / 1e3);
    let (mean, max, deviation) = (us(intent.mean()), us(intent.max()), deviation_us(intent));
    let _infallible = writeln!(text, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]");
    let _infallible = writeln!(text, "#[Max     = {max:>12.3}, Total count    = {:>12}]", intent.count());
    text
}

fn deviation_us(histogram: &Histogram) -> f64 {
    let count = histogram.count() as f64;
    let mean = histogram.sum_ns() as f64 / count.max(1.0);
    let squares: f64 = histogram.steps().map(|(ns, samples)| (ns as f64 - mean).powi(2) * samples as f64).sum();
    (squares / count.max(1.0)).sqrt() / 1e3
}

/// The interval log.
pub(super) fn log(run: &RunFile) -> Result<Vec<u8>, ExportError> {
    let result = &run.result;
    let tags = tags(&result.steps);
    let start = UNIX_EPOCH + Duration::from_nanos(run.started_unix_ns);
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut head = IntervalLogWriterBuilder::new();
    head.add_comment("[stampede: values in microseconds from the intended start; tags are steps]")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(US_PER_MS);
    let mut log = head.begin_log_with(&mut bytes, &mut serializer).map_err(failed)?;
    let mut line = |at_s: u32, hdr: &Hdr<u64>, tag: Option<&str>| {
        let (from, length) = (Duration::from_secs(at_s.into()), Duration::from_secs(result.point_s.max(1).into()));
        log.write_histogram(hdr, from, length, tag.and_then(Tag::new)).map_err(|error| failed(format!("{error:?}")))
    };
    let mut part = Hdr::new(DIGITS).map_err(failed)?;
    for (second, steps) in by_second(result) {
        let mut whole = Hdr::new(DIGITS).map_err(failed)?;
        for (_, ended) in &steps {
            fill(&mut whole, &ended.latency.unpack())?;
        }
        line(second, &whole, None)?;
        for (step, ended) in steps {
            part.reset();
            fill(&mut part, &ended.latency.unpack())?;
            line(second, &part, Some(&tags[step]))?;
        }
    }
    Ok(bytes)
}

/// The seconds in which something ended, with the steps at which it did.
fn by_second(result: &LoadResult) -> impl Iterator<Item = (u32, Vec<(usize, &StepSecond)>)> {
    let mut rests: Vec<&[StepSecond]> = result.steps.iter().map(|step| step.seconds.as_slice()).collect();
    std::iter::from_fn(move || {
        let second = rests.iter().filter_map(|rest| rest.first()).map(|first| first.second).min()?;
        let mut here = Vec::new();
        for (step, rest) in rests.iter_mut().enumerate() {
            if let Some((first, later)) = rest.split_first().filter(|(first, _)| first.second == second) {
                here.push((step, first));
                *rest = later;
            }
        }
        Some((second, here))
    })
}

fn fill(hdr: &mut Hdr<u64>, from: &Histogram) -> Result<(), ExportError> {
    for (ns, samples) in from.steps() {
        hdr.record_n((ns.saturating_add(500) / 1_000).max(1), samples).map_err(failed)?;
    }
    Ok(())
}

/// Names of steps as tags, which may hold neither commas nor blanks; two that become the same are numbered.
fn tags(steps: &[StepResult]) -> Vec<String> {
    let mut taken = HashSet::new();
    let letter =
        |letter: char| if letter == ',' || letter.is_whitespace() || letter.is_control() { '_' } else { letter };
    let tag = |(place, step): (usize, &StepResult)| {
        let plain: String = step.name.chars().map(letter).collect();
        let tag = if taken.contains(&plain) || plain.is_empty() { format!("{plain}#{place}") } else { plain };
        taken.insert(tag.clone());
        tag
    };
    steps.iter().enumerate().map(tag).collect()
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ExportError {
    ExportError::Content { format: "HdrHistogram's log", source: source.into() }
}
