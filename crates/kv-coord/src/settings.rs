//! Which Redis, which of its databases, and how long to wait for it.
//!
//! Invariant: the password never leaves this value: `Debug` and errors print the address alone.

use std::fmt;
use std::time::Duration;

use redis::{ConnectionInfo, IntoConnectionInfo};

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
    pub(crate) server: ConnectionInfo,
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
    /// Reads `redis://[user:password@]host[:port]`, `unix:///path` or their kin. Databases are chosen here, not in the URL.
    ///
    /// # Errors
    /// [`CoordError::BadUrl`] when it is none of these.
    pub fn parse(url: &str) -> Result<Self, CoordError> {
        Ok(Self {
            server: url.into_connection_info().map_err(CoordError::BadUrl)?,
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

    /// Host and port, or the socket's path.
    pub fn address(&self) -> String {
        self.server.addr().to_string()
    }

    pub(crate) fn server_with_db(&self, db: i64) -> ConnectionInfo {
        let login = self.server.redis_settings().clone().set_db(db);
        self.server.clone().set_redis_settings(login)
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
        assert_eq!(settings.server_with_db(settings.lock_db).redis_settings().db(), 2);
        assert_eq!(settings.server_with_db(2).redis_settings().password(), Some("secret"));
    }

    #[test]
    fn a_bad_url_is_one_clear_error() {
        for url in ["", "localhost", "http://localhost", "redis://:badport:x/"] {
            let error = RedisSettings::parse(url).expect_err(url);
            assert!(error.to_string().contains("redis://"), "{error}");
        }
    }
}
