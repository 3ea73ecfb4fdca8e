//! What the bench saw: one record per call, nothing judged yet.
//!
//! Invariant: an outcome says only what the answer proves. A timeout or a 5xx may have had its effect; [`Outcome::effect`] keeps
//! that apart from "no", because an unresolved write can hide a lost or an oversold unit.

mod limit;
mod lock;
mod stock;

use std::fmt;

pub use limit::{HeaderNumber, LimitCall, LimitHistory, LimitRule};
pub use lock::{ExclusiveHistory, Hold, Lease, LockObservation, LockRule, LockSight, LockWish, Release};
pub use stock::{Level, Movement, StockCall, StockHistory, StockOperation};

/// How one call came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An expected status, and all that was to be taken was there.
    Accepted {
        /// The status.
        status: u16,
    },
    /// A status that declines without effect.
    Refused {
        /// The status.
        status: u16,
    },
    /// A status that is neither.
    Unexpected {
        /// The status.
        status: u16,
        /// The start of the body.
        body: String,
    },
    /// An expected status whose body lacks what was to be taken.
    Malformed {
        /// The status.
        status: u16,
        /// What is missing.
        lacks: String,
    },
    /// No whole answer.
    NoAnswer {
        /// Why.
        cause: String,
    },
}

/// Whether a call did what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Surely.
    Done,
    /// Surely not.
    None,
    /// Nobody told.
    Unclear,
}

impl Outcome {
    /// What the answer proves.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Accepted { .. } | Self::Malformed { .. } => Effect::Done,
            Self::Refused { .. } => Effect::None,
            Self::Unexpected { status, .. } if (400..500).contains(status) => Effect::None,
            Self::Unexpected { .. } | Self::NoAnswer { .. } => Effect::Unclear,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { status } | Self::Refused { status } => write!(formatter, "{status}"),
            Self::Unexpected { status, body } if body.is_empty() => {
                write!(formatter, "{status}, neither expected nor a refusal")
            }
            Self::Unexpected { status, body } => write!(formatter, "{status}, neither expected nor a refusal: {body}"),
            Self::Malformed { status, lacks } => write!(formatter, "{status} without {lacks}"),
            Self::NoAnswer { cause } => write!(formatter, "no answer: {cause}"),
        }
    }
}
