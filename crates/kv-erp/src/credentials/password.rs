//! Password hashes: Argon2id with the crate's recommended cost (19 MiB, two passes), as PHC strings.
//!
//! Both functions take tens of milliseconds of a core on purpose; call them where blocking is allowed.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use thiserror::Error;

/// The longest password. Longer ones would let a caller choose how much there is to hash.
pub const MAX_BYTES: usize = 1_024;

/// Why no hash was made.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// Empty, or longer than [`MAX_BYTES`].
    #[error("a password has 1 to {MAX_BYTES} bytes, not {0}")]
    Length(usize),
    /// The system gave no randomness for the salt, or no memory.
    #[error("the password could not be hashed: {0}")]
    Hash(argon2::password_hash::Error),
}

/// Whether a password is the account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Right,
    /// It is not, or there is no account.
    Wrong,
}

/// Hashes a new password with a fresh salt.
pub fn hash(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() || password.len() > MAX_BYTES {
        return Err(PasswordError::Length(password.len()));
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Checks a password; without an account it does the same work for nothing, so that time does not tell who exists.
pub fn verify(password: &str, stored: Option<&str>) -> Verdict {
    static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody").ok());
    let Some(phc) = stored.or(NOBODY.as_deref()) else { return Verdict::Wrong };
    let Ok(parsed) = PasswordHash::new(phc) else {
        tracing::error!("a stored password hash is no PHC string");
        return Verdict::Wrong;
    };
    let matches = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    if matches && stored.is_some() { Verdict::Right } else { Verdict::Wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_passes() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_eq!(verify("correct horse", Some(&stored)), Verdict::Right);
        assert_eq!(verify("correct horsf", Some(&stored)), Verdict::Wrong);
        assert_eq!(verify("", Some(&stored)), Verdict::Wrong);
    }

    #[test]
    fn nobody_has_no_password() {
        assert_eq!(verify("nobody", None), Verdict::Wrong);
    }

    #[test]
    fn a_broken_hash_lets_nobody_in() {
        assert_eq!(verify("x", Some("plain")), Verdict::Wrong);
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(matches!(hash(""), Err(PasswordError::Length(0))));
        assert!(matches!(hash(&"x".repeat(MAX_BYTES + 1)), Err(PasswordError::Length(_))));
    }
}
