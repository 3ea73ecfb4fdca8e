//! A step's request as an operation of the run's history.
//!
//! Invariants: an operation that may have had an effect is written, also when its user is dropped at the end of the run; an
//! outcome says only what the answer proves; what an answer does not show is not in its output.

use serde_json::Value;
use stampede_model::history::{Fields, Operation, Outcome};
use stampede_model::scenario::{Effect, Frame, Plan, Record, Slot, Step, Template};

use super::Shared;
use super::answer::{Nothing, Proves, Seen};
use super::history::{NotWritten, RunHistory};
use crate::load::scenario::{Attempt, Exchange, Halt, Outgoing};

/// The header by which a request can be sent again without a second effect.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// An operation that was called and has not ended.
pub(super) struct UnderWay<'a> {
    history: &'a RunHistory,
    plan: &'a Plan,
    step: &'a Step,
    record: &'a Record,
    operation: Option<Operation>,
}

/// How a request ended.
pub(super) struct Ended<'a> {
    pub(super) exchange: Exchange,
    pub(super) attempt: &'a Result<Attempt<()>, Halt>,
    pub(super) seen: &'a Seen,
}

impl<'a> UnderWay<'a> {
    /// An operation that is about to be called; none when nothing is recorded.
    pub(super) fn begin(
        (shared, step): (&'a Shared, &'a Step),
        (frame, process): (&Frame, &mut Option<u64>),
        request: &Outgoing,
        now_ns: u64,
    ) -> Option<Self> {
        let (history, record) = (shared.history.as_deref()?, step.record.as_ref()?);
        let plan = &shared.plan;
        let idempotency_key = request.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
        let operation = Operation {
            id: history.operation(now_ns),
            process: *process.get_or_insert_with(|| history.process()),
            key: plan.redact(&text(plan, &record.key, frame)),
            op: record.op.to_owned(),
            input: record.input.iter().map(|(name, value)| (name.as_str(), json(plan, value, frame))).collect(),
            call_ns: now_ns,
            return_ns: None,
            outcome: Outcome::Info,
            refused: None,
            output: Fields::new(),
            note: plan.redact(&format!("{} {}", request.method(), request.endpoint().path())),
            idempotency_key: idempotency_key.map(|key| plan.redact(key)),
        };
        Some(Self { history, plan, step, record, operation: Some(operation) })
    }

    /// Writes what came of it. After an unknown outcome the user goes on as another process.
    pub(super) fn end(mut self, ended: &Ended<'_>, frame: &Frame, process: &mut Option<u64>) -> Result<(), NotWritten> {
        let Some(mut operation) = self.operation.take() else { return Ok(()) };
        let Ok(attempt) = ended.attempt else {
            // Nothing more may be sent, so it never was called.
            return Ok(());
        };
        let Exchange { call_ns, return_ns, was_sent } = ended.exchange;
        operation.outcome = match ended.seen.proves {
            Proves::Done => Outcome::Ok,
            Proves::Nothing if was_sent && self.record.effect == Effect::Perhaps => Outcome::Info,
            Proves::Refused | Proves::Nothing => Outcome::Fail,
        };
        operation.call_ns = call_ns;
        operation.return_ns = (operation.outcome != Outcome::Info).then_some(return_ns);
        if ended.seen.proves == Proves::Refused {
            operation.refused.clone_from(&self.record.refused);
        }
        if ended.seen.proves != Proves::Nothing {
            operation.output = self.output(frame, &ended.seen.taken);
        }
        operation.note = match (ended.seen.status, attempt) {
            (Some(status), _) => format!("{} {status}", operation.note),
            (None, Attempt::Failed { kind, .. }) => format!("{}: {kind}", operation.note),
            (None, Attempt::Good(())) => operation.note,
        };
        if operation.outcome == Outcome::Info {
            *process = None;
        }
        self.history.add(&operation)
    }

    /// What the answer showed: values that the step would have taken from it, and did not find, are those of earlier answers.
    fn output(&self, frame: &Frame, taken: &[usize]) -> Fields {
        let is_old = |slot| {
            matches!(slot, Slot::Variable(number)
                if self.step.take.iter().any(|take| take.variable == number) && !taken.contains(&number))
        };
        let shown = self.record.output.iter().filter(|(_, value)| !value.slots().any(is_old));
        shown.map(|(name, value)| (name.as_str(), json(self.plan, value, frame))).collect()
    }
}

impl Drop for UnderWay<'_> {
    /// Its user is gone before the answer: the run is over.
    fn drop(&mut self) {
        let Some(mut operation) = self.operation.take().filter(|_| self.record.effect == Effect::Perhaps) else {
            return;
        };
        operation.note.push_str(": the run ended before its answer");
        // Whoever ends the history is told.
        drop(self.history.add(&operation));
    }
}

fn text(plan: &Plan, template: &Template, frame: &Frame) -> String {
    let mut text = String::new();
    template.render(&mut text, &plan.feeds, frame, &mut Nothing);
    text
}

fn json(plan: &Plan, template: &Template, frame: &Frame) -> Value {
    let text = text(plan, template, frame);
    let mut value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    if !plan.secrets.is_empty() {
        hide(plan, &mut value);
    }
    value
}

/// Hides secrets in the texts of a value.
fn hide(plan: &Plan, value: &mut Value) {
    match value {
        Value::String(text) => *text = plan.redact(text),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(plan, item)),
        Value::Object(fields) => fields.values_mut().for_each(|field| hide(plan, field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
