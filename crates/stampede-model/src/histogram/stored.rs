//! The histogram as it stands in a run file: only the steps that hold something.
//!
//! Invariant: what does not add up is refused when read, so no figure is ever computed from a damaged file.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Histogram;
use super::slots::SLOTS;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    count: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    censored: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    censored_min_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_ns: Option<u64>,
    /// Fits u64 for 584 years of summed latency.
    sum_ns: u64,
    /// Pairs of step and samples, ascending.
    steps: Vec<(usize, u64)>,
}

/// A stored histogram that contradicts itself.
#[derive(Debug, Error)]
pub(super) enum BadHistogram {
    #[error("step {step} is beyond the last step {last}")]
    Step { step: usize, last: usize },
    #[error("the steps hold {steps} samples, but count says {count}")]
    Count { steps: u64, count: u64 },
    #[error("{what} is missing although there are samples")]
    Missing { what: &'static str },
    #[error("min_ns {min_ns} is above max_ns {max_ns}")]
    Extremes { min_ns: u64, max_ns: u64 },
    #[error("{censored} censored samples of {count}")]
    Censored { censored: u64, count: u64 },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl From<Histogram> for Stored {
    fn from(full: Histogram) -> Self {
        let filled = full.slots.iter().enumerate().filter(|(_, samples)| **samples > 0);
        let some = full.count > 0;
        Self {
            count: full.count,
            censored: full.censored,
            censored_min_ns: (full.censored > 0).then_some(full.censored_min_ns),
            min_ns: some.then_some(full.min_ns),
            max_ns: some.then_some(full.max_ns),
            sum_ns: u64::try_from(full.sum_ns).unwrap_or(u64::MAX),
            steps: filled.map(|(step, samples)| (step, *samples)).collect(),
        }
    }
}

impl TryFrom<Stored> for Histogram {
    type Error = BadHistogram;

    fn try_from(stored: Stored) -> Result<Self, BadHistogram> {
        let mut full = Self::new();
        let mut total = 0_u64;
        for (step, samples) in &stored.steps {
            let slot = full.slots_mut().get_mut(*step).ok_or(BadHistogram::Step { step: *step, last: SLOTS - 1 })?;
            *slot = slot.saturating_add(*samples);
            total = total.saturating_add(*samples);
        }
        if total != stored.count {
            return Err(BadHistogram::Count { steps: total, count: stored.count });
        }
        if stored.censored > stored.count {
            return Err(BadHistogram::Censored { censored: stored.censored, count: stored.count });
        }
        full.count = total;
        full.censored = stored.censored;
        full.sum_ns = u128::from(stored.sum_ns);
        if total > 0 {
            full.min_ns = stored.min_ns.ok_or(BadHistogram::Missing { what: "min_ns" })?;
            full.max_ns = stored.max_ns.ok_or(BadHistogram::Missing { what: "max_ns" })?;
            if full.min_ns > full.max_ns {
                return Err(BadHistogram::Extremes { min_ns: full.min_ns, max_ns: full.max_ns });
            }
        }
        if full.censored > 0 {
            full.censored_min_ns = stored.censored_min_ns.ok_or(BadHistogram::Missing { what: "censored_min_ns" })?;
        }
        Ok(full)
    }
}
