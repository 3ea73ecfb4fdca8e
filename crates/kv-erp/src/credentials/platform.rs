//! The platform's token: one for the whole service, given with its settings.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;

/// Fewer characters could be guessed.
pub const MIN_CHARACTERS: usize = 32;
/// More are no token.
pub const MAX_CHARACTERS: usize = 512;

/// Text that is no platform token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the platform's token must have {MIN_CHARACTERS} to {MAX_CHARACTERS} visible ASCII characters")]
pub struct BadPlatformToken;

/// The platform's token as it is compared: a keyed hash under a key of this process's own, so that neither its length nor its
/// beginning shows in the time that a comparison takes.
#[derive(Clone)]
pub struct PlatformToken {
    key: [u8; 32],
    hash: [u8; 32],
}

impl PlatformToken {
    /// Takes a token from the settings.
    ///
    /// # Errors
    /// [`BadPlatformToken`] when it is too short or too long, or could not stand in a header.
    pub fn parse(text: &str) -> Result<Self, BadPlatformToken> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !(MIN_CHARACTERS..=MAX_CHARACTERS).contains(&text.len()) || !is_visible {
            return Err(BadPlatformToken);
        }
        let key = rand::random();
        Ok(Self { key, hash: mac(&key, text).finalize().into_bytes().into() })
    }

    /// Whether this is the token.
    pub fn is(&self, text: &str) -> bool {
        // `verify_slice` compares in constant time.
        text.len() <= MAX_CHARACTERS && mac(&self.key, text).verify_slice(&self.hash).is_ok()
    }
}

fn mac(key: &[u8; 32], text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac
}

impl fmt::Debug for PlatformToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlatformToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_is_the_token() {
        let text = "0123456789abcdef0123456789abcdef";
        let token = PlatformToken::parse(text).unwrap();
        assert!(token.is(text));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.to_uppercase(), &"x".repeat(100_000)] {
            assert!(!token.is(wrong));
        }
        assert_eq!(format!("{token:?}"), "PlatformToken(..)");
    }

    #[test]
    fn what_could_be_guessed_is_no_token() {
        for bad in ["", "short", &"x".repeat(31), &"x".repeat(513), "0123456789abcdef 0123456789abcdef"] {
            assert!(PlatformToken::parse(bad).is_err(), "{bad}");
        }
    }
}
