//! The end of a request: what the caller makes of the answer, and where it is counted.
//!
//! Invariants: each request is recorded once; a connection is kept only after a complete answer.

use stampede_model::failure::FailureKind;

use super::{Client, Cool};
use crate::load::link::{Call, Done, End};
use crate::load::outcome::{Answered, Stamps, Unseen, Verdict};
use crate::load::plan::Reuse;
use crate::load::scenario::{Mismatch, Received};

/// What came of a request that was counted, whatever came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt<T> {
    /// The answer was as expected.
    Good(T),
    /// It failed, and is counted so.
    Failed {
        /// As what.
        kind: FailureKind,
        /// The status, if an answer came.
        status: Option<u16>,
    },
}

/// When a request was under way, on the clock that all users of a run share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Before its first byte left, or, when nothing was sent, before a connection was sought.
    pub call_ns: u64,
    /// After the last byte of its answer was read, or when it was given up.
    pub return_ns: u64,
    /// Whether it was handed to a connection, so that something of it may have arrived.
    pub was_sent: bool,
}

impl Client<'_> {
    /// Records the end of a request.
    pub(super) fn judge<T>(
        &mut self,
        call: &Call<'_>,
        end: End,
        check: impl FnOnce(&Received<'_>) -> Result<T, Mismatch>,
    ) -> Attempt<T> {
        let sent_at_ns = self.slot.doing.get().sent_at_ns();
        self.cool = if sent_at_ns.is_some() { Cool::No } else { Cool::Down };
        if let (Some(ticket), Some(at_ns)) = (self.ticket.take(), sent_at_ns) {
            self.shard.barriers.note_sent(ticket, at_ns);
        }
        let link = &mut self.links[call.origin];
        let seen = link.seen();
        let mut recorder = self.shard.recorder.borrow_mut();
        recorder.travelled(link.travelled());
        if !matches!(end, End::Ended(Ok(_))) || self.shard.plan.reuse == Reuse::PerRequest {
            link.close();
        }
        let attempt = match end {
            End::Ended(Ok(done)) => {
                let Done { send_ns, first_byte_ns, end_ns, status, body_bytes, headers } = done;
                let Call { intent_ns, start_ns, .. } = *call;
                let stamps = Stamps { intent_ns, start_ns, send_ns, first_byte_ns, end_ns };
                self.last_ns = end_ns;
                let received = Received {
                    status,
                    headers: headers.as_ref().unwrap_or(&self.no_headers),
                    body: &self.body,
                    body_bytes,
                    service_ns: end_ns.saturating_sub(send_ns),
                };
                let answered = Answered { status, body_bytes, headers: headers.as_ref() };
                let (verdict, attempt) = sentence(status, check(&received));
                recorder.answered(call, stamps, &answered, verdict);
                attempt
            }
            End::Ended(Err(failure)) => {
                self.last_ns = self.shard.clock.now_ns();
                let kind = failure.kind;
                recorder.failed((call.series, call.intent_ns), self.last_ns, failure);
                Attempt::Failed { kind, status: None }
            }
            End::Expired => {
                self.last_ns = self.shard.clock.now_ns();
                let kind =
                    recorder.unseen((call.series, call.intent_ns), self.last_ns, Unseen::TimedOut { sent_at_ns, seen });
                Attempt::Failed { kind, status: None }
            }
        };
        drop(recorder);
        let call_ns = sent_at_ns.unwrap_or(call.start_ns);
        self.exchange = Exchange { call_ns, return_ns: self.last_ns, was_sent: sent_at_ns.is_some() };
        self.shard.settle(self.slot);
        attempt
    }
}

fn sentence<T>(status: u16, checked: Result<T, Mismatch>) -> (Verdict, Attempt<T>) {
    let (kind, text) = match checked {
        Ok(value) => return (Verdict::Good, Attempt::Good(value)),
        Err(Mismatch::Status) => (FailureKind::of_status(status), None),
        Err(Mismatch::Content(text)) => (FailureKind::ContentUnexpected, Some(text)),
    };
    (Verdict::Bad(kind, text), Attempt::Failed { kind, status: Some(status) })
}
