//! Why a call has no result.

use thiserror::Error;

use crate::problem::Problem;

/// Why a call has no result.
#[derive(Debug, Error)]
pub enum Error {
    /// The service refused; nothing was written.
    #[error("the service refused: {0}")]
    Refused(Box<Problem>),
    /// The service could not be asked, or a read had no answer; nothing was written.
    #[error("the service does not answer: {0}")]
    Unreachable(String),
    /// No attempt of a write was answered, so it may have happened: ask [`crate::Keys::settle`], or repeat the call under the key.
    #[error("nobody knows whether it happened; ask for the key {key}: {last}")]
    Unknown {
        /// The write's idempotency key.
        key: String,
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
