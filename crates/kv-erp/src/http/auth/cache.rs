//! Tokens seen a moment ago, so that authentication costs no SQL in the steady state.
//!
//! Invariants: an entry lives [`LIFE`] at most, counted from before the database was asked, which is how long a revocation, a demotion
//! or a suspension through another replica may go unnoticed here; the number of entries is bounded; the clear text of a token is not
//! kept. Only found tokens are kept: remembering misses would
//! let anybody fill the table.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kv_store::access::{Session, TokenHash};
use kv_types::{TenantId, UserId};

/// How long an answer of the database is believed.
pub const LIFE: Duration = Duration::from_secs(5);

const SHARDS: usize = 16;
const ENTRIES_PER_SHARD: usize = 1_024;

/// Sessions by token hash.
#[derive(Debug, Default)]
pub struct TokenCache {
    shards: [Mutex<HashMap<TokenHash, Entry>>; SHARDS],
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    believed_until: Instant,
}

impl TokenCache {
    /// The account behind a token, if it was seen less than [`LIFE`] before `now`.
    pub fn get(&self, token: &TokenHash, now: Instant) -> Option<Arc<Session>> {
        let shard = self.shard(token);
        let entry = shard.get(token)?;
        (now < entry.believed_until).then(|| Arc::clone(&entry.session))
    }

    /// Remembers what the database said about a token, never past the token's own end.
    pub fn insert(&self, token: TokenHash, session: Session, now: (Instant, Timestamp)) -> Arc<Session> {
        let left = Duration::try_from(session.expires_at.duration_since(now.1)).unwrap_or_default();
        let session = Arc::new(session);
        let entry = Entry { session: Arc::clone(&session), believed_until: now.0 + LIFE.min(left) };
        let mut shard = self.shard(&token);
        if shard.len() >= ENTRIES_PER_SHARD {
            shard.retain(|_, entry| now.0 < entry.believed_until);
            // More live tokens than the table holds: start over, the database is asked once more for each.
            if shard.len() >= ENTRIES_PER_SHARD {
                shard.clear();
            }
        }
        shard.insert(token, entry);
        session
    }

    /// Forgets a token that was revoked here.
    pub fn forget(&self, token: &TokenHash) {
        self.shard(token).remove(token);
    }

    /// Forgets all tokens of an account that was changed here.
    pub fn forget_user(&self, tenant: TenantId, user: UserId) {
        self.keep(|session| session.account.tenant != tenant || session.account.user != user);
    }

    /// Forgets all tokens of a tenant that was changed here.
    pub fn forget_tenant(&self, tenant: TenantId) {
        self.keep(|session| session.account.tenant != tenant);
    }

    fn keep(&self, is_kept: impl Fn(&Session) -> bool) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, entry| is_kept(&entry.session));
        }
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
    use kv_store::access::{Account, Grant, Role};

    use super::*;

    fn session(expires_at: Timestamp) -> Session {
        let account = Account {
            tenant: TenantId::new(1).unwrap(),
            user: UserId::from_uuid(uuid::Uuid::nil()),
            email: "a@b.c".into(),
            role: Role::Clerk,
            rate_limit_per_minute: None,
            is_suspended: false,
        };
        Session { account, expires_at, grant: Grant::default() }
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
    fn whoever_was_changed_is_forgotten_and_nobody_else() {
        let (cache, now, token) = (TokenCache::default(), now(), TokenHash::of("t"));
        let later = now.1 + SignedDuration::from_hours(1);
        let kept = cache.insert(token, session(later), now);
        let (tenant, user) = (kept.account.tenant, kept.account.user);
        cache.forget_user(tenant, UserId::from_uuid(uuid::Uuid::max()));
        cache.forget_tenant(TenantId::new(2).unwrap());
        assert!(cache.get(&token, now.0).is_some());
        cache.forget_user(tenant, user);
        assert!(cache.get(&token, now.0).is_none());
        cache.insert(token, session(later), now);
        cache.forget_tenant(tenant);
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
