//! Passwords that were found right a moment ago, so that a hundred logins of one account cost one Argon2 and not a hundred.
//!
//! Kept per account is a keyed hash of (account, stored hash, password) under a key that lives in this process's memory only. A
//! dump of it is worth a guess per SHA-256 to whoever has both the key and the memory, for as long as an entry lives; that is the
//! price, and [`LIFE`] bounds it. A changed password changes the stored hash and so misses. Only right passwords are kept: a
//! wrong one always costs the full work.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use kv_types::UserId;
use sha2::Sha256;

/// How long a right password is remembered.
const LIFE: Duration = Duration::from_mins(2);
const MAX_ACCOUNTS: usize = 1_024;

/// Right passwords, keyed and hashed.
pub(super) struct Verified {
    key: [u8; 32],
    accounts: Mutex<HashMap<UserId, Entry>>,
}

struct Entry {
    proof: [u8; 32],
    until: Instant,
}

impl Verified {
    pub(super) fn new() -> Self {
        Self { key: rand::random(), accounts: Mutex::default() }
    }

    /// Whether just this password of just this stored hash was right less than [`LIFE`] ago.
    pub(super) fn contains(&self, user: UserId, stored: &str, password: &str, now: Instant) -> bool {
        let mac = self.mac(user, stored, password);
        match self.lock().get(&user) {
            // `verify_slice` compares in constant time.
            Some(entry) if now < entry.until => mac.verify_slice(&entry.proof).is_ok(),
            _ => false,
        }
    }

    /// Remembers a password that was right.
    pub(super) fn insert(&self, user: UserId, stored: &str, password: &str, now: Instant) {
        let proof = self.mac(user, stored, password).finalize().into_bytes().into();
        let mut accounts = self.lock();
        if accounts.len() >= MAX_ACCOUNTS {
            accounts.retain(|_, entry| now < entry.until);
        }
        if accounts.len() < MAX_ACCOUNTS {
            accounts.insert(user, Entry { proof, until: now + LIFE });
        }
    }

    fn mac(&self, user: UserId, stored: &str, password: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(user.uuid().as_bytes());
        // The length keeps the end of the one and the beginning of the other apart.
        mac.update(&(stored.len() as u64).to_be_bytes());
        mac.update(stored.as_bytes());
        mac.update(password.as_bytes());
        mac
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Entry>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u128) -> UserId {
        UserId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn only_the_same_account_hash_and_password_are_known() {
        let (verified, now) = (Verified::new(), Instant::now());
        verified.insert(user(1), "hash", "secret", now);
        assert!(verified.contains(user(1), "hash", "secret", now));
        assert!(!verified.contains(user(2), "hash", "secret", now));
        assert!(!verified.contains(user(1), "hash", "secret2", now));
        assert!(!verified.contains(user(1), "hash2", "secret", now), "a changed password ends it");
        assert!(!verified.contains(user(1), "hashs", "ecret", now));
    }

    #[test]
    fn it_ends() {
        let (verified, now) = (Verified::new(), Instant::now());
        verified.insert(user(1), "hash", "secret", now);
        assert!(!verified.contains(user(1), "hash", "secret", now + LIFE));
    }

    #[test]
    fn it_is_bounded_and_makes_room_for_the_living() {
        let (verified, now) = (Verified::new(), Instant::now());
        for n in 0..MAX_ACCOUNTS as u128 + 10 {
            verified.insert(user(n), "hash", "secret", now);
        }
        assert_eq!(verified.lock().len(), MAX_ACCOUNTS);
        verified.insert(user(u128::MAX), "hash", "secret", now + LIFE);
        assert_eq!(verified.lock().len(), 1);
    }
}
