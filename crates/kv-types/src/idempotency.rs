//! The key with which a caller makes a write safe to repeat.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// A caller's own word for one write: 1 to [`IdempotencyKey::MAX_BYTES`] visible ASCII characters. Cheap to clone.
///
/// It is taken as it comes: quotes around it, as a structured field has them, are part of it.
///
/// ```
/// use kv_types::IdempotencyKey;
/// assert_eq!("order-17/a".parse::<IdempotencyKey>().unwrap().as_str(), "order-17/a");
/// assert!("".parse::<IdempotencyKey>().is_err());
/// assert!("two words".parse::<IdempotencyKey>().is_err());
/// assert!("x".repeat(256).parse::<IdempotencyKey>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(Arc<str>);

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be 1 to {max} visible ASCII characters", max = IdempotencyKey::MAX_BYTES)]
pub struct BadIdempotencyKey;

impl IdempotencyKey {
    /// The longest key.
    pub const MAX_BYTES: usize = 255;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = BadIdempotencyKey;

    fn from_str(raw: &str) -> Result<Self, BadIdempotencyKey> {
        let is_good = (1..=Self::MAX_BYTES).contains(&raw.len()) && raw.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good { Ok(Self(raw.into())) } else { Err(BadIdempotencyKey) }
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
