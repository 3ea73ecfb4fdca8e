//! A rate limit: exactly so many pass, whether one after the other or all at once, and every header tells the truth.
//!
//! Counting is exact only while the whole run fits the window: a slow run may legally see more pass, because early calls leave a
//! sliding window or a fixed one starts anew. Then only what no limiter may do is a violation, and the rest is a doubt.

use std::collections::BTreeSet;

use super::{Findings, Ruling};
use crate::interval::hull;
use crate::row::{Effect, HeaderNumber, LimitCall, LimitHistory, LimitRule, Outcome};
use crate::target::{LimiterKind, Origin, ResetForm};
use crate::units::show_ns;

/// Judges a limit's history.
pub fn judge_limit(history: &LimitHistory, skew_us: u64) -> Ruling {
    let mut findings = Findings::default();
    let rule = &history.rule;
    let runs = [("sequential", &history.sequential), ("simultaneous", &history.simultaneous)];
    for (name, calls) in runs {
        let run = Run { name, calls, rule };
        run.check_outcomes(&mut findings);
        match run.trust() {
            Trust::Fits => {
                run.check_counts(&mut findings);
                run.check_remaining(&mut findings);
            }
            Trust::No(why) => {
                run.check_surely_inside(&mut findings);
                findings.doubt(format!("{name}: {why}"));
            }
        }
    }
    check_order(&history.sequential, rule, &mut findings);
    for (name, calls) in runs {
        for call in calls {
            check_headers(name, call, rule, &mut findings);
        }
    }
    check_other(&history.other, rule, &mut findings);
    findings.conclude(figure(history, skew_us))
}

/// One user's calls.
struct Run<'a> {
    name: &'static str,
    calls: &'a [LimitCall],
    rule: &'a LimitRule,
}

/// Whether exact counting is justified.
enum Trust {
    Fits,
    No(String),
}

