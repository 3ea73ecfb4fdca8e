//! Records of calls against a rate limit.

use super::Outcome;
use crate::interval::Interval;
use crate::target::{LimiterKind, Origin, ResetForm};

/// A header that should be a whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderNumber {
    /// Not there.
    Absent,
    /// A number.
    Is(i64),
    /// Something else.
    Garbled(String),
}

impl HeaderNumber {
    /// Reads a header's text.
    pub fn read(text: Option<&str>) -> Self {
        match text.map(|text| (text, text.trim().parse())) {
            None => Self::Absent,
            Some((_, Ok(number))) => Self::Is(number),
            Some((text, Err(_))) => Self::Garbled(text.chars().take(40).collect()),
        }
    }
}

/// One call and what the limiter said of it.
#[derive(Clone, Debug)]
pub struct LimitCall {
    /// When, on the monotonic clock.
    pub interval: Interval,
    /// When it was called, in milliseconds since 1970 on this machine's clock.
    pub called_unix_ms: i64,
    /// When it had returned, likewise.
    pub returned_unix_ms: i64,
    /// How it came out: accepted is admitted, refused is limited.
    pub outcome: Outcome,
    /// The limit.
    pub limit: HeaderNumber,
    /// Calls left.
    pub remaining: HeaderNumber,
    /// When the window is free again.
    pub reset: HeaderNumber,
    /// Seconds to wait, on a refusal.
    pub retry_after: HeaderNumber,
}

/// The limit that is claimed.
#[derive(Clone, Copy, Debug)]
pub struct LimitRule {
    /// Calls per window.
    pub limit: u32,
    /// The window.
    pub window_ns: u64,
    /// What kind of window.
    pub kind: LimiterKind,
    /// How the reset is told.
    pub reset: ResetForm,
    /// Whether the users are surely fresh.
    pub origin: Origin,
}

/// Everything seen of one limit.
#[derive(Clone, Debug)]
pub struct LimitHistory {
    /// The claim.
    pub rule: LimitRule,
    /// One user's calls, each sent when the one before had answered.
    pub sequential: Vec<LimitCall>,
    /// Another user's calls, all sent at once.
    pub simultaneous: Vec<LimitCall>,
    /// A call by a user of another tenant after both.
    pub other: LimitCall,
}
