//! A rate over time, made of linear stages; its integral, and the inverse of that.
//!
//! Invariants: the integral never descends; where the rate is zero nothing arrives, so the inverse skips such a stretch to
//! its end; both directions are closed formulas per stage, without steps or tables.
//! Absent on purpose: curves that are not made of lines. Enough short stages approximate any.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{BadRate, Schedule};

pub(super) const NS_PER_S: f64 = 1e9;
/// Slack when an arrival is matched with the end of a stage, relative: sums of stages are rounded, and an arrival that
/// belongs behind a pause must not slip in front of it.
const SLACK: f64 = 1e-12;

/// The rate goes in a line from where it is to `to_per_s`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How long it takes; zero is a jump.
    #[serde(rename = "over_ns", with = "super::as_ns")]
    pub over: Duration,
    /// The rate at its end; zero lets nothing arrive.
    pub to_per_s: f64,
}

/// Stages that no schedule can follow.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BadCurve {
    /// A rate below zero, above the maximum, or none at all.
    #[error("stage {stage}: {source}")]
    Rate {
        /// Which stage, from 1; 0 is the rate before the first.
        stage: usize,
        /// What is wrong with the rate.
        #[source]
        source: BadRate,
    },
    /// Nothing would ever arrive.
    #[error("no stage has a rate above zero, so nothing would ever be sent: give one a rate")]
    Never,
    /// More stages than anybody means.
    #[error("{stages} stages are too many: use at most {max}", max = Schedule::MAX_STAGES)]
    TooMany {
        /// How many.
        stages: usize,
    },
    /// Longer than the clock of a run counts.
    #[error("stage {stage} ends more than {max_days} days after the start: use shorter stages", max_days = Schedule::MAX_STAGES_END.as_secs() / 86_400)]
    TooLong {
        /// Which stage, from 1.
        stage: usize,
    },
}

/// The rate over time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) from_per_s: f64,
    pub(super) stages: Vec<Stage>,
    /// One per stage, and the last rate held without end.
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    start_ns: u64,
    len_ns: u64,
    from_per_s: f64,
    to_per_s: f64,
    /// Arrivals before its start.
    before: f64,
    /// Arrivals before its end.
    after: f64,
}

impl Curve {
    /// From `from_per_s` at the start through the stages; then the last rate holds.
    pub(super) fn new(from_per_s: f64, stages: Vec<Stage>) -> Result<Self, BadCurve> {
        check(from_per_s, &stages)?;
        let mut pieces = Vec::with_capacity(stages.len() + 1);
        let (mut start_ns, mut rate, mut before) = (0, from_per_s, 0.0);
        for stage in &stages {
            let len_ns = nanos(stage.over);
            let after = before + f64::midpoint(rate, stage.to_per_s) * len_ns as f64 / NS_PER_S;
            pieces.push(Piece { start_ns, len_ns, from_per_s: rate, to_per_s: stage.to_per_s, before, after });
            (start_ns, rate, before) = (start_ns + len_ns, stage.to_per_s, after);
        }
        let after = if rate > 0.0 { f64::INFINITY } else { before };
        pieces.push(Piece { start_ns, len_ns: u64::MAX - start_ns, from_per_s: rate, to_per_s: rate, before, after });
        Ok(Self { from_per_s, stages, pieces })
    }

    /// When the last stage ends; `None` when there is none.
    pub(super) fn ends_at_ns(&self) -> Option<u64> {
        let held = self.pieces.last().filter(|_| !self.stages.is_empty())?;
        Some(held.start_ns)
    }

    pub(super) fn peak_per_s(&self) -> f64 {
        self.stages.iter().map(|stage| stage.to_per_s).fold(self.from_per_s, f64::max)
    }

    /// The rate at `at_ns`; after a jump that lies there.
    pub(super) fn rate_at(&self, at_ns: u64) -> f64 {
        let piece = self.piece_at(at_ns);
        piece.rate_after(at_ns - piece.start_ns)
    }