impl Run<'_> {
    fn count(&self, effect: Effect) -> usize {
        self.calls.iter().filter(|call| call.outcome.effect() == effect).count()
    }

    /// Not admitted, but declined by the limiter; any other 4xx does not count.
    fn limited(&self) -> usize {
        self.calls.iter().filter(|call| matches!(call.outcome, Outcome::Refused { .. })).count()
    }

    fn trust(&self) -> Trust {
        let length_ns = hull(self.calls.iter().map(|call| call.interval)).map_or(0, |all| all.length_ns());
        if length_ns >= self.rule.window_ns {
            let (took, window) = (show_ns(length_ns), show_ns(self.rule.window_ns));
            return Trust::No(format!("the calls took {took}, the window is {window}: too slow to count exactly"));
        }
        if self.rule.kind == LimiterKind::Fixed && !self.one_window() {
            return Trust::No("the window started anew during the calls; run the row again".to_owned());
        }
        let most_left = i64::from(self.rule.limit) - 1;
        let first_left = self.remaining_of_admitted().into_iter().max();
        if self.rule.origin == Origin::Found && first_left.is_none_or(|left| left < most_left) {
            let left = first_left.map_or("nothing".to_owned(), |left| left.to_string());
            return Trust::No(format!(
                "the user was not fresh: {left} was left after the first call; wait for the window to pass"
            ));
        }
        Trust::Fits
    }

    /// Whether all answers announce the same reset, give or take the rounding to seconds.
    fn one_window(&self) -> bool {
        let ends: Vec<i64> = self.calls.iter().filter_map(|call| window_end_s(call, self.rule.reset)).collect();
        match (ends.iter().min(), ends.iter().max()) {
            (Some(first), Some(last)) => last - first <= 1,
            _ => true,
        }
    }

    fn check_outcomes(&self, findings: &mut Findings) {
        for call in self.calls {
            match &call.outcome {
                Outcome::Accepted { .. } | Outcome::Refused { .. } | Outcome::Malformed { .. } => {}
                Outcome::Unexpected { .. } => {
                    findings.violation(format!("{}: a call answered {}", self.name, call.outcome));
                }
                Outcome::NoAnswer { .. } => findings.doubt(format!("{}: a call got {}", self.name, call.outcome)),
            }
        }
    }

    fn check_counts(&self, findings: &mut Findings) {
        let limit = self.rule.limit as usize;
        let (admitted, unclear) = (self.count(Effect::Done), self.count(Effect::Unclear));
        if admitted > limit {
            findings.violation(format!("{}: {admitted} calls passed, the limit is {limit}", self.name));
        } else if admitted + unclear < limit {
            findings.violation(format!("{}: only {admitted} calls passed, the limit is {limit}", self.name));
        }
    }

    /// Each of limit-1 .. 0 told to exactly one admitted call: a number told twice is a counter that two calls read at once.
    fn check_remaining(&self, findings: &mut Findings) {
        if self.count(Effect::Unclear) > 0 {
            return;
        }
        let mut told = self.remaining_of_admitted();
        let wanted = self.count(Effect::Done);
        if told.len() < wanted {
            return; // A missing header has been reported at its call.
        }
        told.sort_unstable_by(|left, right| right.cmp(left));
        let honest: Vec<i64> = (0..i64::from(self.rule.limit)).rev().take(wanted).collect();
        if let Some((seen, due)) = told.iter().zip(&honest).find(|(seen, due)| seen != due) {
            findings.violation(format!(
                "{}: Remaining is dishonest: {seen} told where {due} was due (each of {}..0 exactly once)",
                self.name,
                self.rule.limit - 1
            ));
        }
    }

    fn remaining_of_admitted(&self) -> Vec<i64> {
        let admitted = self.calls.iter().filter(|call| call.outcome.effect() == Effect::Done);
        admitted
            .filter_map(|call| match call.remaining {
                HeaderNumber::Is(left) => Some(left),
                _ => None,
            })
            .collect()
    }

    /// For a sliding window: more than the limit passed, each surely inside one window.
    fn check_surely_inside(&self, findings: &mut Findings) {
        if self.rule.kind != LimiterKind::Sliding {
            return;
        }
        let mut admitted: Vec<_> =
            self.calls.iter().filter(|call| call.outcome.effect() == Effect::Done).map(|call| call.interval).collect();
        admitted.sort_unstable_by_key(|interval| interval.return_ns);
        let returns: Vec<u64> = admitted.iter().map(|interval| interval.return_ns).collect();
        let starts: BTreeSet<u64> = admitted.iter().map(|interval| interval.call_ns).collect();
        for start_ns in starts {
            let ended = returns.partition_point(|return_ns| *return_ns < start_ns + self.rule.window_ns);
            let inside = admitted[..ended].iter().filter(|interval| interval.call_ns >= start_ns).count();
            if inside > self.rule.limit as usize {
                findings.violation(format!(
                    "{}: {inside} calls passed inside one window, the limit is {}",
                    self.name, self.rule.limit
                ));
                return;
            }
        }
    }
}

/// One after the other, so the numbers have an order: each admitted call leaves one less, and nobody passes after a refusal.
fn check_order(calls: &[LimitCall], rule: &LimitRule, findings: &mut Findings) {
    let window_fits = hull(calls.iter().map(|call| call.interval)).is_some_and(|all| all.length_ns() < rule.window_ns);
    if !window_fits || rule.kind != LimiterKind::Sliding {
        return;
    }
    let mut last: Option<i64> = None;
    let mut refused = false;
    for (number, call) in calls.iter().enumerate() {
        match (&call.outcome, &call.remaining) {
            (Outcome::Refused { .. }, _) => refused = true,
            (Outcome::Accepted { .. }, _) if refused => {
                findings.violation(format!("sequential: call {} passed after an earlier one was refused", number + 1));
                return;
            }
            (Outcome::Accepted { .. }, HeaderNumber::Is(left)) => {
                if last.is_some_and(|last| *left != last - 1) {
                    let last = last.unwrap_or_default();
                    findings.violation(format!(
                        "sequential: Remaining is dishonest: {left} told at call {} after {last}",
                        number + 1
                    ));
                    return;
                }
                last = Some(*left);
            }
            _ => {}
        }
    }
}

