//! Unknown outcomes made known: the same request is sent again with the same key of idempotency, when nobody else acts.
//!
//! An answer that says it repeats an earlier one proves that the first attempt took effect, and shows what it saw. One that is new
//! proves that the first had not, and, the key being used up, never will; the resent request is then an operation of its own.
//! A refusal by itself proves nothing: the first may still be on its way. Where the target can make a key void, that settles it; where
//! the refusal is that of a used key, it is final; else the outcome stays unknown.

use std::io::Write;
use std::time::Duration;

use stampede_model::history::{Model, Operation, Outcome};
use stampede_model::row::Outcome as Seen;
use stampede_model::target::TakePlace;
use tokio::time::{Instant, sleep};

use super::super::caller::Bench;
use super::super::exchange::{Answered, Line};
use super::WorkloadError;
use super::client::Shared;
use super::manner::Effort;
use super::recorder::Pending;

/// Pause between two tries: the first attempt may still be at work.
const PAUSE: Duration = Duration::from_millis(50);

/// Resolves all pending operations that can be, and writes each that is not to be asked for again.
pub(super) async fn resolve<W: Write>(
    shared: &Shared<'_, '_, W>,
    bench: &Bench<'_>,
    effort: Effort,
) -> Result<(), WorkloadError> {
    let pending = std::mem::take(&mut shared.recorder.borrow_mut().pending);
    if pending.is_empty() {
        return Ok(());
    }
    let (mut line, until) = (None, Instant::now() + effort.all);
    for pending in pending {
        let is_final = *shared.workload.model.as_ref() == Model::Idempotency;
        let is_late = Instant::now() >= until;
        let tries = if is_late { 0 } else { effort.tries };
        let outcome = ask(bench, &mut line, (&pending, is_final, tries)).await;
        if effort.keeps && matches!(outcome, Said::Nothing) {
            shared.recorder.borrow_mut().pending.push(pending);
            continue;
        }
        settle((shared, bench), pending, outcome).map_err(WorkloadError::History)?;
    }
    Ok(())
}

/// What a resent request said.
enum Said {
    /// It repeats the first one's answer.
    Repeats(Box<Answered>),
    /// It took effect itself.
    Anew(Box<Answered>),
    /// The first did nothing, and never will.
    Void,
    /// The key is used up by another request: as it was told, for good.
    Refused(Box<Answered>),
    /// Nothing that helps.
    Nothing,
}

async fn ask(
    bench: &Bench<'_>,
    line: &mut Option<Line>,
    (pending, is_final, tries): (&Pending<'_>, bool, u32),
) -> Said {
    let Some(resolve) = &bench.target().resolve else { return Said::Nothing };
    if pending.operation.idempotency_key.is_none() {
        return Said::Nothing;
    }
    for _ in 0..tries {
        if line.is_none() {
            *line = bench.open_line().await.ok();
        }
        let Some(mut open) = line.take() else {
            sleep(PAUSE).await;
            continue;
        };
        if !open.is_ready().await {
            continue;
        }
        let answered = open.call(&pending.prepared).await;
        if !matches!(answered.outcome, Seen::NoAnswer { .. }) {
            *line = Some(open);
        }
        let is_repeated = match &resolve.replayed.place {
            TakePlace::Header(header) => answered.header(header.as_str()).is_some_and(|value| value != "false"),
            TakePlace::Body(pointer) => serde_json::from_slice(&answered.body)
                .is_ok_and(|body| pointer.find(&body).and_then(serde_json::Value::as_bool) == Some(true)),
        };
        match answered.outcome {
            Seen::Accepted { .. } | Seen::Malformed { .. } if is_repeated => return Said::Repeats(Box::new(answered)),
            Seen::Accepted { .. } | Seen::Malformed { .. } => return Said::Anew(Box::new(answered)),
            Seen::Refused { .. } if is_final => return Said::Refused(Box::new(answered)),
            _ if make_void(bench, line, pending).await => return Said::Void,
            _ => sleep(PAUSE).await,
        }
    }
    Said::Nothing
}

/// Whether the key could be made void, so that what is still on its way can do nothing any more.
async fn make_void(bench: &Bench<'_>, line: &mut Option<Line>, pending: &Pending<'_>) -> bool {
    let Some(void) = bench.target().resolve.as_ref().and_then(|resolve| resolve.void.as_ref()) else { return false };
    let (Some(key), Some(open)) = (&pending.operation.idempotency_key, line) else { return false };
    let caller = pending.caller.with("idempotency_key", key.as_str());
    let Ok(answered) = bench.call(open, void, &caller).await else { return false };
    let is_done = answered.taken.get("state").and_then(serde_json::Value::as_str) == Some("completed");
    answered.is_accepted() && !is_done
}

fn settle<W: Write>(
    (shared, bench): (&Shared<'_, '_, W>, &Bench<'_>),
    pending: Pending<'_>,
    said: Said,
) -> std::io::Result<()> {
    let mut recorder = shared.recorder.borrow_mut();
    let mut first = pending.operation;
    let error = ["status", "error"].map(|name| (name, first.output.get(name).cloned()));
    match said {
        Said::Nothing => return recorder.write(&first),
        Said::Void => {
            first.outcome = Outcome::Fail;
            first.return_ns = Some(bench.now_ns());
            first.note = format!("{}; its key is void, it had no effect", first.note);
        }
        Said::Refused(answered) => {
            (first.outcome, first.refused) = (Outcome::Fail, Some("conflict".to_owned()));
            first.return_ns = Some(answered.interval.return_ns);
            first.note = format!("{}; a resent request finds its key used by another", first.note);
        }
        Said::Repeats(answered) => {
            first.outcome = Outcome::Ok;
            first.return_ns = Some(answered.interval.return_ns);
            pending.look.at(&mut first, &answered);
            first.note = format!("{}; a resent request repeats its answer", first.note);
        }
        Said::Anew(answered) => {
            let (id, process) = (recorder.operation(), recorder.process());
            let mut second = Operation {
                id,
                process,
                call_ns: answered.interval.call_ns,
                return_ns: Some(answered.interval.return_ns),
                outcome: Outcome::Ok,
                note: format!("the request of operation {} sent again: {}", first.id, answered.outcome),
                ..first.clone()
            };
            pending.look.at(&mut second, &answered);
            recorder.write(&second)?;
            first.outcome = Outcome::Fail;
            first.return_ns = Some(answered.interval.return_ns);
            first.note = format!("{}; a resent request found that it had no effect", first.note);
        }
    }
    for (name, value) in error {
        if let Some(value) = value {
            first.output.set(name, value);
        }
    }
    recorder.resolved += 1;
    recorder.write(&first)
}
