//! A bucket that is filled steadily: what passes and what is refused against what can have been in it.
//!
//! In any stretch at most the burst and what was filled meanwhile can pass. Refused is right if, counted from some instant at which
//! it can have been full at most, more calls may have been decided than it had. Numbers are scaled so that all of it is whole.

use super::counts::Counts;
use super::op::Call;
use super::{Rules, User, cause};
use crate::check::reading::{GRAIN_NS, MILLION};
use crate::check::{Finding, Findings};
use crate::units::show_ns;

/// A permit and what is filled in a nanosecond, in one unit.
struct Scale {
    permit: i128,
    most_a_ns: i128,
    least_a_ns: i128,
}

impl Scale {
    fn of(rules: &Rules) -> Self {
        let (limit, million) = (i128::from(rules.limit), MILLION as i128);
        let ppm = i128::from(rules.drift.ppm());
        Self {
            permit: i128::from(rules.window_ns) * million,
            most_a_ns: limit * (million + ppm),
            least_a_ns: limit * (million - ppm),
        }
    }
}

/// Checks what passed, and what did not.
pub(super) fn check(user: &User<'_>, everybody: &Counts, rules: &Rules, findings: &mut Findings) {
    let scale = Scale::of(rules);
    check_passed(user, rules, &scale, findings);
    check_refused(user, everybody, (rules, &scale), findings);
}

/// Sweeps over the ends; of the stretches that end there the worst beginning is kept.
fn check_passed(user: &User<'_>, rules: &Rules, scale: &Scale, findings: &mut Findings) {
    let counts = &user.admitted;
    let capacity = i128::from(rules.burst) * scale.permit + scale.most_a_ns * i128::from(GRAIN_NS);
    let mut worst: Option<(i128, u64)> = None;
    let mut begun = 0;
    let mut reported_until = 0;
    for (ended, &stop) in counts.ends.iter().enumerate() {
        while begun < counts.calls.len() && counts.calls[begun] <= stop {
            let start = counts.calls[begun];
            let before = begun as i128 * scale.permit - scale.most_a_ns * i128::from(start);
            if worst.is_none_or(|(worst, _)| before < worst) {
                worst = Some((before, start));
            }
            begun += 1;
        }
        let Some((before, start)) = worst else { continue };
        let until = (ended as i128 + 1) * scale.permit - scale.most_a_ns * i128::from(stop);
        if until - before > capacity && start >= reported_until {
            reported_until = stop;
            findings.violation(excess(user, (start, stop), rules));
        }
    }
}

fn excess(user: &User<'_>, (start, stop): (u64, u64), rules: &Rules) -> Finding {
    let inside = |call: &&Call| call.is_admitted() && start <= call.span.call && call.span.end <= stop;
    let ids: Vec<u64> = user.ops.calls.iter().filter(inside).map(|call| call.span.id).collect();
    let filled = rules.drift.most(stop - start) as f64 * rules.limit as f64 / rules.window_ns as f64;
    let what = format!(
        "{} calls passed within {}, the last of them operation {}",
        ids.len(),
        show_ns(stop - start),
        ids.last().copied().unwrap_or_default()
    );
    Finding::new("over-limit", user.ops.key, what)
        .by(ids.last().copied().into_iter().chain(ids.iter().take(5).copied()))
        .allowed(format!("{} at once and {filled:.1} that were filled meanwhile", rules.burst))
}

fn check_refused(user: &User<'_>, everybody: &Counts, (rules, scale): (&Rules, &Scale), findings: &mut Findings) {
    // For a stretch that begins at each end, what it had less what was filled since; the worst of all up to there.
    let mut worst = i128::MIN;
    let lacks: Vec<i128> = user
        .spent
        .ends
        .iter()
        .take_while(|end| **end < u64::MAX)
        .enumerate()
        .map(|(ended, &end)| {
            worst = worst.max(scale.least_a_ns * i128::from(end) - ended as i128 * scale.permit);
            worst
        })
        .collect();
    let spare = i128::from(rules.burst - 1) * scale.permit;
    for call in user.ops.calls.iter().filter(|call| call.is_limited()) {
        let own = u64::from(call.may_spend(rules));
        let called = user.spent.called_by(call.span.end) - own;
        let recent = called.saturating_sub(user.spent.ended_before(call.span.call));
        if i128::from(recent) * scale.permit > spare {
            continue;
        }
        let known = user.spent.ended_by(call.span.call).min(lacks.len() as u64) as usize;
        let filled_by = scale.least_a_ns * (i128::from(call.span.call) - i128::from(GRAIN_NS));
        let lack = known.checked_sub(1).map(|at| i128::from(called) * scale.permit + lacks[at] - filled_by);
        if lack.is_none_or(|lack| lack <= spare) {
            findings.violation(cause::finding(user, everybody, call, recent, rules));
        }
    }
}
