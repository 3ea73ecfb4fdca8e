//! Rows of an acceptance run, carried out over HTTP and nothing else.
//!
//! A row prepares a fresh state, does what it is about, reads the state again and hands its records to the pure verdicts of the
//! model. Invariants: nothing is retried; every request made is either a record or part of the set-up, whose failure ends the row as
//! "not run"; records are bounded by the row's own numbers.
//! Absent on purpose: knowledge of any particular API, which is the target file's.

mod bursts;
mod caller;
mod checked;
mod crash;
mod error;
mod exchange;
mod exclusive;
mod follow;
mod limit;
mod load;
mod lock;
mod stock;
mod together;
mod workload;
mod writes;

use std::time::{Duration, Instant};

use stampede_model::target::{Effort, Row, Target};
use stampede_model::verdict::{RowReport, Ruling, Verdict};

use crate::load::Control;
pub use bursts::run_bursts;
pub use caller::{Bench, BenchError};
pub use crash::{Crash, run_crash};
pub use error::RowError;
pub use follow::run_follow_up;
pub use load::measure;
pub use workload::{Manner, Patience, Steering, WorkloadError, WorkloadSummary, run_workload};

/// Runs one row and reports it. A row that cannot be run is reported as such, never as a pass.
///
/// `control` stops a load under way; the other rows end by dropping the future.
/// # Cancel safety
/// Dropping the future closes its connections; a load under way goes on in its threads until `control` stops it.
pub async fn run_row(bench: &Bench<'_>, row: Row<'_>, effort: Effort, control: &std::sync::Arc<Control>) -> RowReport {
    let started = Instant::now();
    let outcome = match row {
        Row::Load(row) => load::run(bench, row, effort, control).await,
        Row::Stock(row) => stock::run_stock(bench, row).await,
        Row::Concurrency(row) => stock::run_concurrency(bench, row).await,
        Row::RateLimit(row) => limit::run(bench, row).await,
        Row::Lock(row) => lock::run(bench, row).await,
        Row::Exclusive(row) => exclusive::run(bench, row).await,
        Row::Checked(row) => checked::run(bench, row, effort).await,
    };
    let mut report = match outcome {
        Ok(ruling) => blank(bench.target(), row, effort).ruled(ruling),
        Err(error) => not_run(bench.target(), row, effort, &error.to_string()),
    };
    report.elapsed_ms = millis(started.elapsed());
    report
}

/// The report of a row that was not run, and why.
pub fn not_run(target: &Target, row: Row<'_>, effort: Effort, why: &str) -> RowReport {
    blank(target, row, effort).ruled(Ruling {
        verdict: Verdict::NotRun,
        figure: "not measured".to_owned(),
        reason: why.to_owned(),
        evidence: Vec::new(),
    })
}

fn blank(target: &Target, row: Row<'_>, effort: Effort) -> RowReport {
    RowReport {
        id: row.id().to_owned(),
        test: row.test().to_owned(),
        metric: row.metric(target, effort),
        target: row.demand(),
        figure: String::new(),
        verdict: Verdict::NotRun,
        reason: String::new(),
        evidence: Vec::new(),
        elapsed_ms: 0,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
