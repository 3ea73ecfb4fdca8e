//! Opaque tokens: a kind that people can see, and 32 random bytes.
//!
//! Opaque and not signed, because a token must be revocable: the database knows its hash, and forgets it on logout.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kv_store::access::TokenHash;

/// What a token is for. The prefix lets a scanner of leaked secrets know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Made by a login, for a day.
    Session,
    /// Made by an administrator, for programs.
    Api,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "kvs_",
            Self::Api => "kva_",
        }
    }
}

/// Length of the prefix and of 32 bytes in base64 without padding.
const TOKEN_BYTES: usize = 4 + 43;

/// The prefix and four characters.
const HINT_BYTES: usize = 8;

/// A token in the clear, to be shown once.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Makes a new one from the system's randomness.
    pub fn generate(kind: TokenKind) -> Self {
        let secret: [u8; 32] = rand::random();
        let mut text = String::with_capacity(TOKEN_BYTES);
        text.push_str(kind.prefix());
        URL_SAFE_NO_PAD.encode_string(secret, &mut text);
        Self(text)
    }

    /// The text to hand to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// How it begins: enough to know it by, and too little to guess it from.
    pub fn hint(&self) -> &str {
        &self.0[..HINT_BYTES]
    }

    /// What the database keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The hash of something that has a token's form; `None` for what no database need be asked about.
pub fn hash_of_candidate(text: &str) -> Option<TokenHash> {
    let secret = text.strip_prefix("kvs_").or_else(|| text.strip_prefix("kva_"))?;
    let has_form =
        text.len() == TOKEN_BYTES && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    has_form.then(|| TokenHash::of(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_accepted() {
        for kind in [TokenKind::Session, TokenKind::Api] {
            let token = Token::generate(kind);
            assert!(token.reveal().starts_with(kind.prefix()));
            assert_eq!(hash_of_candidate(token.reveal()), Some(token.hash()));
        }
    }

    #[test]
    fn two_are_never_the_same() {
        assert_ne!(Token::generate(TokenKind::Api).reveal(), Token::generate(TokenKind::Api).reveal());
    }

    #[test]
    fn garbage_is_not_hashed() {
        let good = Token::generate(TokenKind::Session).reveal().to_owned();
        let bad =
            ["", "kvs_", &good[1..], &format!("{good}x"), &good.replace("kvs_", "kvx_"), &format!("{}!", &good[..46])];
        for text in bad {
            assert_eq!(hash_of_candidate(text), None, "{text}");
        }
    }

    #[test]
    fn debug_does_not_tell() {
        let token = Token::generate(TokenKind::Api);
        assert!(!format!("{token:?}").contains(&token.reveal()[4..]));
    }
}
