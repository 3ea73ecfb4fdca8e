//! Sessions that are in the way on purpose, and the few questions that faults of PostgreSQL and Redis need.
//!
//! Invariant: every session here carries a name by which it can be found and ended; dropping what holds them closes them.

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::words;
use crate::stress::postgres::{Address, Session, room};

/// Most sessions that are held.
const HELD_MAX: u32 = 10_000;
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a lock is waited for before the fault is given up.
const LOCK_WITHIN: &str = "SET lock_timeout = '10s'";

/// A paused Redis takes no command, not even `CLIENT UNPAUSE`: so it is paused again and again for this long, and goes on by its own
/// clock when nobody does so any more.
const SLICE: Duration = Duration::from_secs(3);
/// How long before its slice is over the next one is asked for; Redis takes it up as the first command behind it.
const EARLY: Duration = Duration::from_millis(200);

/// Held sessions, and a pause that is renewed; they end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    sessions: Vec<Session>,
    renewing: Option<JoinHandle<()>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(renewing) = &self.renewing {
            renewing.abort();
        }
    }
}

impl Held {
    pub(super) fn count(&self) -> usize {
        self.sessions.len()
    }
}

/// Takes `wanted` connections, or all that ordinary users may have.
pub(super) async fn exhaust(url: &str, name: &str, wanted: Option<u32>) -> Result<Held, String> {
    let address = Address::parse(url).map_err(|error| words(&error))?;
    let first = address.connect(name).await.map_err(|error| words(&error))?;
    let (allowed, used) = room(&first).await.map_err(|error| words(&error))?;
    // The session that looks has its place already.
    let free = allowed.saturating_sub(used).min(HELD_MAX);
    let more = wanted.map_or(free, |wanted| wanted.saturating_sub(1).min(free));
    let mut sessions = vec![first];
    for _ in 0..more {
        match address.try_connect(name).await {
            Ok(session) => sessions.push(session),
            // Others were quicker: all places are taken, which is what was wanted.
            Err(_) => break,
        }
    }
    Ok(Held { sessions, renewing: None })
}

/// Holds what a statement locks, in a transaction that stays open.
pub(super) async fn lock(url: &str, name: &str, statement: &str) -> Result<Held, String> {
    let address = Address::parse(url).map_err(|error| words(&error))?;
    let session = address.connect(name).await.map_err(|error| words(&error))?;
    for sql in [LOCK_WITHIN, "BEGIN", statement] {
        session.batch_execute(sql).await.map_err(|error| format!("`{sql}`: {}", words(&error)))?;
    }
    Ok(Held { sessions: vec![session], renewing: None })
}

/// Ends all sessions of a name, and tells how many there still were.
pub(super) async fn end(url: &str, name: &str) -> Result<i64, String> {
    let ask = async {
        let address = Address::parse(url).map_err(|error| words(&error))?;
        let session = address.connect("stampede").await.map_err(|error| words(&error))?;
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        let row = session.query_one(sql, &[&name]).await.map_err(|error| words(&error))?;
        Ok(row.get(0))
    };
    timeout(ANSWER_WITHIN, ask).await.unwrap_or_else(|_| Err("postgres does not answer".to_owned()))
}

/// Looks whether a server of PostgreSQL takes a session and answers in it.
pub(super) async fn answers(url: &str) -> Result<(), String> {
    let ask = async {
        let address = Address::parse(url).map_err(|error| words(&error))?;
        let session = address.connect("stampede").await.map_err(|error| words(&error))?;
        session.query_one("SELECT 1", &[]).await.map(drop).map_err(|error| words(&error))
    };
    timeout(ANSWER_WITHIN, ask).await.unwrap_or_else(|_| Err("postgres does not answer".to_owned()))
}

/// Looks whether one server takes writes and the other follows it.
pub(super) async fn followed(primary: &str, standby: &str) -> Result<(), String> {
    let ask = async {
        let one = |url: &str| Address::parse(url).map_err(|error| words(&error));
        let (first, second) = (one(primary)?, one(standby)?);
        let session = first.connect("stampede").await.map_err(|error| words(&error))?;
        let sql = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming')";
        let row = session.query_one(sql, &[]).await.map_err(|error| words(&error))?;
        match (row.get::<_, bool>(0), row.get::<_, i64>(1)) {
            (true, _) => return Err("the primary takes no writes".to_owned()),
            (false, 0) => return Err("nobody follows the primary".to_owned()),
            (false, _) => {}
        }
        let session = second.connect("stampede").await.map_err(|error| words(&error))?;
        let row = session.query_one("SELECT pg_is_in_recovery()", &[]).await.map_err(|error| words(&error))?;
        if row.get::<_, bool>(0) { Ok(()) } else { Err("the standby takes writes itself".to_owned()) }
    };
    timeout(ANSWER_WITHIN, ask).await.unwrap_or_else(|_| Err("postgres does not answer".to_owned()))
}

/// Sends one command to Redis.
pub(super) async fn redis(url: &str, command: &[&str]) -> Result<(), String> {
    let ask = async { send(&mut connect(url).await?, command).await };
    ask.await.map_err(|error| format!("`{}`: {error}", command.join(" ")))
}

/// Pauses Redis, slice by slice, for `lasts` or until what is returned is dropped.
pub(super) async fn pause_redis(url: &str, mode: &'static str, lasts: Duration) -> Result<Held, String> {
    let end = Instant::now() + lasts;
    let refused = |error: redis::RedisError| format!("`CLIENT PAUSE`: {error}");
    let mut connection = connect(url).await.map_err(refused)?;
    pause(&mut connection, lasts, mode).await.map_err(refused)?;
    let renewing = tokio::spawn(async move {
        loop {
            sleep(SLICE.saturating_sub(EARLY)).await;
            let left = end.saturating_duration_since(Instant::now());
            if left <= EARLY || pause(&mut connection, left, mode).await.is_err() {
                return;
            }
        }
    });
    Ok(Held { sessions: Vec::new(), renewing: Some(renewing) })
}

async fn pause(connection: &mut MultiplexedConnection, left: Duration, mode: &str) -> Result<(), redis::RedisError> {
    let ms = left.min(SLICE).as_millis().to_string();
    send(connection, &["CLIENT", "PAUSE", &ms, mode]).await
}

async fn connect(url: &str) -> Result<MultiplexedConnection, redis::RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await
}

async fn send(connection: &mut MultiplexedConnection, command: &[&str]) -> Result<(), redis::RedisError> {
    let mut sent = redis::cmd(command.first().copied().unwrap_or_default());
    for word in command.iter().skip(1) {
        sent.arg(*word);
    }
    sent.query_async::<redis::Value>(connection).await.map(drop)
}
