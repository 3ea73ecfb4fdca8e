//! A crash of a replica, as clients saw it: how soon they were served again, what became of writes that were repeated with their key,
//! and whether what was acknowledged is there.
//!
//! Invariants: a write that was never answered well is a failure, however often it was tried; only acknowledged writes are demanded
//! back; without a single write there is no verdict.

use super::{Findings, Ruling, Verdict};
use crate::chaos::{Outcome, Window, recovery};
use crate::units::{show_ns, thousands};

/// One write with its key of idempotency: all its attempts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptWrite {
    /// When it should have been sent.
    pub intent_ns: u64,
    /// When it was answered well; `None` is never.
    pub done_ns: Option<u64>,
    /// How often it was sent.
    pub attempts: u32,
    /// The last answer that was not good.
    pub last: String,
}

/// What was seen of one crash.
#[derive(Clone, Debug)]
pub struct CrashHistory {
    /// The replica.
    pub replica: String,
    /// When it was killed, and until when was looked.
    pub window: Window,
    /// Every attempt, by its end.
    pub attempts: Vec<Outcome>,
    /// Every write.
    pub writes: Vec<KeptWrite>,
    /// When the replica itself was ready again, counted from the kill; `None` when it was not in time.
    pub ready_after_ns: Option<u64>,
}

/// What became of an acknowledged write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its key.
    pub key: String,
    /// The id that was acknowledged.
    pub id: String,
    /// The ids that were found under its key; `None` when that could not be learned.
    pub found: Option<Vec<String>>,
}

/// Whether clients were served again in time, and the replica is back.
pub fn judge_recovery(history: &CrashHistory, limit_ns: u64) -> Ruling {
    let seen = recovery(&history.attempts, history.window);
    let served = seen.recovered_after_ns;
    let again = served.map_or("never".to_owned(), |ns| format!("after {}", show_ns(ns)));
    let back = history.ready_after_ns.map_or("never".to_owned(), |ns| format!("after {}", show_ns(ns)));
    let figure = format!(
        "served {again}, {} of {} attempts failed, {} ready {back}",
        thousands(seen.bad()),
        thousands(seen.good + seen.bad()),
        history.replica
    );
    if seen.good + seen.bad() == 0 {
        return ruling(Verdict::Unknown, figure, vec!["no request ended after the crash".to_owned()]);
    }
    let mut missed = Vec::new();
    match served {
        None => missed.push(format!("no good answer followed the last failure ({} failures)", seen.bad())),
        Some(ns) if ns >= limit_ns => missed.push(format!("clients were served again only after {}", show_ns(ns))),
        Some(_) => {}
    }
    if history.ready_after_ns.is_none() {
        missed.push(format!("{} was not ready again in time", history.replica));
    }
    let verdict = if missed.is_empty() { Verdict::Pass } else { Verdict::Missed };
    ruling(verdict, figure, missed)
}

/// Whether every write that was repeated with its key was done, and soon.
pub fn judge_kept(history: &CrashHistory, limit_ns: u64) -> Ruling {
    let writes = &history.writes;
    let failed = writes.iter().filter(|write| write.done_ns.is_none());
    let took = |write: &KeptWrite| write.done_ns.map(|done| done.saturating_sub(write.intent_ns));
    let slowest = writes.iter().filter_map(took).max().unwrap_or(0);
    let repeated = writes.iter().filter(|write| write.attempts > 1).count();
    let figure = format!(
        "{} of {} failed, slowest {}, {} repeated",
        thousands(failed.clone().count() as u64),
        thousands(writes.len() as u64),
        show_ns(slowest),
        thousands(repeated as u64)
    );
    if writes.is_empty() {
        return ruling(Verdict::Unknown, figure, vec!["no write was sent".to_owned()]);
    }
    let mut missed: Vec<String> = failed
        .take(3)
        .map(|write| format!("a write failed after {} attempts: {}", write.attempts, write.last))
        .collect();
    if slowest >= limit_ns {
        missed.push(format!("a write was done only after {}", show_ns(slowest)));
    }
    let verdict = if missed.is_empty() { Verdict::Pass } else { Verdict::Missed };
    ruling(verdict, figure, missed)
}

