//! When each request of an open model should leave: a formula, not a queue.
//!
//! Invariants: arrival *i* has one intended time, a function of the rate curve, spacing, seed and *i* alone, so it does not
//! matter how many generators share the schedule or how late any of them is; intended times never descend; the same seed
//! replays the same run. With uniform spacing arrival *i* is where the integral of the rate passes *i*; with Poisson
//! spacing, where it passes the sum of the first *i* + 1 exponential gaps of mean 1.
//! Absent on purpose: the past. A schedule is never shifted because the server was slow; that shift is exactly the error
//! (coordinated omission) which makes a stalled server look well. Only the user changes it: [`Schedule::rebase`],
//! [`Schedule::held`], [`Schedule::paused`].

mod arrivals;
mod as_ns;
mod curve;
mod spacing;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::units::{show_duration, trimmed};
pub use arrivals::{Arrival, Arrivals, Share};
use curve::Curve;
pub use curve::{BadCurve, Stage};
pub(crate) use spacing::mix;
#[cfg(test)]
pub(crate) use spacing::unit_interval;
pub use spacing::{BadSpacing, Spacing};
pub use users::{BadUsers, Presence, UserCurve, UserStage};

/// The intended times of all arrivals. A copy costs a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Schedule {
    curve: Arc<Curve>,
    spacing: Spacing,
    seed: u64,
}

/// A rate that no schedule can follow.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("a rate of {rate_per_s}/s cannot be scheduled: use more than 0 and at most {max}/s", max = Schedule::MAX_RATE_PER_S)]
pub struct BadRate {
    rate_per_s: f64,
}

impl Schedule {
    /// One request per nanosecond is beyond any machine; more would make two arrivals indistinguishable.
    pub const MAX_RATE_PER_S: f64 = 1e9;
    /// Far more than anybody writes; a live change of the rate adds two or three.
    pub const MAX_STAGES: usize = 10_000;
    /// Latest end of the last stage.
    pub const MAX_STAGES_END: Duration = Duration::from_hours(24 * 366);

    /// A schedule of `rate_per_s` arrivals each second on average. The seed matters to [`Spacing::Poisson`] only.
    pub fn new(rate_per_s: f64, spacing: Spacing, seed: u64) -> Result<Self, BadRate> {
        let curve = Curve::new(rate_per_s, Vec::new()).map_err(|_| BadRate { rate_per_s })?;
        Ok(Self { curve: Arc::new(curve), spacing, seed })
    }

    /// A schedule whose rate starts at 0 and goes through `stages`; after the last one its rate holds. A first stage that
    /// takes no time starts elsewhere.
    pub fn curve(stages: Vec<Stage>, spacing: Spacing, seed: u64) -> Result<Self, BadCurve> {
        Self::curve_from(0.0, stages, spacing, seed)
    }

    /// Like [`Schedule::curve`], starting at `from_per_s`.
    pub fn curve_from(from_per_s: f64, stages: Vec<Stage>, spacing: Spacing, seed: u64) -> Result<Self, BadCurve> {
        Ok(Self { curve: Arc::new(Curve::new(from_per_s, stages)?), spacing, seed })
    }

    /// The highest rate, arrivals per second; without stages the only one.
    pub fn rate_per_s(&self) -> f64 {
        self.curve.peak_per_s()
    }

    /// The rate at `at_ns`, arrivals per second.
    pub fn rate_at(&self, at_ns: u64) -> f64 {
        self.curve.rate_at(at_ns)
    }

    /// The rate before the first stage, arrivals per second.
    pub fn from_per_s(&self) -> f64 {
        self.curve.from_per_s
    }

    /// The stages; none when the rate never changes.
    pub fn stages(&self) -> &[Stage] {
        &self.curve.stages
    }

    /// When the last stage ends, nanoseconds after the start; `None` without stages.
    pub fn ends_at_ns(&self) -> Option<u64> {
        self.curve.ends_at_ns()
    }

    /// How arrivals are spread.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// The seed of the gaps.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The arrivals of one share, in order, without end unless the rate goes to zero for good.
    pub fn arrivals(&self, share: Share) -> Arrivals {
        Arrivals::new(self.clone(), share)
    }

    /// Arrivals on average before `end_ns`: the integral of the rate.
    pub fn expected_before(&self, end_ns: u64) -> f64 {
        self.curve.integral(end_ns)
    }

