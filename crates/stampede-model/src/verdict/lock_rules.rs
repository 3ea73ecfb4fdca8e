//! The rules of a lock, step by step.

use std::collections::BTreeSet;

use super::{Findings, Ruling};
use crate::row::{LockObservation, LockRule, LockSight, LockWish, Outcome};
use crate::units::show_ns;

/// Judges what was observed of the rules; a rule without an observation is a doubt.
pub fn judge_lock_rules(observations: &[LockObservation]) -> Ruling {
    let mut findings = Findings::default();
    let mut kept: BTreeSet<LockRule> = LockRule::ALL.into_iter().collect();
    for observation in observations {
        let mut own = Findings::default();
        check(observation, &mut own);
        if own != Findings::default() {
            kept.remove(&observation.rule);
            findings.absorb(own);
        }
    }
    for rule in LockRule::ALL {
        if !observations.iter().any(|observation| observation.rule == rule) {
            kept.remove(&rule);
            findings.doubt(format!("{}: not observed", rule.label()));
        }
    }
    let expiry = observations.iter().find_map(|seen| {
        let took_ns = seen.interval.return_ns.saturating_sub(seen.after?.acquire.call_ns);
        Some(format!(", expired after {}", show_ns(took_ns)))
    });
    let expiry = expiry.unwrap_or_default();
    findings.conclude(format!("{} of {} rules kept{expiry}", kept.len(), LockRule::ALL.len()))
}

fn check(seen: &LockObservation, findings: &mut Findings) {
    let name = format!("{}: {}", seen.rule.label(), seen.step);
    // What rests on a holder is proven only if the answer came while he surely held.
    let rests = seen.during.is_none_or(|lease| seen.interval.return_ns < lease.surely_until_ns());
    let mut broken = |text: String| {
        if rests {
            findings.violation(text);
        } else {
            findings.doubt(format!("{text}, but too slowly to prove anything"));
        }
    };
    match (seen.wish, &seen.sight) {
        (LockWish::Accepted, LockSight::Call(Outcome::Accepted { .. }))
        | (LockWish::Refused, LockSight::Call(Outcome::Refused { .. }))
        | (LockWish::Held, LockSight::Look { held: true })
        | (LockWish::Free, LockSight::Look { held: false }) => {}
        (LockWish::Accepted, LockSight::Call(Outcome::Refused { status })) => {
            broken(format!("{name} was refused with {status}"));
        }
        (LockWish::Refused, LockSight::Call(Outcome::Accepted { status })) => {
            broken(format!("{name} was accepted with {status}"));
        }
        (_, LockSight::Look { held: true }) => broken(format!("{name} shows the lock held")),
        (_, LockSight::Look { held: false }) => broken(format!("{name} shows the lock free")),
        (_, LockSight::Call(outcome @ Outcome::NoAnswer { .. })) => findings.doubt(format!("{name} got {outcome}")),
        (_, LockSight::Call(outcome)) => findings.violation(format!("{name} answered {outcome}")),
    }
    if seen.after.is_some_and(|lease| seen.interval.return_ns < lease.surely_until_ns())
        && matches!(seen.sight, LockSight::Call(Outcome::Accepted { .. }))
    {
        findings.violation(format!("{name} was granted before the first holder's time to live had passed"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::interval::Interval;
    use crate::row::Lease;

    const GRANTED: LockSight = LockSight::Call(Outcome::Accepted { status: 201 });
    const BUSY: LockSight = LockSight::Call(Outcome::Refused { status: 409 });

    fn until(ns: u64) -> Lease {
        Lease { acquire: Interval { call_ns: 0, return_ns: 0 }, ttl_ns: ns }
    }

    fn seen(rule: LockRule, wish: LockWish, sight: LockSight) -> LockObservation {
        LockObservation {
            rule,
            step: "the step".into(),
            interval: Interval { call_ns: 10, return_ns: 20 },
            wish,
            sight,
            during: None,
            after: None,
        }
    }

    fn sound() -> Vec<LockObservation> {
        LockRule::ALL.into_iter().map(|rule| seen(rule, LockWish::Accepted, GRANTED)).collect()
    }

    #[test]
    fn kept_rules_pass_and_an_unobserved_one_does_not() {
        let mut observations = sound();
        let ruling = judge_lock_rules(&observations);
        assert_eq!((ruling.verdict, ruling.figure.as_str()), (Verdict::Pass, "7 of 7 rules kept"));
        observations.pop();
        assert_eq!(judge_lock_rules(&observations).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_grant_that_should_be_refused_is_named() {
        let mut observations = sound();
        observations.push(seen(LockRule::RefuseHeld, LockWish::Refused, GRANTED));
        let ruling = judge_lock_rules(&observations);
        assert_eq!(ruling.verdict, Verdict::Violated);
        assert_eq!(ruling.reason, "a held lock is refused: the step was accepted with 201");
        assert_eq!(ruling.figure, "6 of 7 rules kept");
    }

    #[test]
    fn a_stranger_who_frees_the_lock_is_named_by_the_look_after_it() {
        let mut observations = sound();
        observations.push(seen(LockRule::Strangers, LockWish::Held, LockSight::Look { held: false }));
        assert_eq!(judge_lock_rules(&observations).reason, "a stranger cannot release: the step shows the lock free");
    }

    #[test]
    fn an_answer_after_the_lease_proves_nothing() {
        let mut observations = sound();
        let late =
            LockObservation { during: Some(until(15)), ..seen(LockRule::RefuseHeld, LockWish::Refused, GRANTED) };
        observations.push(late.clone());
        assert_eq!(judge_lock_rules(&observations).verdict, Verdict::Unknown);
        observations.push(LockObservation { during: Some(until(25)), ..late });
        assert_eq!(judge_lock_rules(&observations).verdict, Verdict::Violated);
    }

    #[test]
    fn an_early_expiry_is_a_violation() {
        let mut observations = sound();
        observations
            .push(LockObservation { after: Some(until(21)), ..seen(LockRule::Expire, LockWish::Accepted, GRANTED) });
        let ruling = judge_lock_rules(&observations);
        assert!(ruling.reason.contains("before the first holder's time to live"), "{ruling:?}");
    }

    #[test]
    fn a_wait_that_ends_in_a_refusal_is_a_lock_that_never_expires() {
        let mut observations = sound();
        observations.push(seen(LockRule::Expire, LockWish::Accepted, BUSY));
        assert_eq!(judge_lock_rules(&observations).verdict, Verdict::Violated);
    }
}
