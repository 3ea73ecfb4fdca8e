//! What is told of a request at its end: when what happened to it, and how it came out.
//!
//! Invariant: an end that nobody saw is told as such ([`Unseen`]), never as an answer.

use stampede_model::failure::FailureKind;

/// The instants of one finished request, nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units last in names")]
pub(super) struct Stamps {
    /// When it should have left.
    pub(super) intent_ns: u64,
    /// When a user took it up.
    pub(super) start_ns: u64,
    /// When it was handed to an established connection.
    pub(super) send_ns: u64,
    pub(super) first_byte_ns: u64,
    pub(super) end_ns: u64,
}

/// What a complete answer was like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered<'a> {
    pub(super) status: u16,
    pub(super) body_bytes: u64,
    pub(super) headers: Option<&'a http::HeaderMap>,
}

/// Whether a complete answer was as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// As what it failed, and why in words, unless the status says it all.
    Bad(FailureKind, Option<String>),
}

/// Why no end of a request was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// It took longer than allowed; it was sent at this instant, or still connecting; of its answer this much was seen.
    TimedOut { sent_at_ns: Option<u64>, seen: Seen },
    /// The run was over; likewise.
    Unfinished { sent_at_ns: Option<u64> },
}

/// How much of an answer was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    Part,
}
