//! What was acknowledged against what took effect, after the queue was seen empty.

use super::Rules;
use super::op::{Job, QueueKey};
use crate::check::reading::{End, Span};
use crate::check::{Finding, Findings};

/// Jobs that are named in one finding.
const NAMED: usize = 5;

/// How the run ended.
pub(super) struct Drained {
    /// From here on the queue had been seen empty twice.
    since: Option<u64>,
    /// Jobs that are dead or still open: so many may lack their effect without being lost.
    visible: u64,
    /// The last look.
    last: Option<Span>,
}

impl Drained {
    /// Whether every job that is not seen to have taken effect is accounted for without a guess.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_some() && self.visible == 0
    }
}

/// Looks at what was left; what still is, is a finding.
pub(super) fn drain(queue: &QueueKey<'_>, findings: &mut Findings) -> Drained {
    let Some(last) = queue.left.last() else {
        let what = "nobody looked whether the queue was empty at the end";
        findings.doubt(Finding::new("no-quiescent-read", queue.key, what));
        return Drained { since: None, visible: 0, last: None };
    };
    let visible = last.open().saturating_add(last.dead);
    let last_two: Vec<_> = queue.left.iter().rev().take(2).collect();
    if last.open() > 0 {
        let what = format!(
            "at the last look, operation {}, {} jobs were ready, {} delayed and {} in hand",
            last.span.id, last.ready, last.delayed, last.reserved
        );
        findings.violation(
            Finding::new("backlog-left", queue.key, what)
                .by(last_two.iter().map(|left| left.span.id))
                .allowed("an empty queue, twice in a row"),
        );
        return Drained { since: None, visible, last: Some(last.span) };
    }
    let is_settled = last_two.len() == 2 && last_two.iter().all(|left| left.open() == 0);
    if !is_settled {
        let what = "the queue was seen empty only once: a job may have been between two lists";
        findings.doubt(Finding::new("no-quiescent-read", queue.key, what).by([last.span.id]));
    }
    Drained { since: is_settled.then_some(last.span.end), visible, last: Some(last.span) }
}

/// Checks every job.
pub(super) fn check(queue: &QueueKey<'_>, drained: &Drained, rules: &Rules, findings: &mut Findings) {
    let mut lost: Vec<(&str, Span, Option<Span>)> = Vec::new();
    let mut unseen: Vec<u64> = Vec::new();
    for (name, job) in &queue.jobs {
        check_unexpected(queue.key, name, job, findings);
        if rules.exactly_once {
            check_twice(queue.key, name, job, findings);
        }
        let Some(&acknowledged) = job.acknowledged.first() else { continue };
        if took_effect(job) {
            continue;
        }
        // Counted before the queue was empty, it may have come later.
        let counted = job.effects.iter().rfind(|(span, _)| drained.since.is_some_and(|since| since < span.call));
        match counted {
            Some((span, _)) => lost.push((name, acknowledged, Some(*span))),
            None if rules.complete_audit && job.effects.is_empty() && drained.since.is_some() => {
                lost.push((name, acknowledged, None));
            }
            None => unseen.push(acknowledged.id),
        }
    }
    report_lost(queue.key, &lost, drained, findings);
    if !unseen.is_empty() {
        let what = format!("{} acknowledged jobs were not looked up after the queue was empty", unseen.len());
        findings.doubt(Finding::new("no-quiescent-read", queue.key, what).by(unseen.into_iter().take(NAMED)));
    }
}

fn took_effect(job: &Job) -> bool {
    job.effects.iter().any(|(_, times)| *times > 0) || job.attempts.iter().any(|attempt| attempt.end == End::Done)
}

fn report_lost(key: &str, lost: &[(&str, Span, Option<Span>)], drained: &Drained, findings: &mut Findings) {
    if lost.len() as u64 <= drained.visible {
        return;
    }
    for (name, acknowledged, counted) in lost {
        let dead = match drained.visible {
            0 => String::new(),
            visible => format!("; {} such jobs are missing, {visible} are dead", lost.len()),
        };
        let what = format!(
            "the job `{name}` was acknowledged by operation {} and never took effect, and the queue is empty{dead}",
            acknowledged.id
        );
        let seen = counted.or(drained.last).map(|span| span.id);
        findings.violation(
            Finding::new("job-lost", key, what)
                .by([acknowledged.id].into_iter().chain(seen))
                .allowed("an effect, or the job among the dead"),
        );
    }
}

/// An effect needs an enqueue that may have happened.
fn check_unexpected(key: &str, name: &str, job: &Job, findings: &mut Findings) {
    if !job.acknowledged.is_empty() || !job.unknown.is_empty() {
        return;
    }
    let counted = job.effects.iter().find(|(_, times)| *times > 0).map(|(span, _)| *span);
    let handled = job.attempts.iter().find(|attempt| attempt.end.may_be_done()).map(|attempt| attempt.span);
    let Some(seen) = counted.or(handled) else { return };
    let why = if job.failed.is_empty() { "nobody enqueued it" } else { "every enqueue of it had failed" };
    findings.violation(
        Finding::new("job-unexpected", key, format!("the job `{name}` took effect although {why}"))
            .by([seen.id].into_iter().chain(job.failed.iter().map(|span| span.id).take(NAMED)))
            .allowed("no effect"),
    );
}

/// As often as it may have been enqueued, and no more.
fn check_twice(key: &str, name: &str, job: &Job, findings: &mut Findings) {
    let most = (job.acknowledged.len() + job.unknown.len()) as u64;
    let Some((span, times)) = job.effects.iter().max_by_key(|(_, times)| *times) else { return };
    if most == 0 || *times <= most {
        return;
    }
    let asked = job.acknowledged.iter().chain(&job.unknown).map(|span| span.id).take(NAMED);
    findings.violation(
        Finding::new("job-twice", key, format!("the job `{name}` took effect {times} times, enqueued {most} times"))
            .by([span.id].into_iter().chain(asked))
            .allowed(format!("{most} times: the scenario asks for exactly once")),
    );
}
