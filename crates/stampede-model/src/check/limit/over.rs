//! More calls that passed than any limiter of the kind admits.

use super::counts::Counts;
use super::op::{Call, UserKey};
use super::{Rules, User};
use crate::check::{Finding, Findings};
use crate::units::show_ns;

/// Operations that are named for an excess.
const NAMED: usize = 6;

/// At most `most` calls may lie wholly inside a stretch shorter than a window.
pub(super) fn check_inside(user: &User<'_>, most: u64, rules: &Rules, findings: &mut Findings) {
    let length_ns = rules.least_ns();
    // A call longer than the stretch lies inside none; without them the count is exact.
    let short = |call: &&Call| call.is_admitted() && call.span.end - call.span.call < length_ns;
    let counts = Counts::of(user.ops.calls.iter().filter(short));
    let mut reported_until = 0;
    let (mut ended, mut before) = (0, 0);
    for &start in &counts.calls {
        let stop = start.saturating_add(length_ns);
        while ended < counts.ends.len() && counts.ends[ended] < stop {
            ended += 1;
        }
        while counts.calls[before] < start {
            before += 1;
        }
        let inside = ended.saturating_sub(before) as u64;
        if inside > most && start >= reported_until {
            reported_until = stop;
            findings.violation(excess(&user.ops, (start, stop), inside, most));
        }
    }
}

fn excess(ops: &UserKey<'_>, (start, stop): (u64, u64), inside: u64, most: u64) -> Finding {
    let inside_of = |call: &&Call| call.is_admitted() && start <= call.span.call && call.span.end < stop;
    let ids: Vec<u64> = ops.calls.iter().filter(inside_of).map(|call| call.span.id).collect();
    let (first, last) = (ids.first().copied(), ids.last().copied());
    let what = format!(
        "{inside} calls passed from operation {} to operation {}, all within {}",
        first.unwrap_or_default(),
        last.unwrap_or_default(),
        show_ns(stop - start)
    );
    Finding::new("over-limit", ops.key, what)
        .by(last.into_iter().chain(ids.into_iter().take(NAMED - 1)))
        .allowed(format!("{most} calls in such a stretch"))
}

/// A call that passed after as many as the limit had surely been counted in the window before it.
pub(super) fn check_before(user: &User<'_>, rules: &Rules, findings: &mut Findings) {
    if !rules.refused_counts {
        // Then the stretch that ends with the call says the same.
        return;
    }
    let counted = Counts::of(user.ops.calls.iter().filter(|call| call.spends(rules)));
    for call in user.ops.calls.iter().filter(|call| call.is_admitted()) {
        let Some(from) = call.span.end.checked_sub(rules.least_ns()) else { continue };
        let before = counted.surely(from, call.span.call);
        if before >= rules.limit {
            let what = format!(
                "operation {} passed although {before} calls, refused ones counted, came in the window before it",
                call.span.id
            );
            findings.violation(
                Finding::new("over-limit", user.ops.key, what)
                    .by([call.span.id])
                    .allowed(format!("a refusal after {} calls, whether they passed or not", rules.limit)),
            );
        }
    }
}
