//! A request's id: the caller's own `X-Request-Id` when it is sane, else one made here.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};

/// The header that carries the id both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken from a caller.
const MAX_BYTES: usize = 128;

/// Random per process, so that ids of two replicas or two lives of one do not meet.
static PROCESS: LazyLock<u64> = LazyLock::new(rand::random);
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Visible ASCII, 1 to 128 characters. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(&X_REQUEST_ID) {
            Some(given) if is_sane(given.as_bytes()) => Self(given.clone()),
            _ => Self::generate(),
        }
    }

    fn generate() -> Self {
        let mut id = String::with_capacity(32);
        // Writing to a String cannot fail.
        write!(id, "{:016x}{:016x}", *PROCESS, COUNTER.fetch_add(1, Ordering::Relaxed)).ok();
        Self(HeaderValue::try_from(id).expect("hexadecimal digits are visible ASCII"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_sane(raw: &[u8]) -> bool {
    (1..=MAX_BYTES).contains(&raw.len()) && raw.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(raw: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_bytes(raw).unwrap())])
    }

    #[test]
    fn a_sane_id_is_kept() {
        assert_eq!(RequestId::of(&given(b"order-17/a")).as_str(), "order-17/a");
    }

    #[test]
    fn an_odd_id_is_replaced() {
        for raw in [&b""[..], b"two words", b"\xff\xfe", &[b'x'; 129]] {
            let made = RequestId::of(&given(raw));
            assert_eq!(made.as_str().len(), 32, "{raw:?}");
        }
    }

    #[test]
    fn made_ids_differ() {
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