    /// Arrivals due before `at_ns`, as a real number.
    pub(super) fn integral(&self, at_ns: u64) -> f64 {
        let piece = self.piece_at(at_ns);
        let ns = at_ns - piece.start_ns;
        piece.before + f64::midpoint(piece.from_per_s, piece.rate_after(ns)) * ns as f64 / NS_PER_S
    }

    /// When the integral passes `integral`; `None` when it never does. `hint` is the piece of an earlier arrival and becomes
    /// this one's.
    pub(super) fn inverse_ns(&self, integral: f64, hint: &mut usize) -> Option<u64> {
        let due = integral + integral.max(1.0) * SLACK;
        while self.pieces.get(*hint)?.after <= due {
            *hint += 1;
        }
        Some(self.pieces[*hint].inverse_ns(integral))
    }

    /// The stages as far as `at_ns`, the rate there, and the stages from there on.
    pub(super) fn split(&self, at_ns: u64) -> (Vec<Stage>, f64, Vec<Stage>) {
        let whole =
            self.pieces.iter().zip(&self.stages).take_while(|(piece, _)| piece.start_ns + piece.len_ns <= at_ns);
        let whole = whole.count();
        let (mut head, mut tail) = (self.stages[..whole].to_vec(), self.stages[whole..].to_vec());
        let piece = &self.pieces[whole];
        let (ns, rate) = (at_ns - piece.start_ns, piece.rate_after(at_ns - piece.start_ns));
        if ns > 0 {
            head.push(Stage { over: Duration::from_nanos(ns), to_per_s: rate });
        }
        if let Some(cut) = tail.first_mut() {
            cut.over -= Duration::from_nanos(ns);
        }
        (head, rate, tail)
    }

    fn piece_at(&self, at_ns: u64) -> &Piece {
        let started = self.pieces.partition_point(|piece| piece.start_ns <= at_ns);
        &self.pieces[started - 1]
    }
}

impl Piece {
    fn is_flat(&self) -> bool {
        self.from_per_s.to_bits() == self.to_per_s.to_bits()
    }

    fn rate_after(&self, ns: u64) -> f64 {
        if self.is_flat() || self.len_ns == 0 {
            return self.to_per_s;
        }
        let share = ns as f64 / self.len_ns as f64;
        self.from_per_s + (self.to_per_s - self.from_per_s) * share
    }

    fn inverse_ns(&self, integral: f64) -> u64 {
        let area = (integral - self.before).max(0.0);
        let ns = if self.is_flat() {
            // Not a division first: thirds of a second must not drift.
            area * NS_PER_S / self.from_per_s
        } else if area > 0.0 {
            let slope = (self.to_per_s - self.from_per_s) * NS_PER_S / self.len_ns as f64;
            let root = (self.from_per_s * self.from_per_s + 2.0 * slope * area).max(0.0).sqrt();
            // This form of the quadratic's solution does not cancel where the line is nearly flat.
            2.0 * area * NS_PER_S / (self.from_per_s + root)
        } else {
            0.0
        };
        self.start_ns.saturating_add((ns as u64).min(self.len_ns))
    }
}

fn check(from_per_s: f64, stages: &[Stage]) -> Result<(), BadCurve> {
    if stages.len() > Schedule::MAX_STAGES {
        return Err(BadCurve::TooMany { stages: stages.len() });
    }
    let rates = || std::iter::once(from_per_s).chain(stages.iter().map(|stage| stage.to_per_s));
    for (stage, rate_per_s) in rates().enumerate() {
        if !(0.0..=Schedule::MAX_RATE_PER_S).contains(&rate_per_s) {
            return Err(BadCurve::Rate { stage, source: BadRate { rate_per_s } });
        }
    }
    let mut end = Duration::ZERO;
    for (number, stage) in stages.iter().enumerate() {
        end = end.saturating_add(stage.over);
        if end > Schedule::MAX_STAGES_END {
            return Err(BadCurve::TooLong { stage: number + 1 });
        }
    }
    if rates().all(|rate| rate <= 0.0) {
        return Err(BadCurve::Never);
    }
    Ok(())
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
