//! The thread that waits for the generators: it adds up their seconds as they close, and ends the run when a limit breaks
//! that is to end it.
//!
//! Invariants: a generator never waits for this thread; a limit is looked at once a second, on what is known so far, and
//! not before its time of grace is over.

use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use stampede_model::run_result::LoadResult;
use stampede_model::threshold::{AbortAfter, Judgement, Limit};

use super::generator::Common;
use super::ledger::Ledger;
use super::machine::Machine;

/// How often closed seconds are fetched.
const LOOK: Duration = Duration::from_millis(100);

/// Wakes the waiting thread when a generator ends, however it ends.
pub(super) struct Finish {
    waiting: Thread,
}

impl Finish {
    pub(super) fn of(waiting: &Thread) -> Self {
        Self { waiting: waiting.clone() }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        self.waiting.unpark();
    }
}

/// Watches until `finished` says that all generators are.
pub(super) fn until_finished(
    common: &Common,
    (ledger, machine): (&mut Ledger, &mut Machine),
    finished: impl Fn() -> bool,
) {
    let started = Instant::now();
    let limits: Vec<&Limit> = common.plan.limits.iter().filter(|limit| limit.abort.is_some()).collect();
    while !finished() {
        thread::park_timeout(LOOK);
        let closed = collect(common, ledger);
        if closed {
            machine.look();
        }
        if closed
            && !limits.is_empty()
            && let Some(text) = broken(&limits, &ledger.view(), started.elapsed())
            && let Some((_, steer)) = common.begun.get()
        {
            steer.abort(text);
        }
    }
}

/// Takes up what has been handed in; tells whether a second closed.
pub(super) fn collect(common: &Common, ledger: &mut Ledger) -> bool {
    let mut seconds = Vec::new();
    ledger.collect(&common.series, |second| seconds.push(second));
    let closed = !seconds.is_empty();
    if let Some((_, steer)) = common.begun.get() {
        for second in seconds {
            steer.close_second(second, ledger.intent());
        }
    }
    closed
}

/// The first limit that is broken and may end the run.
fn broken(limits: &[&Limit], so_far: &LoadResult, elapsed: Duration) -> Option<String> {
    let due = |limit: &&&Limit| limit.abort.is_some_and(|AbortAfter(grace)| grace <= elapsed);
    limits.iter().filter(due).find_map(|limit| {
        let judged = limit.judge(so_far);
        let place = limit.step.as_ref().map_or(String::new(), |step| format!(" for {step}"));
        (judged.judgement == Judgement::Fail)
            .then(|| format!("{}{place} broke: measured {}", judged.threshold, judged.measured))
    })
}
