//! Jobs as they are shown: what is to be done because something was committed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::JobId;

/// The states of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// To be done: it waits for its time, for a worker, or for another attempt.
    Open,
    /// It has had its effect.
    Done,
    /// It was given up, and can be replayed.
    Dead,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Done, Self::Dead];

    /// The word in the table and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// Reads the table's word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == raw)
    }
}

/// A job as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Which one.
    pub id: JobId,
    /// What is done.
    #[schema(example = "send_order_confirmation")]
    pub kind: String,
    /// Which queue it is in: `high`, `default` or `low`.
    #[schema(example = "default")]
    pub priority: String,
    /// Its state.
    pub state: JobState,
    /// How many attempts failed since it was made or replayed.
    #[schema(example = 0)]
    pub attempts: i32,
    /// What the last of them said.
    pub last_error: Option<String>,
    /// Not worked on before then.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was done or given up.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// When it was last handed to the queue.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub pushed_at: Option<Timestamp>,
}
