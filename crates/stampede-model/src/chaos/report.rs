//! What a chaos run writes down.

use serde::{Deserialize, Serialize};

use super::checked::CheckedReport;
use super::expected::Expected;
use super::recovery::Recovery;
use crate::timeline::Timeline;

/// The word at the head of the file.
pub const CHAOS_FORMAT: &str = "stampede-chaos";
/// The version of the file; readers refuse a newer one.
pub const CHAOS_VERSION: u32 = 1;

/// A run of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChaosReport {
    /// [`CHAOS_FORMAT`].
    pub format: String,
    /// [`CHAOS_VERSION`].
    pub version: u32,
    /// The system under test.
    pub target: String,
    /// Where clients called it.
    pub url: String,
    /// What replicas were drawn from.
    pub seed: u64,
    /// When it began, milliseconds since 1970.
    pub started_unix_ms: i64,
    /// How long it took.
    pub elapsed_ms: u64,
    /// Why it was given up, if it was.
    pub aborted: Option<String>,
    /// The steady state before, during and after.
    pub steady: SteadyReport,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Samples beyond the bound, which the stopwatches did not see.
    pub samples_left_out: u64,
    /// Each fault.
    pub faults: Vec<FaultReport>,
    /// What checked load has shown, when the plan names some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<CheckedReport>,
    /// Why checked load could not be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_trouble: Option<String>,
    /// Everything on one time axis.
    #[serde(default)]
    pub timeline: Timeline,
}

/// A way in which a run of faults may end badly, gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BadEnd {
    /// An undo was not seen to have worked.
    NotUndone,
    /// Checked load has proved the system wrong.
    Violated,
    /// Something was not injected, not seen or not decided.
    Open,
    /// A limit of a fault was missed, the run given up, or the system not well at the end.
    Missed,
}

impl ChaosReport {
    /// How it ended badly; nothing when all is as it should be.
    pub fn bad_ends(&self) -> Vec<BadEnd> {
        let has_limits = self.faults.iter().any(|fault| !fault.expected.is_empty());
        let refused = self.faults.iter().any(|fault| fault.refused.is_some());
        let missed = self.faults.iter().any(|fault| fault.refused.is_none() && fault.kept() == Some(false));
        let checked = self.checked.as_ref();
        let ends = [
            (BadEnd::NotUndone, self.faults.iter().any(|fault| !fault.verified)),
            (BadEnd::Violated, checked.is_some_and(CheckedReport::is_violated)),
            (
                BadEnd::Open,
                self.samples_left_out > 0 && has_limits
                    || self.faults.is_empty()
                    || refused && self.aborted.is_none()
                    || self.checked_trouble.is_some()
                    || checked.is_some_and(CheckedReport::is_open),
            ),
            (BadEnd::Missed, missed || self.aborted.is_some() || self.steady.after_ms.is_none()),
        ];
        ends.into_iter().filter(|(_, is_so)| *is_so).map(|(end, _)| end).collect()
    }
}

/// The steady state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteadyReport {
    /// What was asked.
    pub question: String,
    /// Questions during the run that were answered as expected.
    pub well: u64,
    /// Questions that were not.
    pub unwell: u64,
    /// How long after the last undo it was well again; `None` when it was not.
    pub after_ms: Option<u64>,
    /// The last answer that was not as expected.
    pub last_trouble: Option<String>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultReport {
    /// What, in words.
    pub fault: String,
    /// What it met.
    pub on: String,
    /// When it was injected, nanoseconds from the start of the load.
    pub injected_ns: u64,
    /// When it was undone.
    pub undone_ns: u64,
    /// Why it could not be injected, if so.
    pub refused: Option<String>,
    /// Whether the target was seen to be whole again.
    pub verified: bool,
    /// What was seen then.
    pub note: String,
    /// What clients saw.
    pub seen: Recovery,
    /// What it might cost clients.
    #[serde(flatten)]
    pub expected: Expected,
}

impl FaultReport {
    /// One that begins at `at_ns`: nothing has happened yet.
    pub fn begins(fault: String, on: String, (at_ns, expected): (u64, Expected)) -> Self {
        Self {
            fault,
            on,
            injected_ns: at_ns,
            undone_ns: at_ns,
            refused: None,
            verified: true,
            note: String::new(),
            seen: Recovery::default(),
            expected,
        }
    }

    /// Whether all its limits were kept; `None` when it has none.
    pub fn kept(&self) -> Option<bool> {
        let is_kept = || self.expected.judge(&self.seen).into_iter().all(|(_, kept)| kept);
        (!self.expected.is_empty()).then(is_kept)
    }
}
