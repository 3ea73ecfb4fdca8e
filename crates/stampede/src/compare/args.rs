//! The flags of `stampede compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use stampede_model::compare::{Metric, Options, Plans};
use stampede_model::units::{parse_duration, parse_share};

use crate::exit;

/// Hold a run against an earlier one and say whether the system became better or worse.
///
/// Noise does not decide: the seconds of both runs are drawn anew some two thousand times, and `worse` (exit 4) needs a
/// change beyond it for all figures at once. `same` needs an interval within the margin. What the runs leave open is
/// `cannot tell`: exit 0 with a remark, or 5 with --strict.
#[derive(Debug, Args)]
#[command(after_help = exit::help())]
pub(crate) struct CompareArgs {
    /// The earlier run: name of a baseline, or a run file (a word with a slash or ending in .json).
    pub(crate) a: String,

    /// The run held against it, likewise.
    pub(crate) b: String,

    #[command(flatten)]
    pub(crate) how: HowArgs,

    /// Seconds left out at the start of each run.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub(crate) skip: Duration,

    /// Figures to compare [default: p50,p90,p95,p99,mean,throughput,errors].
    #[arg(long = "metric", value_name = "FIGURE", value_delimiter = ',')]
    pub(crate) metrics: Vec<Metric>,

    /// Compare although the plans differ.
    #[arg(long)]
    pub(crate) allow_different: bool,

    /// End with 5 when it cannot be told.
    #[arg(long)]
    pub(crate) strict: bool,

    /// Write the comparison as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the comparison as Markdown, for a comment on a pull request.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// What comparing needs wherever it is done.
#[derive(Clone, Debug, Args)]
pub(crate) struct HowArgs {
    /// Change below which nobody cares.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_margin)]
    pub(crate) margin: f64,

    /// Folder of the baselines [default: .stampede/baselines].
    #[arg(long, env = "STAMPEDE_BASELINES", value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

impl CompareArgs {
    pub(crate) fn options(&self) -> Options {
        let mut options = Options { margin: self.how.margin, skip: self.skip, ..Options::default() };
        if !self.metrics.is_empty() {
            options.metrics = Metric::ALL.into_iter().filter(|metric| self.metrics.contains(metric)).collect();
        }
        if self.allow_different {
            options.plans = Plans::MayDiffer;
        }
        options
    }
}

fn parse_margin(text: &str) -> Result<f64, String> {
    let margin = parse_share(text).map_err(|error| error.to_string())?;
    if (0.001..=0.5).contains(&margin) { Ok(margin) } else { Err(format!("{text} is no margin: use 0.1% to 50%")) }
}
