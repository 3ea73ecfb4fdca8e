//! What was done with one queue, gathered by job.

use std::collections::BTreeMap;

use crate::check::reading::{BadOperation, End, Span, count, need_count};
use crate::history::{Operation, Outcome};

/// What is known of one job.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    /// Enqueues that were acknowledged.
    pub(super) acknowledged: Vec<Span>,
    /// Enqueues without an answer.
    pub(super) unknown: Vec<Span>,
    /// Enqueues that surely failed.
    pub(super) failed: Vec<Span>,
    /// How often it took effect, as counted afterwards.
    pub(super) effects: Vec<(Span, u64)>,
    pub(super) attempts: Vec<Attempt>,
}

/// A worker had it in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) span: Span,
    /// When the worker let it go, if that was seen.
    pub(super) over: Option<u64>,
    pub(super) number: u64,
    pub(super) end: End,
}

/// What was left in the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) span: Span,
    pub(super) ready: u64,
    pub(super) delayed: u64,
    pub(super) reserved: u64,
    pub(super) dead: u64,
}

impl Left {
    /// Jobs that somebody still has to handle.
    pub(super) fn open(&self) -> u64 {
        self.ready.saturating_add(self.delayed).saturating_add(self.reserved)
    }
}

#[derive(Debug)]
pub(super) struct QueueKey<'a> {
    pub(super) key: &'a str,
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) left: Vec<Left>,
}

impl<'a> QueueKey<'a> {
    pub(super) fn new(key: &'a str) -> Self {
        Self { key, jobs: BTreeMap::new(), left: Vec::new() }
    }

    /// Whether anything was acknowledged.
    pub(super) fn has_acknowledged(&self) -> bool {
        self.jobs.values().any(|job| !job.acknowledged.is_empty())
    }

    pub(super) fn add(&mut self, operation: &Operation) -> Result<(), BadOperation> {
        let span = Span::of(operation);
        match operation.op.as_str() {
            "enqueue" => {
                let job = self.job(operation)?;
                match End::of(operation, "") {
                    End::Done => job.acknowledged.push(span),
                    End::Unknown => job.unknown.push(span),
                    End::Refused | End::Nothing => job.failed.push(span),
                }
            }
            "effect" if operation.outcome == Outcome::Ok => {
                let times = need_count(&operation.output, "times")?;
                self.job(operation)?.effects.push((span, times));
            }
            "handled" => {
                let number = count(&operation.input, "attempt")?.unwrap_or(1);
                let attempt = Attempt { span, over: operation.return_ns, number, end: End::of(operation, "") };
                self.job(operation)?.attempts.push(attempt);
            }
            "drained" if operation.outcome == Outcome::Ok => {
                let output = &operation.output;
                let of = |name: &str| count(output, name).map(Option::unwrap_or_default);
                let ready = need_count(output, "ready")?;
                let left = Left { span, ready, delayed: of("delayed")?, reserved: of("reserved")?, dead: of("dead")? };
                self.left.push(left);
            }
            "effect" | "drained" => {}
            other => return Err(BadOperation::Word(other.to_owned())),
        }
        Ok(())
    }

    fn job(&mut self, operation: &Operation) -> Result<&mut Job, BadOperation> {
        let name = operation.input.need_text("job")?;
        Ok(self.jobs.entry(name).or_default())
    }
}
