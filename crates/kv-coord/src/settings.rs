//! Which Redis, which of its databases, and how long to wait for it.
//!
//! Invariant: the password never leaves this value: `Debug` and errors print the address alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::{Endpoint, Place};
use crate::error::CoordError;
use crate::queue::QueueTag;

/// The database locks live in unless said otherwise.
const LOCK_DB: i64 = 2;
/// The database rate limits live in unless said otherwise.
const LIMIT_DB: i64 = 1;
/// The database the job queue lives in unless said otherwise: the one in which `redis-cli LLEN queue:default` looks.
const QUEUE_DB: i64 = 0;

/// Where Redis is and how patient to be.
#[derive(Clone)]
pub struct RedisSettings {
    place: Place,
    /// Authorities to believe instead of the machine's, as PEM.
    ca: Option<Arc<Vec<u8>>>,
    /// What stands in braces before the keys of locks, of limits and of the queue, so that a cluster keeps those of one script
    /// together. A cluster has database 0 only, so with a tag the databases do not count.
    pub key_tag: Option<QueueTag>,
    /// The database of the locks. Locks keep out of the URL's own database so that a cache or queue can be flushed alone.
    pub lock_db: i64,
    /// The database of the rate limits.
    pub limit_db: i64,
    /// The database of the job queue.
    pub queue_db: i64,
    /// What stands in braces before every key of the job queue, so that a cluster keeps them together and several queues can
    /// share a database; nothing unless said otherwise.
    pub queue_tag: Option<QueueTag>,
    /// How long one connection attempt may take.
    pub connect_timeout: Duration,
    /// How long a lock operation waits for its answer.
    pub lock_timeout: Duration,
    /// How long a call of the job queue waits for its answer.
    pub queue_timeout: Duration,
    /// How long a rate-limit check waits before it counts Redis as away; a request pays this.
    pub limit_timeout: Duration,
}

impl RedisSettings {
    /// Reads `redis://[user:password@]host[:port]`, `rediss://..` (TLS), `unix:///path` or their kin, or
    /// `redis+sentinel://[user:password@]host:port,host:port/master` (`rediss+sentinel://` with TLS; the Sentinels' own login as
    /// `?sentinel_user=..&sentinel_password=..`). Databases are chosen here, not in the URL.
    ///
    /// # Errors
    /// [`CoordError::BadUrl`] or [`CoordError::BadSentinelUrl`] when it is none of these.
    pub fn parse(url: &str) -> Result<Self, CoordError> {
        Ok(Self {
            place: Place::parse(url)?,
            ca: None,
            key_tag: None,
            lock_db: LOCK_DB,
            limit_db: LIMIT_DB,
            queue_db: QUEUE_DB,
            queue_tag: None,
            connect_timeout: Duration::from_secs(1),
            lock_timeout: Duration::from_secs(1),
            queue_timeout: Duration::from_secs(2),
            limit_timeout: Duration::from_millis(50),
        })
    }

    /// The same, believing only these authorities (PEM) of an encrypted connection.
    #[must_use]
    pub fn with_authorities(mut self, pem: Vec<u8>) -> Self {
        self.ca = Some(Arc::new(pem));
        self
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.place.is_encrypted()
    }

    /// Host and port, the socket's path, or the Sentinels and the master's name.
    pub fn address(&self) -> String {
        self.place.shown()
    }

    pub(crate) fn endpoint(&self, db: i64) -> Endpoint {
        Endpoint::new(self.place.clone(), db, self.ca.clone(), self.connect_timeout)
    }

    pub(crate) fn lock_db(&self) -> i64 {
        self.db(self.lock_db)
    }

    pub(crate) fn limit_db(&self) -> i64 {
        self.db(self.limit_db)
    }

    pub(crate) fn queue_db(&self) -> i64 {
        self.db(self.queue_db)
    }

    fn db(&self, chosen: i64) -> i64 {
        if self.key_tag.is_some() { 0 } else { chosen }
    }

    /// What stands before the keys of locks and of logins.
    pub(crate) fn key_prefix(&self) -> String {
        self.key_tag.as_ref().map(|tag| format!("{{{tag}}}:")).unwrap_or_default()
    }

    pub(crate) fn queue_tag(&self) -> Option<&QueueTag> {
        self.queue_tag.as_ref().or(self.key_tag.as_ref())
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("address", &self.address())
            .field("lock_db", &self.lock_db)
            .field("limit_db", &self.limit_db)
            .field("queue_db", &self.queue_db)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_stays_inside() {
        let settings = RedisSettings::parse("redis://user:secret@localhost:6380/5").expect("a URL");
        assert_eq!(settings.address(), "localhost:6380");
        assert!(!format!("{settings:?}").contains("secret"));
        let client = settings.endpoint(settings.lock_db()).client().expect("settings").expect("one server");
        let login = client.get_connection_info().redis_settings();
        assert_eq!((login.db(), login.username(), login.password()), (2, Some("user"), Some("secret")));
    }

    #[test]
    fn a_sentinel_s_url_has_hosts_and_a_master() {
        let url = "rediss+sentinel://user:se%40cret@s1:26379,s2:26380/mymaster?sentinel_password=other";
        let settings = RedisSettings::parse(url).expect("a URL");
        assert_eq!(settings.address(), "mymaster by Sentinel s1:26379,s2:26380");
        assert!(settings.is_encrypted() && !format!("{settings:?}").contains("cret"));
        for bad in [
            "redis+sentinel://h:1",
            "redis+sentinel://h:1/",
            "redis+sentinel://h/m",
            "redis+sentinel:///m",
            "x+sentinel://h:1/m",
        ] {
            let error = RedisSettings::parse(bad).expect_err(bad);
            assert!(error.to_string().contains("redis+sentinel://"), "{error}");
        }
    }

    #[test]
    fn a_tag_has_everything_in_database_0() {
        let mut settings = RedisSettings::parse("redis://h").expect("a URL");
        assert_eq!((settings.lock_db(), settings.limit_db(), settings.key_prefix().as_str()), (2, 1, ""));
        settings.key_tag = Some(QueueTag::parse("erp").expect("allowed"));
        assert_eq!((settings.lock_db(), settings.limit_db(), settings.key_prefix().as_str()), (0, 0, "{erp}:"));
    }

    #[test]
    fn a_bad_url_is_one_clear_error() {
        for url in ["", "localhost", "http://localhost", "redis://:badport:x/"] {
            let error = RedisSettings::parse(url).expect_err(url);
            assert!(error.to_string().contains("redis://"), "{error}");
        }
    }
}
