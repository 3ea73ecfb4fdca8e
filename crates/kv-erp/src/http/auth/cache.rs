//! Tokens seen a moment ago, so that authentication costs no SQL in the steady state.
//!
//! Invariants: an entry lives [`LIFE`] at most, which is how long a token revoked through another replica may still pass; the
//! number of entries is bounded; the clear text of a token is not kept. Only found tokens are kept: remembering misses would
//! let anybody fill the table.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kv_store::access::{Account, Session, TokenHash};

/// How long an answer of the database is believed.
pub const LIFE: Duration = Duration::from_secs(5);

const SHARDS: usize = 16;
const ENTRIES_PER_SHARD: usize = 1_024;

/// Accounts by token hash.
#[derive(Debug, Default)]
pub struct TokenCache {
    shards: [Mutex<HashMap<TokenHash, Entry>>; SHARDS],
}

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    believed_until: Instant,
}

impl TokenCache {
    /// The account behind a token, if it was seen less than [`LIFE`] before `now`.
    pub fn get(&self, token: &TokenHash, now: Instant) -> Option<Arc<Account>> {
        let shard = self.shard(token);
        let entry = shard.get(token)?;
        (now < entry.believed_until).then(|| Arc::clone(&entry.account))
    }

    /// Remembers what the database said about a token, never past the token's own end.
    pub fn insert(&self, token: TokenHash, session: Session, now: (Instant, Timestamp)) -> Arc<Account> {
        let account = Arc::new(session.account);
        let left = Duration::try_from(session.expires_at.duration_since(now.1)).unwrap_or_default();
        let entry = Entry { account: Arc::clone(&account), believed_until: now.0 + LIFE.min(left) };
        let mut shard = self.shard(&token);
        if shard.len() >= ENTRIES_PER_SHARD {
            shard.retain(|_, entry| now.0 < entry.believed_until);
            // More live tokens than the table holds: start over, the database is asked once more for each.
            if shard.len() >= ENTRIES_PER_SHARD {
                shard.clear();
            }
        }
        shard.insert(token, entry);
        account
    }

    /// Forgets a token that was revoked here.
    pub fn forget(&self, token: &TokenHash) {
        self.shard(token).remove(token);
    }

    fn shard(&self, token: &TokenHash) -> MutexGuard<'_, HashMap<TokenHash, Entry>> {
        // The hash is uniform, so any of its bytes chooses fairly.
        let index = usize::from(token.as_bytes()[0]) % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use kv_store::access::Role;
    use kv_types::{TenantId, UserId};

    use super::*;

    fn session(expires_at: Timestamp) -> Session {
        let account = Account {
            tenant: TenantId::new(1).unwrap(),
            user: UserId::from_uuid(uuid::Uuid::nil()),
            email: "a@b.c".into(),
            role: Role::Clerk,
            rate_limit_per_minute: None,
        };
        Session { account, expires_at }
    }

    fn now() -> (Instant, Timestamp) {
        (Instant::now(), Timestamp::now())
    }

    #[test]
    fn an_entry_is_believed_for_its_life_only() {
        let (cache, now, token) = (TokenCache::default(), now(), TokenHash::of("t"));
        cache.insert(token, session(now.1 + SignedDuration::from_hours(1)), now);
        assert!(cache.get(&token, now.0).is_some());
        assert!(cache.get(&token, now.0 + LIFE.mul_f64(0.99)).is_some());
        assert!(cache.get(&token, now.0 + LIFE).is_none());
    }

    #[test]
    fn an_entry_does_not_outlive_its_token() {
        let (cache, now, token) = (TokenCache::default(), now(), TokenHash::of("t"));
        cache.insert(token, session(now.1 + SignedDuration::from_millis(200)), now);
        assert!(cache.get(&token, now.0 + Duration::from_millis(100)).is_some());
        assert!(cache.get(&token, now.0 + Duration::from_millis(201)).is_none());
    }

    #[test]
    fn a_revoked_token_is_forgotten() {
        let (cache, now, token) = (TokenCache::default(), now(), TokenHash::of("t"));
        cache.insert(token, session(now.1 + SignedDuration::from_hours(1)), now);
        cache.forget(&token);
        assert!(cache.get(&token, now.0).is_none());
    }

    #[test]
    fn the_table_is_bounded() {
        let (cache, now) = (TokenCache::default(), now());
        for n in 0..SHARDS * ENTRIES_PER_SHARD * 2 {
            cache.insert(TokenHash::of(&n.to_string()), session(now.1 + SignedDuration::from_hours(1)), now);
        }
        for shard in &cache.shards {
            assert!(shard.lock().unwrap().len() <= ENTRIES_PER_SHARD);
        }
    }
}
