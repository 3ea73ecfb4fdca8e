//! How long stock may be held for somebody.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A life of 1 second to one day.
///
/// ```
/// use kv_types::Ttl;
/// assert!(Ttl::parse(86_400).is_some());
/// assert!(Ttl::parse(0).is_none());
/// assert!(Ttl::parse(86_401).is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ttl(i64);

impl Ttl {
    /// The longest, in seconds.
    pub const MAX: i64 = 86_400;

    /// Checks a number of seconds from outside.
    pub fn parse(seconds: i64) -> Option<Self> {
        (1..=Self::MAX).contains(&seconds).then_some(Self(seconds))
    }

    /// The moment from which on a life that begins now is over.
    pub fn end(self, now: Timestamp) -> Timestamp {
        now.checked_add(SignedDuration::from_secs(self.0)).unwrap_or(Timestamp::MAX)
    }
}
