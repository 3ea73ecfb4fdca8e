//! Writes with a key of idempotency, by the requests of a workload of the target.

use std::time::Duration;

use serde_json::Value;
use stampede_model::failure::FailureKind;
use stampede_model::row::Outcome as Seen;
use stampede_model::target::{Ref, Workload};
use stampede_model::verdict::Kept;
use tokio::time::{Instant, sleep};

use super::caller::{Bench, Caller};
use super::error::RowError;
use super::exchange::{Answered, Line, Prepared};

/// Pause before a write is repeated.
const PAUSE: Duration = Duration::from_millis(20);

/// What can be written, and by whom.
pub(super) struct Writer<'b, 't> {
    pub(super) bench: &'b Bench<'t>,
    workload: &'t Workload,
    create: &'t Ref,
    caller: Caller,
}

/// A write that was answered well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) key: String,
    pub(super) id: String,
}

/// One write, all its attempts together.
pub(super) struct Written {
    pub(super) done: Option<Acknowledged>,
    pub(super) attempts: u32,
    pub(super) last: String,
}

impl<'b, 't> Writer<'b, 't> {
    /// Logs the workload's first user in and makes what its writes need.
    pub(super) async fn set_up(bench: &'b Bench<'t>, name: &Ref) -> Result<Self, RowError> {
        let gone = || RowError::Workload(format!("there is no `{}`", name.as_ref()));
        let found = bench.target().workload.iter().find(|workload| workload.id.as_ref() == name.as_ref());
        let workload = found.ok_or_else(gone)?;
        let create = workload.bound("create", 0).ok_or_else(gone)?;
        let user = workload.users.as_ref().first().ok_or_else(gone)?;
        let object = format!("{}-{}", name.as_ref(), bench.unique());
        let units = workload.setting("initial").unwrap_or(0);
        let caller = bench.caller(user).await?;
        let caller = caller.with("key", object.as_str()).with("resource", object.as_str()).with("units", units);
        let mut line = bench.open_line().await?;
        let caller = bench.set_up(&mut line, &workload.setup, caller).await?;
        Ok(Self { bench, workload, create, caller })
    }

    /// Sends one write under a key of its own, and again under the same key until it is answered well or `until` has come. `seen` is
    /// told of every attempt.
    pub(super) async fn write(
        &self,
        line: &mut Option<Line>,
        until: Instant,
        seen: &mut impl FnMut(u64, u64, Option<FailureKind>),
    ) -> Result<Written, RowError> {
        let key = format!("kept-{}", self.bench.unique());
        let caller = self.caller.with("idempotency_key", key.as_str()).with("body", 1);
        let prepared = self.bench.prepare(self.create, &caller)?;
        let mut written = Written { done: None, attempts: 0, last: String::new() };
        loop {
            written.attempts += 1;
            let sent_ns = self.bench.now_ns();
            let answered = self.attempt(line, &prepared).await;
            let outcome = answered.as_ref().map(|answered| &answered.outcome);
            let failure = outcome.map_or(Some(FailureKind::ConnectFailed), failure_of);
            seen(sent_ns, self.bench.now_ns(), failure);
            match answered {
                Ok(answered) if answered.is_accepted() => {
                    let id = answered.taken.get("id").map(text_of).unwrap_or_default();
                    written.done = Some(Acknowledged { key, id });
                    return Ok(written);
                }
                Ok(answered) => {
                    written.last = answered.outcome.to_string();
                    if is_final(&answered.outcome) {
                        return Ok(written);
                    }
                }
                Err(error) => written.last = error.to_string(),
            }
            if Instant::now() >= until {
                return Ok(written);
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, line: &mut Option<Line>, prepared: &Prepared<'_>) -> Result<Answered, RowError> {
        let usable = match line {
            Some(open) => open.is_ready().await,
            None => false,
        };
        if !usable {
            *line = None;
        }
        let open = match line {
            Some(open) => open,
            None => line.insert(self.bench.open_line().await?),
        };
        let answered = open.call(prepared).await;
        if matches!(answered.outcome, Seen::NoAnswer { .. }) {
            *line = None;
        }
        Ok(answered)
    }

    /// Looks an acknowledged write up; what cannot be asked for is unknown.
    pub(super) async fn look_up(&self, line: &mut Line, written: Acknowledged) -> Result<Kept, RowError> {
        let Acknowledged { key, id } = written;
        let find = self.workload.bound("find", 0);
        let find = find.ok_or_else(|| RowError::NoRequest { request: "find".to_owned() })?;
        let caller = self.caller.with("idempotency_key", key.as_str());
        let answered = self.bench.call(line, find, &caller).await?;
        let found = answered.taken.get("found").and_then(Value::as_array).filter(|_| answered.is_accepted());
        let found = found.map(|found| found.iter().map(id_of).collect());
        Ok(Kept { key, id, found })
    }

    /// The caller with one value more.
    pub(super) fn caller_with(&self, name: &str, value: &str) -> Caller {
        self.caller.with(name, value)
    }
}

/// A refusal is an answer, and repeating it changes nothing; a conflict with its own earlier attempt passes.
fn is_final(outcome: &Seen) -> bool {
    match outcome {
        Seen::Accepted { .. } | Seen::Malformed { .. } | Seen::Refused { .. } => true,
        Seen::Unexpected { status, .. } => (400..500).contains(status) && !matches!(status, 408 | 409 | 425 | 429),
        Seen::NoAnswer { .. } => false,
    }
}

fn failure_of(outcome: &Seen) -> Option<FailureKind> {
    match outcome {
        Seen::Accepted { .. } => None,
        Seen::Malformed { .. } => Some(FailureKind::ContentUnexpected),
        Seen::Unexpected { status: 500.., .. } => Some(FailureKind::Status5xx),
        Seen::Refused { .. } | Seen::Unexpected { .. } => Some(FailureKind::Status4xx),
        Seen::NoAnswer { .. } => Some(FailureKind::Reset),
    }
}

/// The id of what was found: an object's `id`, or the value itself.
fn id_of(found: &Value) -> String {
    text_of(found.get("id").unwrap_or(found))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
