//! Who holds a lock: 128 random bits that only the holder knows.

use std::fmt;
use std::str::FromStr;

use rand::RngExt;
use thiserror::Error;

/// Proof of ownership of one grant. Whoever has it may renew and release, so it is shown in `Display` (for the client) and
/// hidden in `Debug` (for the log).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

/// Not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a lock token is the 32 hexadecimal digits given with the lock")]
pub struct BadToken;

impl Token {
    /// A new token from the thread's cryptographic generator.
    pub(crate) fn random() -> Self {
        Self(rand::rng().random())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let well_formed = raw.len() == 32 && raw.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !well_formed {
            return Err(BadToken);
        }
        u128::from_str_radix(raw, 16).map(Self).map_err(|_| BadToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_text_and_hides_in_debug() {
        let token = Token::random();
        assert_eq!(token.to_string().parse(), Ok(token));
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!("0".repeat(32).parse(), Ok(Token(0)));
    }

    #[test]
    fn anything_else_is_refused() {
        for raw in ["", "abc", &"g".repeat(32), &"A".repeat(32), &"0".repeat(33), "+0000000000000000000000000000000"] {
            assert_eq!(raw.parse::<Token>(), Err(BadToken), "{raw}");
        }
    }
}