    /// Arrivals of the whole schedule that are intended before `end_ns`. Takes time in proportion with Poisson spacing.
    pub fn count_before(&self, end_ns: u64) -> u64 {
        match self.spacing {
            // Not the integral: it must agree with the iterator to the last arrival.
            Spacing::Uniform => {
                let before =
                    |index: u64| self.curve.inverse_ns(index as f64, &mut 0).is_some_and(|at_ns| at_ns < end_ns);
                let mut count = self.curve.integral(end_ns) as u64;
                while count > 0 && !before(count - 1) {
                    count -= 1;
                }
                while before(count) {
                    count += 1;
                }
                count
            }
            Spacing::Poisson => self.arrivals(Share::WHOLE).take_while(|arrival| arrival.at_ns < end_ns).count() as u64,
        }
    }

    /// The same schedule, with every rate from `at_ns` on multiplied by `factor`. Arrivals keep their numbers, and those
    /// before `at_ns` their times, so none is lost, doubled or made up for.
    ///
    /// All generators of a run must use one `at_ns`, best a little ahead of the clock: what lies between it and the moment at
    /// which a generator takes the new schedule is due at once.
    pub fn rebase(&self, at_ns: u64, factor: f64) -> Result<Self, BadCurve> {
        let (mut stages, rate, tail) = self.curve.split(at_ns);
        stages.push(jump(rate * factor));
        stages.extend(tail.into_iter().map(|stage| Stage { to_per_s: stage.to_per_s * factor, ..stage }));
        self.with(stages)
    }

    /// The same schedule as far as `at_ns`; from there on `rate_per_s` without further stages.
    pub fn held(&self, at_ns: u64, rate_per_s: f64) -> Result<Self, BadCurve> {
        let (mut stages, ..) = self.curve.split(at_ns);
        stages.push(jump(rate_per_s));
        self.with(stages)
    }

    /// The same schedule with nothing arriving from `from_ns` to `until_ns`, and everything behind shifted by that time.
    pub fn paused(&self, from_ns: u64, until_ns: u64) -> Result<Self, BadCurve> {
        let (mut stages, rate, tail) = self.curve.split(from_ns);
        let over = Duration::from_nanos(until_ns.saturating_sub(from_ns));
        stages.extend([jump(0.0), Stage { over, to_per_s: 0.0 }, jump(rate)]);
        stages.extend(tail);
        self.with(stages)
    }

    /// The same schedule with nothing arriving after its last stage; without stages it never ends.
    pub fn ending(&self) -> Result<Self, BadCurve> {
        let mut stages = self.curve.stages.clone();
        if !stages.is_empty() {
            stages.push(jump(0.0));
        }
        self.with(stages)
    }

    fn with(&self, stages: Vec<Stage>) -> Result<Self, BadCurve> {
        Self::curve_from(self.curve.from_per_s, stages, self.spacing, self.seed)
    }
}

fn jump(to_per_s: f64) -> Stage {
    Stage { over: Duration::ZERO, to_per_s }
}

impl fmt::Display for Schedule {
    /// The rate as a person would say it: `200/s`, `0/s, 30s to 100/s`, `50/s, at once 80/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", trimmed(self.curve.from_per_s))?;
        for stage in &self.curve.stages {
            let rate = trimmed(stage.to_per_s);
            match stage.over {
                Duration::ZERO => write!(f, ", at once {rate}/s")?,
                over => write!(f, ", {} to {rate}/s", show_duration(over))?,
            }
        }
        Ok(())
    }
}

/// A schedule as it stands in a run file: `rate_per_s` alone, or `from_per_s` and `stages`.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_per_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_per_s: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<Stage>,
    spacing: Spacing,
    seed: u64,
}

impl From<Schedule> for Stored {
    fn from(schedule: Schedule) -> Self {
        let Schedule { curve, spacing, seed } = schedule;
        let constant = curve.stages.is_empty();
        Self {
            rate_per_s: constant.then_some(curve.from_per_s),
            from_per_s: (!constant).then_some(curve.from_per_s),
            stages: curve.stages.clone(),
            spacing,
            seed,
        }
    }
}

impl TryFrom<Stored> for Schedule {
    type Error = BadCurve;

    fn try_from(stored: Stored) -> Result<Self, BadCurve> {
        let from_per_s = stored.rate_per_s.or(stored.from_per_s).unwrap_or(0.0);
        Self::curve_from(from_per_s, stored.stages, stored.spacing, stored.seed)
    }
}

#[cfg(test)]
mod tests;
