//! Contenders for one lock: never two holders, fencing numbers that rise with every grant, everybody served.
//!
//! A contender surely holds the lock from the answer of its acquire until it sends its release, or until the time to live has passed.
//! Two such intervals that overlap are a double grant. What may only perhaps overlap is no proof and not reported.

use super::{Findings, Ruling};
use crate::interval::{Interval, overlaps};
use crate::row::{ExclusiveHistory, Hold, Lease, Outcome};
use crate::units::show_ns;

/// Judges a lock under contention.
pub fn judge_exclusive(history: &ExclusiveHistory, skew_us: u64) -> Ruling {
    let mut findings = Findings::default();
    let granted: Vec<&Hold> =
        history.holds.iter().filter(|hold| matches!(hold.outcome, Outcome::Accepted { .. })).collect();
    let held: Vec<Interval> = granted.iter().map(|hold| surely_held(hold, history.ttl_ns)).collect();
    let double = overlaps(&held);
    for (first, second) in &double {
        let overlap_ns = held[*first].return_ns.min(held[*second].return_ns) - held[*second].call_ns;
        findings.violation(format!(
            "granted twice: two contenders held the lock together for {} (fences {} and {})",
            show_ns(overlap_ns),
            fence(granted[*first]),
            fence(granted[*second])
        ));
    }
    check_fences(&granted, &held, &mut findings);
    check_served(&history.holds, &mut findings);
    check_releases(&granted, history.ttl_ns, &mut findings);
    let longest_ns = granted.iter().map(|hold| hold.acquire.length_ns()).max().unwrap_or(0);
    let figure = format!(
        "{} of {} served, {} overlaps, longest wait {} (skew {skew_us} µs)",
        granted.len(),
        history.holds.len(),
        double.len(),
        show_ns(longest_ns)
    );
    findings.conclude(figure)
}

fn surely_held(hold: &Hold, ttl_ns: u64) -> Interval {
    let until_ns = Lease { acquire: hold.acquire, ttl_ns }.surely_until_ns();
    let released_ns = hold.release.as_ref().map_or(until_ns, |release| release.interval.call_ns);
    Interval { call_ns: hold.acquire.return_ns, return_ns: until_ns.min(released_ns) }
}

fn fence(hold: &Hold) -> String {
    hold.fence.map_or_else(|| "none".to_owned(), |fence| fence.to_string())
}

/// Grants in the order they were surely held must carry rising numbers; the same number twice is a grant nobody can fence off.
fn check_fences(granted: &[&Hold], held: &[Interval], findings: &mut Findings) {
    let with_fence = granted.iter().filter(|hold| hold.fence.is_some()).count();
    if with_fence != 0 && with_fence != granted.len() {
        findings.violation(format!("{} grants came without a fencing number", granted.len() - with_fence));
    }
    let mut order: Vec<usize> = (0..held.len()).filter(|&index| held[index].call_ns < held[index].return_ns).collect();
    order.sort_by_key(|&index| held[index].call_ns);
    for pair in order.windows(2) {
        if let (Some(earlier), Some(later)) = (granted[pair[0]].fence, granted[pair[1]].fence)
            && later <= earlier
        {
            findings.violation(format!("fencing numbers do not rise: {later} was granted after {earlier}"));
        }
    }
}

fn check_served(holds: &[Hold], findings: &mut Findings) {
    for hold in holds {
        match &hold.outcome {
            Outcome::Accepted { .. } => {}
            Outcome::Refused { .. } => findings.violation(format!(
                "not served: an acquire was refused with {} after {}",
                hold.outcome,
                show_ns(hold.acquire.length_ns())
            )),
            Outcome::NoAnswer { .. } => findings.doubt(format!("an acquire got {}", hold.outcome)),
            _ => findings.violation(format!("an acquire answered {}", hold.outcome)),
        }
    }
}

fn check_releases(granted: &[&Hold], ttl_ns: u64, findings: &mut Findings) {
    for hold in granted {
        let Some(release) = &hold.release else { continue };
        match &release.outcome {
            Outcome::Accepted { .. } => {}
            Outcome::NoAnswer { .. } => findings.doubt(format!("a release got {}", release.outcome)),
            // The lock may have expired before the release arrived; that is slowness, not a broken lock.
            Outcome::Refused { .. }
                if release.interval.return_ns >= Lease { acquire: hold.acquire, ttl_ns }.surely_until_ns() =>
            {
                findings.doubt("a holder was so slow that its lock may have expired");
            }
            _ => findings.violation(format!("a holder's release answered {}", release.outcome)),
        }
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
