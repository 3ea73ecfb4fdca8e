//! Redis for tests: the run's shared one, or one's own to break.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_coord::error::BoxError;
use kv_coord::lock::EpochSource;
use kv_coord::queue::QueueTag;
use kv_coord::{JobQueue, LockService, RateLimiter, RedisSettings};
use rand::RngExt;
use redis::{Commands, FromRedisValue};

/// Draws of this process. The shared server keeps the first epoch it gets, so that other processes begin at 1 does no harm.
static EPOCHS: AtomicU64 = AtomicU64::new(0);

/// Growing numbers, as a sequence gives them.
pub(crate) fn epochs() -> impl EpochSource {
    |_run_id: String| async { Ok::<u64, BoxError>(EPOCHS.fetch_add(1, Ordering::Relaxed) + 1) }
}

/// Counts how many epochs were drawn.
#[derive(Clone, Default)]
pub(crate) struct CountedEpochs(Arc<AtomicU64>);

impl CountedEpochs {
    pub(crate) fn source(&self) -> impl EpochSource {
        let drawn = Arc::clone(&self.0);
        move |_run_id: String| {
            let next = drawn.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ok::<u64, BoxError>(next) }
        }
    }

    pub(crate) fn drawn(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) fn settings(url: &str) -> RedisSettings {
    RedisSettings::parse(url).expect("the sandbox gives a URL")
}

pub(crate) fn locks(url: &str) -> LockService {
    LockService::redis(&settings(url), epochs()).expect("the settings are fine")
}

/// Patient, for a machine on which fifty tests run at once.
pub(crate) fn limiter(url: &str) -> RateLimiter {
    let mut settings = settings(url);
    settings.limit_timeout = std::time::Duration::from_secs(5);
    RateLimiter::redis(&settings).expect("the settings are fine")
}

/// A queue, patient for the same reason.
pub(crate) fn queue(url: &str, tag: Option<&QueueTag>) -> JobQueue {
    let mut settings = settings(url);
    settings.queue_timeout = std::time::Duration::from_secs(10);
    settings.queue_tag = tag.cloned();
    JobQueue::redis(&settings, epochs()).expect("the settings are fine")
}

/// A tag no other test uses.
pub(crate) fn any_tag() -> QueueTag {
    QueueTag::parse(&format!("q{:016x}", rand::rng().random::<u64>())).expect("allowed")
}

/// A connection of an operator's.
pub(crate) struct Operator(redis::Connection);

impl Operator {
    pub(crate) fn of(url: &str, db: u8) -> Self {
        let mut connection =
            redis::Client::open(url).expect("a URL").get_connection().expect("the server should be there");
        redis::cmd("SELECT").arg(db).exec(&mut connection).expect("the database exists");
        Self(connection)
    }

    /// The same of a cluster, which knows no databases.
    pub(crate) fn of_cluster(url: &str) -> Self {
        Self(redis::Client::open(url).expect("a URL").get_connection().expect("the server should be there"))
    }

    pub(crate) fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        redis::cmd(words[0]).arg(&words[1..]).query(&mut self.0).expect("the command should work")
    }

    pub(crate) fn keys(&mut self, pattern: &str) -> Vec<String> {
        let mut keys: Vec<String> = self.0.keys(pattern).expect("the command should work");
        keys.sort();
        keys
    }
}
