//! The newest of one's own writes, so that reads see it although replicas answer them.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};

/// The header, both ways.
pub(crate) const X_READ_YOUR_WRITES: &str = "x-read-your-writes";

/// What the service said of the newest write.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<Option<HeaderValue>>);

impl Written {
    /// Notes the token of an answer, if it has one that is newer.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        let Some(token) = headers.get(X_READ_YOUR_WRITES) else { return };
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What cannot be compared has the service read the primary, which is right for whatever was written.
        let is_newer = match newest.as_ref() {
            None => true,
            Some(known) => match (place(known), place(token)) {
                (Some(known), Some(token)) => token > known,
                // It was given after the write that has no place.
                (None, _) | (Some(_), None) => true,
            },
        };
        if is_newer {
            *newest = Some(token.clone());
        }
    }

    /// The token to send with a read.
    pub(crate) fn token(&self) -> Option<HeaderValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A place in PostgreSQL's log.
fn place(token: &HeaderValue) -> Option<u64> {
    let (high, low) = token.to_str().ok()?.split_once('/')?;
    Some(u64::from_str_radix(high, 16).ok()? << 32 | u64::from_str_radix(low, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_token_is_kept_whether_it_is_a_place_or_not() {
        let written = Written::default();
        for (given, kept) in [("0/A", "0/A"), ("0/9", "0/A"), ("1/0", "1/0"), ("primary", "primary"), ("2/0", "2/0")] {
            written.note(&HeaderMap::from_iter([(
                http::HeaderName::from_static(X_READ_YOUR_WRITES),
                HeaderValue::from_static(given),
            )]));
            assert_eq!(written.token().unwrap(), kept);
        }
    }
}
