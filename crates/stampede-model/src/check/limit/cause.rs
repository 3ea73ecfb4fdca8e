//! Calls that were refused although the limit cannot have been reached, and whose fault it looks like.

use super::counts::Counts;
use super::op::Call;
use super::{Rules, User};
use crate::check::{Finding, Findings};

/// Refusals of a window, fixed or sliding: what could have filled it was decided at most one window before.
pub(super) fn check(user: &User<'_>, everybody: &Counts, rules: &Rules, findings: &mut Findings) {
    for call in user.ops.calls.iter().filter(|call| call.is_limited()) {
        let from = call.span.call.saturating_sub(rules.most_ns());
        let own = u64::from(call.may_spend(rules));
        let spent = user.spent.possibly(from, call.span.end).saturating_sub(own);
        if spent < rules.limit {
            findings.violation(finding(user, everybody, call, spent, rules));
        }
    }
}

/// What to say of a refusal to which at most `spent` calls can have led.
pub(super) fn finding(user: &User<'_>, everybody: &Counts, call: &Call, spent: u64, rules: &Rules) -> Finding {
    let id = call.span.id;
    let most = rules.most_at_once();
    let own = u64::from(call.may_spend(rules));
    let from = call.span.call.saturating_sub(rules.most_ns());
    let recent = user.spent.possibly(from, call.span.end).saturating_sub(own);
    let ever = user.spent.called_by(call.span.end).saturating_sub(own);
    let all = everybody.possibly(from, call.span.end).saturating_sub(own);
    let (rule, what) = if ever >= most && recent == 0 {
        let what = format!("operation {id} was refused although its user had not called for a whole window");
        ("window-never-resets", what)
    } else if all >= most {
        let what = format!(
            "operation {id} was refused after {spent} calls of its user; with those of others there were {all}"
        );
        ("other-user-limited", what)
    } else {
        let what = format!("operation {id} was refused when at most {spent} calls of its user can have counted");
        ("limited-without-cause", what)
    };
    Finding::new(rule, user.ops.key, what)
        .by([id].into_iter().chain(last_before(user, call)))
        .allowed(format!("it passes: a refusal needs {most} calls of that user that count"))
}

/// The last call that passed before it.
fn last_before(user: &User<'_>, call: &Call) -> Option<u64> {
    let at = user.ops.calls.partition_point(|other| other.span.call < call.span.call);
    user.ops.calls[..at].iter().rev().find(|other| other.is_admitted()).map(|other| other.span.id)
}