/// Whether what was acknowledged is there, once.
pub fn judge_vanished(kept: &[Kept]) -> Ruling {
    let mut findings = Findings::default();
    let (mut vanished, mut doubled, mut unknown) = (0_u64, 0_u64, 0_u64);
    for write in kept {
        match write.found.as_deref() {
            None => {
                unknown += 1;
                findings.doubt(format!("what became of {} could not be learned", write.key));
            }
            Some(found) if !found.contains(&write.id) => {
                vanished += 1;
                let instead = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                findings.violation(format!(
                    "{} was acknowledged as {} and is gone: {instead} is there",
                    write.key, write.id
                ));
            }
            Some([_]) => {}
            Some(found) => {
                doubled += 1;
                findings.violation(format!("{} was done {} times: {}", write.key, found.len(), found.join(", ")));
            }
        }
    }
    if kept.is_empty() {
        findings.doubt("no write was acknowledged");
    }
    let all = thousands(kept.len() as u64);
    let unsettled = if unknown > 0 { format!(", {} unknown", thousands(unknown)) } else { String::new() };
    findings.conclude(format!("{vanished} of {all} vanished, {doubled} doubled{unsettled}"))
}

/// What became of work that followed requests.
#[derive(Clone, Debug, Default)]
pub struct FollowUps {
    /// Requests that were acknowledged.
    pub asked: u64,
    /// Requests that were not.
    pub refused: u64,
    /// Work that was done in time, and when, counted from the last request.
    pub done: u64,
    /// When the last of it was, counted from the last request.
    pub last_ns: u64,
    /// Work that was not done in time: its id and the last answer.
    pub undone: Vec<(String, String)>,
    /// The replica that was killed meanwhile.
    pub killed: Option<String>,
}

/// Whether all of it was done.
pub fn judge_follow_ups(seen: &FollowUps) -> Ruling {
    let mut findings = Findings::default();
    for (id, last) in &seen.undone {
        findings.violation(format!("the work of {id} was not done in time; the last answer was {last}"));
    }
    if seen.asked == 0 {
        findings.doubt("no request was acknowledged, so nothing had to follow");
    } else if seen.refused > 0 {
        findings.doubt(format!("{} requests were not acknowledged", thousands(seen.refused)));
    }
    let killed = seen.killed.as_ref().map(|name| format!(", {name} killed")).unwrap_or_default();
    findings.conclude(format!(
        "{} of {} done, the last {} after the load{killed}",
        thousands(seen.done),
        thousands(seen.asked),
        show_ns(seen.last_ns)
    ))
}

