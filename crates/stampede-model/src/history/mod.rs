//! What clients did and saw: one [`Operation`] per attempt, on one monotonic clock.
//!
//! A history belongs to one model ([`Model`]), which says what its operations are called and what they mean. The names of an
//! operation's inputs and outputs are open ([`Fields`]), so that any API's answers can be kept; a checker asks for those it
//! knows and says which line lacks one.
//! Invariants: a retry is an operation of its own; an operation without a return is pending for ever; an outcome says only what
//! the answer proves.
//! Absent on purpose: judgement, and anything of HTTP beyond what helps to find the request again.

mod edn;
mod fields;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use edn::write_edn;
pub use fields::{BadField, Fields};
pub use read::{BadHistory, History, read};
pub use write::HistoryWriter;

/// What stands in `history` of the first line.
pub const FORMAT: &str = "stampede";
/// The only version this build reads and writes.
pub const VERSION: u32 = 1;

/// What sort of object a history's keys name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Units of one thing: available, reserved, shipped.
    Stock,
    /// A lock with a lease and a fencing number.
    Lock,
    /// One value: read, write, compare-and-set.
    Register,
    /// A number that is added to.
    Counter,
    /// At most so many calls in a window.
    RateLimit,
    /// Who may see what.
    Tenants,
    /// Creation that happens once for each key of idempotency.
    Idempotency,
    /// Jobs that take effect at least once.
    Queue,
    /// Changes of several keys at once.
    Transactions,
}

impl Model {
    /// Every model.
    pub const ALL: [Self; 9] = [
        Self::Stock,
        Self::Lock,
        Self::Register,
        Self::Counter,
        Self::RateLimit,
        Self::Tenants,
        Self::Idempotency,
        Self::Queue,
        Self::Transactions,
    ];

    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Lock => "lock",
            Self::Register => "register",
            Self::Counter => "counter",
            Self::RateLimit => "rate-limit",
            Self::Tenants => "tenants",
            Self::Idempotency => "idempotency",
            Self::Queue => "queue",
            Self::Transactions => "transactions",
        }
    }
}

impl std::fmt::Display for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The first line of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heading {
    /// Always [`FORMAT`].
    pub history: String,
    /// Always [`VERSION`].
    pub version: u32,
    /// What the keys are.
    pub model: Model,
    /// The workload that made it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workload: String,
    /// The seed of its choices.
    #[serde(default)]
    pub seed: u64,
    /// When its clock began, nanoseconds since 1970 (UTC).
    #[serde(default)]
    pub started_unix_ns: u64,
    /// What the checker of the model must know: `initial`, `limit`, `window_ms`, ...
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub settings: Fields,
}

impl Heading {
    /// The heading of a history of `model` that knows nothing more.
    pub fn of(model: Model) -> Self {
        Self {
            history: FORMAT.to_owned(),
            version: VERSION,
            model,
            workload: String::new(),
            seed: 0,
            started_unix_ns: 0,
            settings: Fields::default(),
        }
    }
}

/// What an operation's end proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, and its output is what was seen.
    Ok,
    /// It surely had no effect. With `refused` it also says something of the state.
    Fail,
    /// Nobody knows.
    Info,
}

/// One attempt to do something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// Its number in the history, in the order of the calls.
    pub id: u64,
    /// Who did it: one thing at a time. After an unknown outcome the client goes on under another number.
    pub process: u64,
    /// The object it touched.
    pub key: String,
    /// What was asked, a word of the model.
    pub op: String,
    /// With what.
    #[serde(rename = "in", default, skip_serializing_if = "Fields::is_empty")]
    pub input: Fields,
    /// Before the first byte was written, nanoseconds on the history's clock.
    pub call_ns: u64,
    /// After the last byte was read; none when it never ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_ns: Option<u64>,
    /// What the end proves.
    pub outcome: Outcome,
    /// Why it was declined, when the decline says something of the state (`insufficient`, `busy`, `limited`, `conflict`, ..).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What was seen.
    #[serde(rename = "out", default, skip_serializing_if = "Fields::is_empty")]
    pub output: Fields,
    /// How to find it again: `POST /api/v1/reservations 201`, or the failure's text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Its key of idempotency, by which an unknown outcome can be resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl Operation {
    /// Whether it was declined because of the state.
    pub fn is_refused(&self) -> bool {
        self.outcome == Outcome::Fail && self.refused.is_some()
    }

    /// When it ended; an unknown outcome may take effect at any time.
    pub fn end_ns(&self) -> u64 {
        match self.outcome {
            Outcome::Info => u64::MAX,
            Outcome::Ok | Outcome::Fail => self.return_ns.unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests;
