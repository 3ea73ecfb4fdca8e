//! Fixed windows as the answers announce them: in each, so many pass, and the remaining ones are told once each.
//!
//! A window is known by its reset. Resets less than half a window apart are the same one, told with some rounding.

use std::collections::HashSet;

use super::counts::Counts;
use super::op::{Call, UserKey};
use super::remaining::{doubled, wrong};
use super::{Rules, User, cause};
use crate::check::{Finding, Findings};
use crate::units::show_ns;

/// Windows this short cannot be told apart by resets in whole seconds.
const COARSE_NS: u64 = 2_000_000_000;
const MS_IN_NS: i64 = 1_000_000;

/// The answers that announce one reset.
pub(super) struct Window {
    calls: Vec<Call>,
    /// Those that passed.
    admitted: Counts,
}

/// The windows of one user, and what may count in any of them.
pub(super) struct Announced {
    pub(super) windows: Vec<Window>,
    /// Calls that tell of no window.
    silent: Counts,
}

/// The windows that the answers of one user announce; none if they cannot be told apart.
pub(super) fn announced(ops: &UserKey<'_>, rules: &Rules) -> Announced {
    let mut told: Vec<(i64, Call)> = ops
        .calls
        .iter()
        .filter(|call| call.is_admitted() || call.is_limited())
        .filter_map(|call| Some((call.reset_ms?, *call)))
        .collect();
    let silent = |call: &&Call| !call.is_limited() && (call.reset_ms.is_none() || !call.is_admitted());
    let silent = Counts::of(ops.calls.iter().filter(silent));
    if rules.window_ns <= COARSE_NS && told.iter().all(|(reset_ms, _)| reset_ms % 1_000 == 0) {
        return Announced { windows: Vec::new(), silent };
    }
    told.sort_by_key(|(reset_ms, call)| (*reset_ms, call.span.call));
    let apart_ms = i64::try_from(rules.window_ns / 2).unwrap_or(i64::MAX) / MS_IN_NS;
    let mut groups: Vec<(i64, Vec<Call>)> = Vec::new();
    for (reset_ms, call) in told {
        match groups.last_mut() {
            Some((first_ms, calls)) if reset_ms.saturating_sub(*first_ms) <= apart_ms => calls.push(call),
            _ => groups.push((reset_ms, vec![call])),
        }
    }
    let windows = groups
        .into_iter()
        .map(|(_, calls)| Window { admitted: Counts::of(calls.iter().filter(|call| call.is_admitted())), calls })
        .collect();
    Announced { windows, silent }
}

impl Announced {
    pub(super) fn check(&self, user: &User<'_>, everybody: &Counts, rules: &Rules, findings: &mut Findings) {
        for window in &self.windows {
            window.check_passed(&user.ops, rules, findings);
            window.check_remaining(&user.ops, &self.silent, rules, findings);
            window.check_refused(user, (everybody, &self.silent), rules, findings);
            window.check_end(&user.ops, rules, findings);
        }
    }
}

impl Window {
    fn check_passed(&self, ops: &UserKey<'_>, rules: &Rules, findings: &mut Findings) {
        let passed = self.admitted.calls.len() as u64;
        if passed <= rules.limit {
            return;
        }
        let mut ids: Vec<u64> = self.calls.iter().filter(|call| call.is_admitted()).map(|call| call.span.id).collect();
        ids.sort_unstable();
        let last = ids.last().copied();
        let what = format!("{passed} calls passed that announce the same reset");
        findings.violation(
            Finding::new("over-limit", ops.key, what)
                .by(last.into_iter().chain(ids.into_iter().take(5)))
                .allowed(format!("{} calls in a window", rules.limit)),
        );
    }

    /// By falling number nobody may have been answered before somebody with a higher one called.
    fn check_remaining(&self, ops: &UserKey<'_>, silent: &Counts, rules: &Rules, findings: &mut Findings) {
        let mut told: Vec<(i64, Call)> = self
            .calls
            .iter()
            .filter(|call| call.is_admitted())
            .filter_map(|call| Some((call.remaining?, *call)))
            .collect();
        told.sort_by_key(|(left, call)| (-*left, call.span.call));
        let mut latest: Option<(i64, Call)> = None;
        let mut reported = HashSet::new();
        for (at, &(left, call)) in told.iter().enumerate() {
            if at > 0 && told[at - 1].0 == left {
                if reported.insert(left) {
                    findings.violation(doubled(ops.key, left, &[call, told[at - 1].1], "in one window"));
                }
                continue;
            }
            if let Some((higher, later)) = latest.filter(|(_, later)| call.span.end < later.span.call) {
                let what = format!(
                    "operation {} told {higher} remaining although operation {}, answered before it was called, told {left}",
                    later.span.id, call.span.id
                );
                findings.violation(wrong(ops.key, what, [later.span.id, call.span.id], format!("less than {left}")));
            }
            if latest.is_none_or(|(_, later)| call.span.call > later.span.call) {
                latest = Some((left, call));
            }
            let others = self.admitted.called_by(call.span.end) - 1 + silent.called_by(call.span.end);
            check_used(ops, &call, others, rules, findings);
        }
    }

    fn check_refused(
        &self,
        user: &User<'_>,
        (everybody, silent): (&Counts, &Counts),
        rules: &Rules,
        findings: &mut Findings,
    ) {
        for call in self.calls.iter().filter(|call| call.is_limited()) {
            let spent = self.admitted.called_by(call.span.end) + silent.called_by(call.span.end);
            let own_window = user.spent.possibly(call.span.call.saturating_sub(rules.most_ns()), call.span.end);
            // With too few in any window the refusal is accused once, by that.
            if spent < rules.limit && own_window >= rules.limit {
                findings.violation(cause::finding(user, everybody, call, spent, rules));
            }
        }
    }

    /// A window ends one window after any of its calls at the latest; whoever calls later is not in it.
    fn check_end(&self, ops: &UserKey<'_>, rules: &Rules, findings: &mut Findings) {
        let Some(first) = self.calls.iter().min_by_key(|call| call.span.end) else { return };
        let over_by = first.span.end.saturating_add(rules.most_ns());
        let Some(late) = self.calls.iter().filter(|call| call.span.call > over_by).min_by_key(|call| call.span.call)
        else {
            return;
        };
        let what = format!(
            "operation {} announces the same reset as operation {}, which was answered {} before",
            late.span.id,
            first.span.id,
            show_ns(late.span.call - first.span.end)
        );
        findings.violation(
            Finding::new("window-never-resets", ops.key, what)
                .by([late.span.id, first.span.id])
                .allowed(format!("another window: one lasts {}", show_ns(rules.window_ns))),
        );
    }
}

/// So many as are gone must be among the others that may count.
fn check_used(ops: &UserKey<'_>, call: &Call, others: u64, rules: &Rules, findings: &mut Findings) {
    let Some(left) = call.remaining else { return };
    let gone = (rules.limit as i64).saturating_sub(1).saturating_sub(left);
    if gone > others as i64 {
        let what = format!(
            "operation {} told {left} remaining, so {gone} passed before it, but only {others} others can have",
            call.span.id
        );
        let least = rules.limit as i64 - 1 - others as i64;
        findings.violation(wrong(ops.key, what, [call.span.id], format!("{least} or more")));
    }
}
