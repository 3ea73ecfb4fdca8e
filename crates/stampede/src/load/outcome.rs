//! What a run must hold, what it is held against, and where it is written: the flags of every command that makes a run.

use std::path::PathBuf;

use clap::Args;
use stampede_model::threshold::Limit;
use stampede_report::summary::Detail;

use crate::Failure;
use crate::compare::Against;

/// The flags about what comes of a run.
#[derive(Debug, Args)]
pub(crate) struct OutcomeArgs {
    /// Limit to keep, such as 'p95<500ms', 'service.p99<1s', 'errors<0.1%', 'rps>900'; with 'abort' or 'abort 30s' behind it
    /// the run ends when it breaks, not before that time; with 'for STEP' it is about that step. May be repeated.
    #[arg(
        long = "threshold",
        env = "STAMPEDE_THRESHOLDS",
        value_name = "LIMIT",
        value_delimiter = ';',
        conflicts_with = "no_thresholds"
    )]
    pub(crate) thresholds: Vec<Limit>,

    /// Judge nothing: neither a file's limits nor errors<1%.
    #[arg(long, env = "STAMPEDE_NO_THRESHOLDS")]
    pub(crate) no_thresholds: bool,

    /// Hold the run against this baseline (or run file) when it has ended, and end with 4 when it is worse.
    #[arg(long, env = "STAMPEDE_BASELINE", value_name = "NAME")]
    pub(crate) baseline: Option<String>,

    /// Folder of the baselines [default: .stampede/baselines].
    #[arg(long, env = "STAMPEDE_BASELINES", value_name = "DIR")]
    pub(crate) baseline_dir: Option<PathBuf>,

    /// Write the run to a file that can be read again, whatever its ending.
    #[arg(long, env = "STAMPEDE_JSON", value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the run to a file; its kind follows from the ending, such as .html, .json, .csv, .md or .xml (JUnit). May be
    /// repeated.
    #[arg(short = 'o', long = "output", env = "STAMPEDE_OUTPUT", value_name = "FILE", value_delimiter = ';')]
    pub(crate) outputs: Vec<PathBuf>,

    /// What is printed at the end: short, full, json or none.
    #[arg(long, env = "STAMPEDE_SUMMARY", value_name = "KIND", default_value = "full")]
    pub(crate) summary: Detail,
}

impl OutcomeArgs {
    /// The run to hold this one against, if one was named.
    pub(crate) fn against(&self) -> Result<Option<Against>, Failure> {
        self.baseline.as_deref().map(|word| Against::find(word, self.baseline_dir.as_deref())).transpose()
    }
}
