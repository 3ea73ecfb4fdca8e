//! Reading a run file back: each way in which it can be wrong has its own error.
//!
//! Invariants: a file that contradicts itself is refused, so no figure is ever shown that the rest of the file denies;
//! reading is bounded ([`MAX_BYTES`]). Fields that this version does not know are passed over.
//! Absent on purpose: repair, and reading of other versions.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::error::Category;
use stampede_model::run::{FORMAT, LatencyMs, Metrics, RunFile, VERSION};
use stampede_model::run_result::{Counts, FailureCount, LoadResult};
use stampede_model::stress::{STRESS_FORMAT, STRESS_VERSION, StressRun};
use thiserror::Error;

use crate::stress;

/// Largest file that is read. The longest run of two hundred steps stays far below it.
pub const MAX_BYTES: u64 = 1 << 30;
/// A number may lose its last digit on the way through JSON.
const SAME: f64 = 1e-9;

/// A run file that cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file does not open or does not read.
    #[error("cannot read it")]
    Io(#[source] io::Error),
    /// Larger than [`MAX_BYTES`].
    #[error("it is larger than {MAX_BYTES} bytes: no run file is")]
    TooLarge,
    /// Nothing is in it.
    #[error("the file is empty: the run that should have written it did not finish")]
    Empty,
    /// It ends in the middle.
    #[error("it ends in the middle (line {line}, column {column}): it was not written to its end")]
    Truncated {
        /// Line of the end.
        line: usize,
        /// Column of the end.
        column: usize,
    },
    /// Not JSON.
    #[error("it is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first mistake.
        line: usize,
        /// Its column.
        column: usize,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// JSON of another kind.
    #[error("it is no load run: its `format` is {found}, not `{FORMAT}`")]
    Format {
        /// What stands there.
        found: String,
    },
    /// JSON of a kind that no report can be made of.
    #[error("it is no run: its `format` is {found}, neither `{FORMAT}` nor `{STRESS_FORMAT}`")]
    NoRun {
        /// What stands there.
        found: String,
    },
    /// A version that this build does not read.
    #[error("it is version {found} of the format; this build reads version {reads}: use the stampede that wrote it")]
    Version {
        /// What stands there.
        found: String,
        /// What this build reads.
        reads: u32,
    },
    /// A field is missing or of the wrong type.
    #[error("a field is damaged")]
    Damaged(#[source] serde_json::Error),
    /// Its parts deny each other.
    #[error("it contradicts itself: {what}")]
    Contradiction {
        /// Which parts.
        what: String,
    },
}

/// What a file holds.
#[derive(Clone, Debug)]
pub enum Record {
    /// A load run, perhaps with stress runs beside it.
    Load(Box<RunFile>),
    /// A stress run.
    Stress(Box<StressRun>),
}

/// What tells a run file from other JSON.
#[derive(Deserialize)]
struct Head {
    format: Option<serde_json::Value>,
    version: Option<serde_json::Value>,
}

/// Reads the run file at `path`.
///
/// # Errors
/// As [`parse`], and when the file does not read.
pub fn read(path: &Path) -> Result<RunFile, ReadError> {
    parse(&bytes_of(path)?)
}

/// Reads the file of a load run or of a stress run at `path`.
///
/// # Errors
/// As [`parse_any`], and when the file does not read.
pub fn read_any(path: &Path) -> Result<Record, ReadError> {
    parse_any(&bytes_of(path)?)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, ReadError> {
    let file = File::open(path).map_err(ReadError::Io)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ReadError::TooLarge);
    }
    Ok(bytes)
}

/// Reads a run file from memory.
///
/// # Errors
/// When it is not JSON, not a run file of this version, or contradicts itself.
pub fn parse(bytes: &[u8]) -> Result<RunFile, ReadError> {
    let head = Head::of(bytes)?;
    if head.format() != Some(FORMAT) {
        return Err(ReadError::Format { found: shown(head.format) });
    }
    load(head, bytes)
}

/// Reads a load run or a stress run from memory.
///
/// # Errors
/// When it is not JSON, neither of the two in its version, or contradicts itself.
pub fn parse_any(bytes: &[u8]) -> Result<Record, ReadError> {
    let head = Head::of(bytes)?;
    match head.format() {
        Some(FORMAT) => Ok(Record::Load(Box::new(load(head, bytes)?))),
        Some(STRESS_FORMAT) => Ok(Record::Stress(Box::new(stress_run(head, bytes)?))),
        _ => Err(ReadError::NoRun { found: shown(head.format) }),
    }
}

fn shown(value: Option<serde_json::Value>) -> String {
    value.map_or("missing".to_owned(), |value| format!("`{value}`"))
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.trim_ascii().is_empty() {
            return Err(ReadError::Empty);
        }
        serde_json::from_slice(bytes).map_err(of_syntax)
    }

    fn format(&self) -> Option<&str> {
        self.format.as_ref().and_then(|format| format.as_str())
    }

    fn check_version(self, reads: u32) -> Result<(), ReadError> {
        if self.version.as_ref().and_then(serde_json::Value::as_u64) == Some(u64::from(reads)) {
            return Ok(());
        }
        Err(ReadError::Version { found: shown(self.version), reads })
    }
}

