//! The run as one row of an acceptance table: a fresh cluster, the whole file, one verdict.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stampede_model::autoscale::horizontal_scale;
use stampede_model::units::show_duration;
use stampede_model::verdict::{RowReport, Verdict};

use super::args::RunArgs;
use super::run;
use crate::cluster::FolderArgs;
use crate::print;

/// Carries out `file` on a cluster of its own, which the file must name; a run that came to no end is a row that was not run.
pub(crate) fn horizontal_scale_row(file: &Path) -> RowReport {
    let began = Instant::now();
    let not_run = |why: String| RowReport {
        id: "horizontal-scale".to_owned(),
        test: "Horizontal Scale".to_owned(),
        metric: file.display().to_string(),
        target: "replicas follow the load".to_owned(),
        figure: String::new(),
        verdict: Verdict::NotRun,
        evidence: vec![why.clone()],
        reason: why,
        elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let folder = FolderArgs { dir: PathBuf::new() };
    let args = RunArgs { file: file.to_path_buf(), json: None, html: None, own: true, folder };
    match run::carry_out(&args) {
        Ok(report) => {
            let took = Duration::from_nanos(report.elapsed_ns);
            print::remark(format_args!("{} took {}", file.display(), show_duration(took)));
            horizontal_scale(&report.rows).unwrap_or_else(|| not_run("the run has no rows".to_owned()))
        }
        Err(failure) => not_run(format!("{:#}", failure.error)),
    }
}
