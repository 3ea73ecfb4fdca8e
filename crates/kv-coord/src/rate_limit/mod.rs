//! How often a user, a tenant or an address may ask.
//!
//! Invariants: all policies of a request are decided together and recorded all or not at all; a refused request is not
//! recorded, so hammering does not prolong a refusal; with a limit up to [`SLIDING_MAX`] no window of the policy's
//! length, wherever it begins, holds more than the limit, under any concurrency; nothing is kept longer than its window.
//! Absent on purpose: smoothing (a burst up to the limit is allowed) and waiting (a refusal says when to come back).

mod clock;
mod decision;
mod fallback;
mod in_process;
mod policy;
mod redis;
mod service;
mod stats;
mod tally;

pub use clock::{Clock, Now, SystemClock};
pub use decision::{Decision, Mode, PolicyState, Verdict};
pub use policy::{BadPolicy, LimitKey, Policy, SLIDING_MAX};
pub use service::RateLimiter;
pub use stats::{DecisionCounts, LimiterStats};

/// What to do with the policies of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Decide, and record if allowed.
    Check,
    /// Decide only.
    Peek,
    /// Record whatever the decision would be.
    Penalise,
}