pub(super) fn ruling(verdict: Verdict, figure: String, evidence: Vec<String>) -> Ruling {
    Ruling { verdict, figure, reason: evidence.join("; "), evidence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    const S: u64 = 1_000_000_000;

    fn history(failures: &[u64], last_good: bool) -> CrashHistory {
        let good = |end_ns| Outcome { intent_ns: end_ns, end_ns, failure: None };
        let bad = |end_ns| Outcome { intent_ns: end_ns, end_ns, failure: Some(FailureKind::Reset) };
        let mut attempts: Vec<Outcome> = failures.iter().map(|at| bad(*at)).collect();
        attempts.push(good(S));
        if last_good {
            attempts.push(good(9 * S));
        }
        attempts.sort_by_key(|outcome| outcome.end_ns);
        let window = Window { injected_ns: 2 * S, undone_ns: 2 * S, until_ns: 10 * S };
        let write = KeptWrite { intent_ns: S, done_ns: Some(S + 1), attempts: 1, last: String::new() };
        CrashHistory { replica: "api-2".into(), window, attempts, writes: vec![write], ready_after_ns: Some(S) }
    }

    #[test]
    fn a_recovery_in_time_passes_and_its_figure_says_how_soon() {
        let ruling = judge_recovery(&history(&[2 * S + 5], true), 8 * S);
        assert_eq!(ruling.verdict, Verdict::Pass, "{ruling:?}");
        assert_eq!(ruling.figure, "served after 7.00 s, 1 of 2 attempts failed, api-2 ready after 1.00 s");
    }

    #[test]
    fn a_late_recovery_none_at_all_and_a_replica_that_stays_away_are_missed() {
        let late = judge_recovery(&history(&[2 * S + 5], true), 5 * S);
        assert!(late.verdict == Verdict::Missed && late.reason.contains("only after 7.00 s"), "{late:?}");
        let never = judge_recovery(&history(&[2 * S + 5], false), 5 * S);
        assert!(never.verdict == Verdict::Missed && never.reason.contains("no good answer"), "{never:?}");
        let away = judge_recovery(&CrashHistory { ready_after_ns: None, ..history(&[], true) }, 8 * S);
        assert!(away.verdict == Verdict::Missed && away.reason.contains("api-2 was not ready"), "{away:?}");
        let silent = CrashHistory { attempts: Vec::new(), ..history(&[], false) };
        assert_eq!(judge_recovery(&silent, 5 * S).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_failed_or_slow_write_is_missed_however_often_it_was_repeated() {
        let with = |done_ns, attempts| {
            let write = KeptWrite { intent_ns: S, done_ns, attempts, last: "no answer: reset".into() };
            CrashHistory { writes: vec![write], ..history(&[], true) }
        };
        assert_eq!(judge_kept(&with(Some(S + 5), 3), S).verdict, Verdict::Pass);
        let failed = judge_kept(&with(None, 9), S);
        assert!(
            failed.verdict == Verdict::Missed && failed.reason.contains("after 9 attempts: no answer"),
            "{failed:?}"
        );
        assert_eq!(judge_kept(&with(Some(3 * S), 1), S).verdict, Verdict::Missed);
        assert_eq!(judge_kept(&CrashHistory { writes: Vec::new(), ..history(&[], true) }, S).verdict, Verdict::Unknown);
    }

    #[test]
    fn a_vanished_and_a_doubled_write_are_violations_and_an_unknown_one_is_no_pass() {
        let kept = |found: Option<&[&str]>| Kept {
            key: "k".into(),
            id: "7".into(),
            found: found.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
        };
        assert_eq!(judge_vanished(&[kept(Some(&["7"]))]).verdict, Verdict::Pass);
        let gone = judge_vanished(&[kept(Some(&[])), kept(Some(&["7"]))]);
        assert_eq!((gone.verdict, gone.figure.as_str()), (Verdict::Violated, "1 of 2 vanished, 0 doubled"));
        let other = judge_vanished(&[kept(Some(&["8"]))]);
        assert!(other.verdict == Verdict::Violated && other.reason.contains("8 is there"), "{other:?}");
        let doubled = judge_vanished(&[kept(Some(&["7", "8"]))]);
        assert!(doubled.verdict == Verdict::Violated && doubled.reason.contains("2 times"), "{doubled:?}");
        assert_eq!(judge_vanished(&[kept(None), kept(Some(&["7"]))]).verdict, Verdict::Unknown);
        assert_eq!(judge_vanished(&[]).verdict, Verdict::Unknown);
    }

    #[test]
    fn work_that_was_not_done_is_a_violation() {
        let seen = FollowUps { asked: 2, done: 2, last_ns: S, killed: Some("worker-1".into()), ..FollowUps::default() };
        let ruling = judge_follow_ups(&seen);
        let figure = "2 of 2 done, the last 1.00 s after the load, worker-1 killed";
        assert_eq!((ruling.verdict, ruling.figure.as_str()), (Verdict::Pass, figure));
        let lost = FollowUps { done: 1, undone: vec![("7".into(), "404".into())], ..seen.clone() };
        let ruling = judge_follow_ups(&lost);
        assert!(ruling.verdict == Verdict::Violated && ruling.reason.contains("work of 7"), "{ruling:?}");
        assert_eq!(judge_follow_ups(&FollowUps { refused: 1, ..seen }).verdict, Verdict::Unknown);
        assert_eq!(judge_follow_ups(&FollowUps::default()).verdict, Verdict::Unknown);
    }
}
