//! What the answers tell as remaining, where no window is announced: within bounds, and never twice without reason.

use std::collections::HashMap;

use super::counts::Counts;
use super::op::{Call, UserKey};
use super::{Kind, Rules, User};
use crate::check::{Finding, Findings};

/// Each answer by itself.
pub(super) fn check_answers(ops: &UserKey<'_>, rules: &Rules, findings: &mut Findings) {
    for call in ops.calls.iter().filter(|call| call.is_admitted() || call.is_limited()) {
        let id = call.span.id;
        if let Some(limit) = call.limit.filter(|limit| rules.kind != Kind::Bucket && *limit != rules.limit as i64) {
            let what = format!("operation {id} told a limit of {limit}");
            findings.violation(wrong(ops.key, what, [id], format!("{}", rules.limit)));
        }
        let Some(left) = call.remaining else { continue };
        let most = if call.is_limited() { 0 } else { rules.most_at_once() as i64 - 1 };
        if !(0..=most).contains(&left) {
            let end = if call.is_limited() { "was refused" } else { "passed" };
            let what = format!("operation {id} {end} and told {left} remaining");
            findings.violation(wrong(ops.key, what, [id], format!("0 to {most}")));
        }
    }
}

/// A sliding log: what it tells is what was decided in the window before.
pub(super) fn check_sliding(user: &User<'_>, rules: &Rules, findings: &mut Findings) {
    let surely = Counts::of(user.ops.calls.iter().filter(|call| call.spends(rules)));
    for call in user.ops.calls.iter().filter(|call| call.is_admitted()) {
        let Some(left) = call.remaining else { continue };
        let gone = (rules.limit as i64).saturating_sub(1).saturating_sub(left);
        let most = user.spent.possibly(call.span.call.saturating_sub(rules.most_ns()), call.span.end) as i64 - 1;
        // Before the first window has passed nothing can have left it.
        let least = match call.span.end.checked_sub(rules.least_ns()) {
            Some(from) => surely.surely(from, call.span.call),
            None => surely.ended_before(call.span.call),
        } as i64;
        if gone < least || most < gone {
            let limit = rules.limit as i64;
            let what = format!(
                "operation {} told {left} remaining, so {gone} counted before it; it must have been {least} to {most}",
                call.span.id
            );
            let allowed = format!("{} to {}", (limit - 1 - most).max(0), limit - 1 - least);
            findings.violation(wrong(user.ops.key, what, [call.span.id], allowed));
        }
    }
    check_doubled(user, rules, findings);
}

/// The same number twice needs a call that left the window between the two.
fn check_doubled(user: &User<'_>, rules: &Rules, findings: &mut Findings) {
    let mut last: HashMap<i64, Call> = HashMap::new();
    let mut admitted: Vec<&Call> = user.ops.calls.iter().filter(|call| call.is_admitted()).collect();
    admitted.sort_by_key(|call| call.span.end);
    for call in admitted {
        let Some(left) = call.remaining else { continue };
        let Some(other) = last.insert(left, *call) else { continue };
        let first_call = call.span.call.min(other.span.call);
        let last_end = call.span.end.max(other.span.end);
        if !may_leave(user, first_call, last_end, rules) {
            let between = "with no call between them that can have left the window";
            findings.violation(doubled(user.ops.key, left, &[*call, other], between));
        }
    }
}

/// Whether some call may have left the window of a decision between the two instants.
fn may_leave(user: &User<'_>, from: u64, to: u64, rules: &Rules) -> bool {
    let Some(latest) = to.checked_sub(rules.least_ns()) else { return false };
    let earliest = from.saturating_sub(rules.most_ns());
    user.spent.possibly(earliest.min(latest), earliest.max(latest)) > 0
}

/// A bucket: three times the same number needs a permit filled meanwhile.
pub(super) fn check_bucket(ops: &UserKey<'_>, rules: &Rules, findings: &mut Findings) {
    let mut last: HashMap<i64, [Option<Call>; 2]> = HashMap::new();
    let mut admitted: Vec<&Call> = ops.calls.iter().filter(|call| call.is_admitted()).collect();
    admitted.sort_by_key(|call| call.span.end);
    for call in admitted {
        let Some(left) = call.remaining else { continue };
        let known = last.entry(left).or_default();
        let [older, newer] = *known;
        *known = [newer, Some(*call)];
        let (Some(older), Some(newer)) = (older, newer) else { continue };
        let three = [*call, newer, older];
        let first = three.iter().map(|one| one.span.call).min().unwrap_or_default();
        let length_ns = rules.drift.most(call.span.end - first);
        if u128::from(length_ns) * u128::from(rules.limit) < u128::from(rules.window_ns) {
            findings.violation(doubled(ops.key, left, &three, "before one more permit can have been filled"));
        }
    }
}

/// The same number told to several.
pub(super) fn doubled(key: &str, left: i64, calls: &[Call], when: &str) -> Finding {
    let ids: Vec<u64> = calls.iter().map(|call| call.span.id).collect();
    let names: Vec<String> = ids.iter().rev().map(u64::to_string).collect();
    let what = format!("operations {} all told {left} remaining, {when}", names.join(" and "));
    Finding::new("remaining-doubled", key, what)
        .by(ids)
        .allowed("a number of its own for each: told twice, two calls have read one counter")
}

/// A number that cannot be.
pub(super) fn wrong(key: &str, what: String, ids: impl IntoIterator<Item = u64>, allowed: String) -> Finding {
    Finding::new("remaining-wrong", key, what).by(ids).allowed(allowed)
}
