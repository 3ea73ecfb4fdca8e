//! Two runs of one plan side by side: did the system become better or worse, and how sure is that?
//!
//! How: the seconds of each run are drawn anew, in blocks, some two thousand times (circular block bootstrap), and every
//! figure is computed from each draw, so that the noise of a run and its memory from second to second are known without
//! assuming a distribution. [`blocks`] finds how long the memory is, [`resample`] draws, [`confidence`] turns the draws into
//! intervals, [`judge`] into verdicts.
//!
//! Invariants: the same two files give the same answer (the draws are seeded); *worse* and *better* must hold for all
//! figures of the comparison at once, so that looking at many does not find something by chance; *same* is a finding of
//! its own, not the absence of another; what the data leave open is *cannot tell*.
//! Absent on purpose: noise between runs. Two runs say nothing of how a third would differ, because another deployment or a
//! warmer cache moves every second alike; the floor below which nothing is called worse covers some of it, and what the generators
//! knew of their own lateness ([`lag`]); several runs a side would cover the rest.

mod blocks;
mod confidence;
mod figures;
mod judge;
mod lag;
mod obstacles;
mod resample;
mod series;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::run::RunFile;
use crate::units::show_duration;
pub use figures::Metric;
use judge::judge;
pub use obstacles::{Obstacle, Refused, check_plans};
use series::Side;

/// What stands in `format` of a comparison written to a file.
pub const FORMAT: &str = "stampede.compare";
/// The only version written.
pub const VERSION: u32 = 1;
/// Fewer points than this say too little about their own noise.
pub const MIN_POINTS: usize = 10;

/// How to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Relative change below which nobody cares, 0.05 for 5 %.
    pub margin: f64,
    /// What is left out at the start of each run.
    pub skip: Duration,
    /// How often the seconds are drawn anew.
    pub resamples: u32,
    /// Seed of the draws.
    pub seed: u64,
    /// Figures to compare.
    pub metrics: Vec<Metric>,
    /// Whether runs of different plans are compared.
    pub plans: Plans,
}

/// Whether runs of different plans are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plans {
    /// Different plans are refused.
    #[default]
    Equal,
    /// They are compared, and the differences are told.
    MayDiffer,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            margin: 0.05,
            skip: Duration::from_secs(2),
            resamples: 2_000,
            seed: 1,
            metrics: Metric::ALL.to_vec(),
            plans: Plans::Equal,
        }
    }
}

/// What a comparison concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// B is better than A.
    Better,
    /// B is worse than A.
    Worse,
    /// They differ by less than the margin.
    Same,
    /// The data leave it open.
    CannotTell,
}

/// An interval of the change from A to B: a ratio, or a difference of shares for errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// One figure of one step, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The step's name; `None` for the whole run.
    pub step: Option<String>,
    /// The figure.
    pub metric: Metric,
    /// Its value in A: nanoseconds, successes per second, or a share.
    pub a: f64,
    /// Its value in B.
    pub b: f64,
    /// B over A; for errors B less A.
    pub change: f64,
    /// Where the change lies with 95 % confidence, taken by itself; `None` when the runs are too short.
    pub interval: Option<Span>,
    /// Where it lies with 95 % confidence for all rows at once: what *better* and *worse* rest on.
    pub joint_interval: Option<Span>,
    /// The smallest change for the worse that these two runs would probably (four times in five) have shown, relative; for
    /// errors a difference of shares.
    pub detectable: Option<f64>,
    /// What follows.
    pub verdict: Verdict,
    /// Why it cannot be told, where that has a reason of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What one of the two runs put in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideInfo {
    /// When it began, nanoseconds since 1970 (UTC).
    pub started_unix_ns: u64,
    /// Seconds compared, after the skipped ones.
    pub seconds: u32,
    /// Seconds a point covers.
    pub point_s: u32,
    /// Points drawn together, because neighbours resemble each other.
    pub block_points: u32,
}

/// Two runs compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Always [`FORMAT`].
    pub format: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// What follows from all rows: worse if one is, better if one is and none worse, same if every row of the whole run is.
    pub verdict: Verdict,
    /// The margin used.
    pub margin: f64,
    /// Below this change nothing is called better or worse, however sure.
    pub floor: f64,
    /// The baseline.
    pub a: SideInfo,
    /// What is held against it.
    pub b: SideInfo,
    /// The whole run first, then the steps in the plan's order; a run of one step has no rows of its own for it.
    pub rows: Vec<Row>,
    /// Worth knowing.
    pub remarks: Vec<String>,
}

/// Holds run `b` against baseline `a`.
///
/// # Errors
/// When the two cannot be compared; all reasons are named.
pub fn compare(a: &RunFile, b: &RunFile, options: &Options) -> Result<Comparison, Refused> {
    let mut remarks = obstacles::check(a, b, options.plans)?;
    let (side_a, side_b) = Side::pair(a, b, options.skip);
    let rows = judge(&side_a, &side_b, options);
    let shortest = side_a.points().min(side_b.points());
    if shortest < MIN_POINTS {
        remarks.push(format!(
            "too short: {shortest} points are left after the first {}, at least {MIN_POINTS} are needed; run for longer",
            show_duration(options.skip)
        ));
    }
    let verdict = judge::overall(&rows);
    let open: Vec<&str> = rows
        .iter()
        .filter(|row| verdict != Verdict::CannotTell && row.verdict == Verdict::CannotTell)
        .filter_map(|row| row.step.as_deref())
        .collect();
    if let Some(first) = open.first() {
        remarks.push(format!("{} figures of single steps stay open, the first at {first}", open.len()));
    }
    Ok(Comparison {
        format: FORMAT.to_owned(),
        version: VERSION,
        verdict,
        margin: options.margin,
        floor: judge::floor(options.margin),
        a: side_a.info(a.started_unix_ns),
        b: side_b.info(b.started_unix_ns),
        rows,
        remarks,
    })
}
