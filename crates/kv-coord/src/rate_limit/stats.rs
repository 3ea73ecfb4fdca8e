//! What was decided, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::decision::{Decision, Mode};

/// Decisions of one kind. All only grow.
#[derive(Debug, Default)]
pub struct DecisionCounts {
    /// Allowed, counted with all others.
    pub allowed: AtomicU64,
    /// Refused, counted with all others.
    pub limited: AtomicU64,
    /// Allowed by this process alone, because the shared store was away.
    pub allowed_degraded: AtomicU64,
    /// Refused by this process alone.
    pub limited_degraded: AtomicU64,
    /// Nobody could decide.
    pub failed: AtomicU64,
}

/// What a limiter was asked.
#[derive(Debug, Default)]
pub struct LimiterStats {
    /// Calls that are counted when they may go on.
    pub checks: DecisionCounts,
    /// Calls that are counted only when they fail.
    pub peeks: DecisionCounts,
}

impl DecisionCounts {
    pub(super) fn count<E>(&self, answer: &Result<Decision, E>) {
        let counter = match answer {
            Err(_) => &self.failed,
            Ok(decision) => match (decision.is_allowed(), decision.mode() == Mode::Degraded) {
                (true, false) => &self.allowed,
                (false, false) => &self.limited,
                (true, true) => &self.allowed_degraded,
                (false, true) => &self.limited_degraded,
            },
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
