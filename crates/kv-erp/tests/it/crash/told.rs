//! What clients asked for and what they were told, which is all that the proof afterwards may build on.

use serde_json::Value;

use super::client::{Answer, Gone};

/// What an answer, or its absence, says of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It happened, under this id.
    Yes(String),
    /// It did not: this refusal, or this failure that claims that nothing was written.
    No(String),
    /// It may have: this failure, or no answer.
    Perhaps(String),
}

/// What is known of a reservation's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody ended it.
    Pending,
    /// A client was told that it is in this state.
    Is(&'static str),
    /// It may be in this state, or still pending.
    Perhaps(&'static str),
}

/// A reservation or a receipt that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Its own: no other attempt has it.
    pub(crate) reference: String,
    /// Which of the levels that are fought over.
    pub(crate) level: usize,
    pub(crate) units: i64,
    pub(crate) told: Told,
    /// Of a reservation; a receipt has no end.
    pub(crate) end: End,
}

/// All that one client did.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) reservations: Vec<Attempt>,
    pub(crate) receipts: Vec<Attempt>,
}

/// Failures whose description says that nothing was written.
const UNTOUCHED: [&str; 3] = ["unavailable", "overloaded", "lock_timeout"];
/// The service asked what became of a write, and nobody could say.
pub(crate) const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// Failures that leave it open.
const OPEN: [&str; 2] = [OUTCOME_UNKNOWN, "timeout"];
/// What [`Told::Perhaps`] has in place of a code when the connection broke.
pub(crate) const UNANSWERED: &str = "no answer";

impl Told {
    /// Reads an answer to a write. Whatever these clients have no reason to be told ends the test.
    pub(crate) fn by(answer: &Result<Answer, Gone>) -> Self {
        let Ok((status, body)) = answer else { return Self::Perhaps(UNANSWERED.to_owned()) };
        let code = || body["code"].as_str().unwrap_or_default();
        match status {
            200 | 201 => Self::Yes(id(body)),
            409 if code() == "insufficient_stock" => Self::No(code().to_owned()),
            503 if UNTOUCHED.contains(&code()) => Self::No(code().to_owned()),
            503 if OPEN.contains(&code()) => Self::Perhaps(code().to_owned()),
            _ => panic!("{status} {body}"),
        }
    }
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}
