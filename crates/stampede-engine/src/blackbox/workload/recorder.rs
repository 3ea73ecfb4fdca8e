//! The history under construction: numbers, pending unknown outcomes, the writer.
//!
//! Invariant: at most [`MAX_PENDING`] unknown outcomes are kept to be resolved; what is beyond is written as unknown.

use std::io::{self, Write};

use stampede_model::history::{HistoryWriter, Operation, Outcome};

use super::super::caller::Caller;
use super::super::exchange::Prepared;
use super::look::Look;

/// Unknown outcomes that are kept to be resolved.
const MAX_PENDING: usize = 10_000;

/// An operation whose outcome is unknown yet, with the request to ask again by.
#[derive(Clone, Debug)]
pub(super) struct Pending<'t> {
    pub(super) operation: Operation,
    pub(super) prepared: Prepared<'t>,
    pub(super) look: Look,
    /// Who asked.
    pub(super) caller: Caller,
}

/// What was written in all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) written: u64,
    pub(super) resolved: u64,
    pub(super) unresolved: u64,
    pub(super) unanswered_reads: u64,
}

/// Writes operations as they become final.
pub(super) struct Recorder<'t, W: Write> {
    writer: HistoryWriter<W>,
    pub(super) pending: Vec<Pending<'t>>,
    next_operation: u64,
    next_process: u64,
    pub(super) written: u64,
    pub(super) resolved: u64,
    pub(super) unresolved: u64,
    pub(super) unanswered_reads: u64,
}

impl<'t, W: Write> Recorder<'t, W> {
    pub(super) fn new(writer: HistoryWriter<W>) -> Self {
        Self {
            writer,
            pending: Vec::new(),
            next_operation: 0,
            next_process: 0,
            written: 0,
            resolved: 0,
            unresolved: 0,
            unanswered_reads: 0,
        }
    }

    /// The number of the next operation, in the order of the calls.
    pub(super) fn operation(&mut self) -> u64 {
        self.next_operation += 1;
        self.next_operation - 1
    }

    /// A process nobody was before.
    pub(super) fn process(&mut self) -> u64 {
        self.next_process += 1;
        self.next_process - 1
    }

    /// Operations begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.next_operation
    }

    /// Keeps or writes an operation that has ended.
    pub(super) fn ended(
        &mut self,
        operation: Operation,
        request: Option<(Prepared<'t>, Look, Caller)>,
    ) -> io::Result<()> {
        if operation.outcome == Outcome::Info && request.is_none() {
            self.unanswered_reads += 1;
        }
        if operation.outcome == Outcome::Info
            && let Some((prepared, look, caller)) = request
            && self.pending.len() < MAX_PENDING
        {
            self.pending.push(Pending { operation, prepared, look, caller });
            return Ok(());
        }
        self.write(&operation)
    }

    pub(super) fn write(&mut self, operation: &Operation) -> io::Result<()> {
        if operation.outcome == Outcome::Info {
            self.unresolved += 1;
        }
        self.written += 1;
        self.writer.add(operation)
    }

    /// Writes what stays unknown, and the closing line.
    pub(super) fn end(mut self) -> io::Result<Counted> {
        for pending in std::mem::take(&mut self.pending) {
            self.write(&pending.operation)?;
        }
        let Self { writer, written, resolved, unresolved, unanswered_reads, .. } = self;
        writer.end()?;
        Ok(Counted { written, resolved, unresolved, unanswered_reads })
    }
}
