//! What a limiter answers, ready to be put into headers.

use std::time::Duration;

use super::policy::Policy;

/// How much of a policy is used, as a store found it. Times in microseconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Before the call.
    pub(crate) used_before: u64,
    /// After the call, which was recorded or not.
    pub(crate) used_after: u64,
    /// Until one more is free.
    pub(crate) next_free_us: u64,
    /// Until all are free.
    pub(crate) all_free_us: u64,
}

/// Whether a call may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The one place that sees all calls.
    Exact,
    /// This process alone, because Redis did not answer.
    Degraded,
}

/// One policy after the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyState {
    /// What clients are told.
    pub name: &'static str,
    /// How many calls.
    pub limit: u32,
    /// Per how long.
    pub window: Duration,
    /// How many calls are left.
    pub remaining: u32,
    /// Until one more is free; zero when none is used.
    pub next_free: Duration,
    /// The Unix second by which all are free, rounded up.
    pub reset_unix_s: u64,
    /// What this policy alone says of the call.
    pub verdict: Verdict,
}

/// What all policies of a call say together, never empty of a reason when refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    mode: Mode,
    policies: Vec<PolicyState>,
}

impl PolicyState {
    pub(crate) fn new(policy: &Policy, usage: Usage, unix_now_us: u64) -> Self {
        let limit = u64::from(policy.limit());
        Self {
            name: policy.name(),
            limit: policy.limit(),
            window: policy.window(),
            remaining: limit.saturating_sub(usage.used_after) as u32,
            next_free: Duration::from_micros(usage.next_free_us),
            reset_unix_s: (unix_now_us + usage.all_free_us).div_ceil(1_000_000),
            verdict: if usage.used_before < limit { Verdict::Allowed } else { Verdict::Refused },
        }
    }
}

impl Decision {
    pub(crate) const fn new(mode: Mode, policies: Vec<PolicyState>) -> Self {
        Self { mode, policies }
    }

    pub(crate) fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Whether the call may go on: all policies must say so.
    pub fn verdict(&self) -> Verdict {
        if self.refused_by().next().is_some() { Verdict::Refused } else { Verdict::Allowed }
    }

    /// Shorthand for [`Decision::verdict`].
    pub fn is_allowed(&self) -> bool {
        self.verdict() == Verdict::Allowed
    }

    /// Who decided.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Every policy, in the order asked.
    pub fn policies(&self) -> &[PolicyState] {
        &self.policies
    }

    /// The policies that refused.
    pub fn refused_by(&self) -> impl Iterator<Item = &PolicyState> {
        self.policies.iter().filter(|policy| policy.verdict == Verdict::Refused)
    }

    /// When to come back: the earliest moment the call could be allowed. `None` when it was.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refused_by().map(|policy| policy.next_free).max()
    }

    /// The policy closest to its end, for headers that have room for one: a refusing one first, then the smallest remainder.
    pub fn tightest(&self) -> Option<&PolicyState> {
        self.policies.iter().min_by_key(|policy| (policy.verdict == Verdict::Allowed, policy.remaining))
    }
}

#[cfg(test)]
mod tests {
    use kv_types::TenantId;

    use super::*;
    use crate::rate_limit::LimitKey;

    fn state(limit: u32, used_before: u64, next_free_us: u64) -> PolicyState {
        let key = LimitKey::tenant(TenantId::new(1).expect("positive"));
        let policy = Policy::new("p", key, limit, Duration::from_mins(1)).expect("fine");
        let usage = Usage { used_before, used_after: used_before, next_free_us, all_free_us: 59_000_001 };
        PolicyState::new(&policy, usage, 1_000_000)
    }

    #[test]
    fn one_refusing_policy_refuses_and_says_when() {
        let decision = Decision::new(Mode::Exact, vec![state(10, 3, 5), state(2, 2, 7_000), state(4, 9, 9_000)]);
        assert!(!decision.is_allowed());
        assert_eq!(decision.retry_after(), Some(Duration::from_millis(9)));
        assert_eq!(decision.refused_by().count(), 2);
        assert_eq!(decision.tightest().map(|policy| policy.limit), Some(2));
    }

    #[test]
    fn the_reset_is_never_early() {
        let state = state(10, 3, 5);
        assert_eq!((state.remaining, state.reset_unix_s), (7, 61));
        assert_eq!(Decision::new(Mode::Exact, vec![state]).retry_after(), None);
    }
}