fn stress_run(head: Head, bytes: &[u8]) -> Result<StressRun, ReadError> {
    head.check_version(STRESS_VERSION)?;
    // Not as the file's own type: its run is flattened, and maps with numbers for keys do not come back from that.
    let run: StressRun = serde_json::from_slice(bytes).map_err(ReadError::Damaged)?;
    match stress::contradiction(&run) {
        Some(what) => Err(ReadError::Contradiction { what }),
        None => Ok(run),
    }
}

fn load(head: Head, bytes: &[u8]) -> Result<RunFile, ReadError> {
    head.check_version(VERSION)?;
    let run: RunFile = serde_json::from_slice(bytes).map_err(ReadError::Damaged)?;
    match contradiction(&run) {
        Some(what) => Err(ReadError::Contradiction { what }),
        None => Ok(run),
    }
}

fn of_syntax(source: serde_json::Error) -> ReadError {
    let (line, column) = (source.line(), source.column());
    match source.classify() {
        Category::Eof => ReadError::Truncated { line, column },
        // JSON, but a list or a number instead of an object.
        Category::Data => ReadError::Format { found: "missing".to_owned() },
        Category::Syntax | Category::Io => ReadError::NotJson { line, column, source },
    }
}

/// The first contradiction, if there is one.
fn contradiction(run: &RunFile) -> Option<String> {
    let result = &run.result;
    unbalanced("the run", &result.counts, &result.failures)
        .or_else(|| {
            let mut steps = result.steps.iter();
            steps.find_map(|step| unbalanced(&format!("step `{}`", step.name), &step.counts, &step.failures))
        })
        .or_else(|| twice(result))
        .or_else(|| steps_do_not_add_up(result))
        .or_else(|| disorder(result))
        .or_else(|| other_metrics(run))
        .or_else(|| run.stress.iter().find_map(stress::contradiction))
}

fn unbalanced(whose: &str, counts: &Counts, failures: &[FailureCount]) -> Option<String> {
    let Counts { asked, sent, succeeded, failed, unfinished, not_sent, .. } = *counts;
    let sum = |parts: &[u64]| parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
    if sum(&[sent, not_sent]) != Some(asked) {
        return Some(format!("{whose} asked {asked}, but sent {sent} and did not send {not_sent}"));
    }
    if sum(&[succeeded, failed, unfinished]) != Some(sent) {
        return Some(format!(
            "{whose} sent {sent}, but {succeeded} succeeded, {failed} failed and {unfinished} did not finish"
        ));
    }
    let by_kind: Vec<u64> = failures.iter().map(|failure| failure.count).collect();
    (sum(&by_kind) != Some(failed)).then(|| format!("{whose} has {failed} failures, but its kinds are not so many"))
}

/// Names of steps are names of series: two of one name could not be told apart.
fn twice(result: &LoadResult) -> Option<String> {
    let mut names = HashSet::new();
    let step = result.steps.iter().find(|step| !names.insert(&step.name))?;
    Some(format!("two steps are called `{}`", step.name))
}

fn steps_do_not_add_up(result: &LoadResult) -> Option<String> {
    if result.steps.is_empty() {
        return None;
    }
    let mut whole = Counts::default();
    for step in &result.steps {
        whole.merge(&step.counts);
    }
    (whole != result.counts).then(|| "the counts of the steps are not those of the run".to_owned())
}

fn disorder(result: &LoadResult) -> Option<String> {
    if !result.seconds.is_empty() && !result.point_s.is_power_of_two() {
        return Some(format!("a point covers {} seconds, which is no power of two", result.point_s));
    }
    if !result.seconds.is_sorted_by(|a, b| a.second < b.second) {
        return Some("the seconds of the run are not in order".to_owned());
    }
    let mut steps = result.steps.iter();
    let unsorted = steps.find(|step| !step.seconds.is_sorted_by(|a, b| a.second < b.second))?;
    Some(format!("the seconds of step `{}` are not in order", unsorted.name))
}

fn other_metrics(run: &RunFile) -> Option<String> {
    let Metrics { latency_ms, service_ms, success_rate, requests_per_sec } = &run.metrics;
    let result = &run.result;
    let near = |a: f64, b: f64| (a - b).abs() <= SAME * a.abs().max(b.abs());
    let same = |stored: &LatencyMs, measured: &LatencyMs| {
        let figures = |of: &LatencyMs| [of.min, of.mean, of.p50, of.p90, of.p95, of.p99, of.p99_9, of.max];
        let pairs = figures(stored).into_iter().zip(figures(measured));
        stored.censored == measured.censored
            && pairs.into_iter().all(|pair| match pair {
                (Some(a), Some(b)) => near(a, b),
                (a, b) => a == b,
            })
    };
    let wrong = if !same(latency_ms, &LatencyMs::of(&result.latency.intent)) {
        "latency_ms"
    } else if !same(service_ms, &LatencyMs::of(&result.latency.service)) {
        "service_ms"
    } else if !near(*success_rate, result.success_share()) {
        "success_rate"
    } else if !near(*requests_per_sec, result.answered_per_s()) {
        "requests_per_sec"
    } else {
        return None;
    };
    Some(format!("`metrics.{wrong}` is not what `result` says"))
}