fn check_headers(run: &str, call: &LimitCall, rule: &LimitRule, findings: &mut Findings) {
    let refused = match call.outcome {
        Outcome::Accepted { .. } | Outcome::Malformed { .. } => false,
        Outcome::Refused { .. } => true,
        _ => return,
    };
    let limit = i64::from(rule.limit);
    number(run, "the limit header", &call.limit, limit..=limit, findings);
    number(run, "Remaining", &call.remaining, if refused { 0..=0 } else { 0..=limit - 1 }, findings);
    let window_s = rule.window_ns.div_ceil(1_000_000_000) as i64;
    let resets = match rule.reset {
        ResetForm::SecondsLeft => 0..=window_s,
        // Rounded to seconds either way: not before the call, not later than a window after the answer, which came within the
        // millisecond that was noted.
        ResetForm::UnixSeconds => call.called_unix_ms.div_euclid(1_000)..=ceil_s(call.returned_unix_ms + 1) + window_s,
    };
    number(run, "Reset", &call.reset, resets, findings);
    if refused {
        number(run, "Retry-After", &call.retry_after, 1..=window_s, findings);
    }
}

fn number(run: &str, name: &str, seen: &HeaderNumber, range: std::ops::RangeInclusive<i64>, findings: &mut Findings) {
    let due = if range.start() == range.end() {
        range.start().to_string()
    } else {
        format!("{} to {}", range.start(), range.end())
    };
    match seen {
        HeaderNumber::Is(value) if range.contains(value) => {}
        HeaderNumber::Is(value) => findings.violation(format!("{run}: {name} says {value}, due is {due}")),
        HeaderNumber::Absent => findings.violation(format!("{run}: {name} is missing")),
        HeaderNumber::Garbled(text) => findings.violation(format!("{run}: {name} is no number: {text}")),
    }
}

fn check_other(other: &LimitCall, rule: &LimitRule, findings: &mut Findings) {
    match &other.outcome {
        Outcome::Accepted { .. } => check_headers("other tenant", other, rule, findings),
        Outcome::NoAnswer { .. } => findings.doubt(format!("other tenant: the call got {}", other.outcome)),
        // On a target that ran before, that user may have spent his own calls.
        Outcome::Refused { .. } if rule.origin == Origin::Found => {
            findings.doubt(format!("other tenant: the call answered {}; was that user fresh?", other.outcome));
        }
        _ => findings.violation(format!("other tenant: a user of another tenant was answered {}", other.outcome)),
    }
}

fn window_end_s(call: &LimitCall, form: ResetForm) -> Option<i64> {
    match (&call.reset, form) {
        (HeaderNumber::Is(at_s), ResetForm::UnixSeconds) => Some(*at_s),
        (HeaderNumber::Is(left_s), ResetForm::SecondsLeft) => Some(call.returned_unix_ms.div_euclid(1_000) + left_s),
        _ => None,
    }
}

fn ceil_s(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(1_000) + i64::from(unix_ms.rem_euclid(1_000) > 0)
}

fn figure(history: &LimitHistory, skew_us: u64) -> String {
    let of = |name, calls| {
        let run = Run { name, calls, rule: &history.rule };
        format!("{name} {} passed, {} refused", run.count(Effect::Done), run.limited())
    };
    format!(
        "{}; {} (skew {skew_us} µs); other tenant {}",
        of("sequential", &history.sequential),
        of("simultaneous", &history.simultaneous),
        match &history.other.outcome {
            Outcome::Accepted { status } | Outcome::Refused { status } | Outcome::Unexpected { status, .. } =>
                status.to_string(),
            other => other.to_string(),
        }
    )
}

#[cfg(test)]
#[path = "limit_tests.rs"]
mod tests;
