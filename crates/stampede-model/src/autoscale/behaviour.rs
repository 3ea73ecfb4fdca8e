//! How fast a recommendation becomes replicas: windows that choose the safest of late, and policies that limit each period.
//!
//! Invariants: a window of 0 changes nothing; what is allowed within a period counts from the replicas at its beginning; what is
//! remembered is bounded by the longest window.

use super::spec::{Policy, PolicyKind, Rules, Select};

/// Something at a moment, nanoseconds on the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) at_ns: u64,
    pub(super) replicas: u32,
}

/// Forgets what is older than `age_ns`.
pub(super) fn forget(list: &mut Vec<At>, now_ns: u64, age_ns: u64) {
    list.retain(|one| now_ns.saturating_sub(one.at_ns) < age_ns);
}

/// The recommendation within what was recommended of late: the least of it bounds growth, the most of it bounds shrinking.
pub(super) fn stabilized(
    recommendations: &[At],
    (up, down): (&Rules, &Rules),
    (current, recommended): (u32, u32),
    now_ns: u64,
) -> u32 {
    let (mut low, mut high) = (recommended, recommended);
    for one in recommendations {
        let age_ns = now_ns.saturating_sub(one.at_ns);
        if u128::from(age_ns) < up.stabilization.as_nanos() {
            low = low.min(one.replicas);
        }
        if u128::from(age_ns) < down.stabilization.as_nanos() {
            high = high.max(one.replicas);
        }
    }
    current.max(low).min(high)
}

/// Most replicas that growing may lead to.
pub(super) fn most(rules: &Rules, current: u32, (ups, downs): (&[At], &[At]), now_ns: u64) -> u32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = start_of_period(policy, current, (ups, downs), now_ns);
        match policy.kind {
            PolicyKind::Pods => start + u64::from(policy.value),
            // Rounded up: a small share of few replicas would never be one.
            PolicyKind::Percent => (start * (100 + u64::from(policy.value))).div_ceil(100),
        }
    });
    let limit = match rules.select {
        Select::Disabled => None,
        Select::Max => proposals.max(),
        Select::Min => proposals.min(),
    };
    u32::try_from(limit.unwrap_or(0)).unwrap_or(u32::MAX).max(current)
}

/// Fewest replicas that shrinking may lead to.
pub(super) fn fewest(rules: &Rules, current: u32, (ups, downs): (&[At], &[At]), now_ns: u64) -> u32 {
    let proposals = rules.policies.iter().map(|policy| {
        let start = start_of_period(policy, current, (ups, downs), now_ns);
        match policy.kind {
            PolicyKind::Pods => start.saturating_sub(u64::from(policy.value)),
            PolicyKind::Percent => start * 100_u64.saturating_sub(u64::from(policy.value)) / 100,
        }
    });
    let limit = match rules.select {
        Select::Disabled => None,
        Select::Max => proposals.min(),
        Select::Min => proposals.max(),
    };
    u32::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(u32::MAX).min(current)
}

fn start_of_period(policy: &Policy, current: u32, (ups, downs): (&[At], &[At]), now_ns: u64) -> u64 {
    let changed = |events: &[At]| -> u64 {
        let late = events.iter().filter(|one| u128::from(now_ns.saturating_sub(one.at_ns)) < policy.period.as_nanos());
        late.map(|one| u64::from(one.replicas)).sum()
    };
    (u64::from(current) + changed(downs)).saturating_sub(changed(ups))
}
