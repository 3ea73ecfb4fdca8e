//! Why a call has no result.

use thiserror::Error;

use crate::problem::Problem;

/// Why a call has no result.
#[derive(Debug, Error)]
pub enum Error {
    /// The service refused; nothing was written.
    #[error("the service refused: {0}")]
    Refused(Box<Problem>),
    /// The service could not be asked, or what may be asked any number of times had no answer; nothing was written.
    #[error("the service does not answer: {0}")]
    Unreachable(String),
    /// An attempt of a write was not answered, so it may have happened, or happen yet. With a key: ask [`crate::Keys::settle`], or
    /// repeat the call under the key.
    #[error("nobody knows whether it happened{}: {last}", of_key(key.as_deref()))]
    Unknown {
        /// The write's idempotency key, if it bears one.
        key: Option<String>,
        /// What the last attempt met.
        last: String,
    },
    /// The answer is not what this version of the client reads.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl Error {
    /// The problem's stable word, when the service refused.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// The problem, when the service refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

fn of_key(key: Option<&str>) -> String {
    key.map(|key| format!("; ask for the key {key}")).unwrap_or_default()
}
