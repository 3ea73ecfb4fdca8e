//! What a chaos run writes down.

use serde::{Deserialize, Serialize};

use super::recovery::Recovery;

/// The word at the head of the file.
pub const CHAOS_FORMAT: &str = "stampede-chaos";
/// The version of the file; readers refuse a newer one.
pub const CHAOS_VERSION: u32 = 1;

/// A run of faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How soon clients had to be served again.
    pub limit_ns: Option<u64>,
}

impl FaultReport {
    /// Whether its limit was kept; a recovery that was not seen keeps none.
    pub fn kept(&self) -> Option<bool> {
        self.limit_ns.map(|limit| self.seen.recovered_after_ns.is_some_and(|after| after <= limit))
    }
}
