//! Locks and counts of calls in Redis: found by a pattern of their keys, read, and given back when somebody says so.
//!
//! Invariants: `SCAN`, never `KEYS`; at most [`KEYS_MAX`] keys and [`STEPS_MAX`] steps, so that a large Redis is not held up; a lock
//! is deleted only while its value is the very one that was seen.

use std::collections::BTreeSet;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use stampede_model::diagnose::{LimitedUser, SeenLock};
use stampede_model::look::{Locks, RateLimits};

const KEYS_MAX: usize = 1_000;
const STEPS_MAX: u32 = 1_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Deletes a key while it has this value.
const DELETE_IF_SAME: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// The locks that are held.
///
/// # Errors
/// Redis's own words.
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn locks(url: &str, of: &Locks) -> Result<Vec<SeenLock>, String> {
    read_locks(url, of).await.map_err(|error| error.to_string())
}

/// The users at their limit.
///
/// # Errors
/// Redis's own words.
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn limited(url: &str, of: &RateLimits) -> Result<Vec<LimitedUser>, String> {
    read_limited(url, of).await.map_err(|error| error.to_string())
}

/// The value of one lock, exactly; `None` when it is not held.
///
/// # Errors
/// Redis's own words.
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn value_of(url: &str, database: u8, key: &str) -> Result<Option<Vec<u8>>, String> {
    let read = async {
        let mut connection = connect(url, database).await?;
        redis::cmd("GET").arg(key).query_async::<Option<Vec<u8>>>(&mut connection).await
    };
    read.await.map_err(|error| error.to_string())
}

/// Deletes a lock while its value is the one that was seen, in one step; tells whether it was.
///
/// # Errors
/// Redis's own words; it may have been deleted then.
/// # Cancel safety
/// Dropping the future may leave it deleted.
pub async fn release(url: &str, (database, key): (u8, &str), seen: &[u8]) -> Result<bool, String> {
    let delete = async {
        let mut connection = connect(url, database).await?;
        let mut script = redis::cmd("EVAL");
        script.arg(DELETE_IF_SAME).arg(1).arg(key).arg(seen);
        script.query_async::<u64>(&mut connection).await
    };
    delete.await.map(|deleted| deleted == 1).map_err(|error| error.to_string())
}

async fn read_locks(url: &str, of: &Locks) -> Result<Vec<SeenLock>, RedisError> {
    let mut connection = connect(url, of.database).await?;
    let names = if of.value.contains("{holder}") { Some(client_names(&mut connection).await?) } else { None };
    let mut locks = Vec::new();
    for key in keys(&mut connection, &of.keys).await? {
        let Some(lives_ms) = lifetime(&mut connection, &key).await? else { continue };
        // A key of another type has no value of this sort.
        let value: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap_or(None);
        let words = value.map(|value| of.read(&String::from_utf8_lossy(&value))).unwrap_or_default();
        let holder_is_there = words.holder.as_ref().zip(names.as_ref()).map(|(holder, names)| names.contains(holder));
        locks.push(SeenLock { key, lives_ms, words, holder_is_there });
    }
    Ok(locks)
}

async fn read_limited(url: &str, of: &RateLimits) -> Result<Vec<LimitedUser>, RedisError> {
    let mut connection = connect(url, of.database).await?;
    let mut users = Vec::new();
    for key in keys(&mut connection, &of.keys).await? {
        let Some(over_in_ms) = lifetime(&mut connection, &key).await? else { continue };
        let length = redis::cmd("LLEN").arg(&key).query_async::<u64>(&mut connection).await;
        let used = if let Ok(length) = length {
            length
        } else {
            let number = redis::cmd("GET").arg(&key).query_async::<Option<u64>>(&mut connection).await;
            number.ok().flatten().unwrap_or(0)
        };
        if used >= of.limit {
            users.push(LimitedUser { key, used, limit: of.limit, over_in_ms });
        }
    }
    Ok(users)
}

async fn connect(url: &str, database: u8) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?;
    redis::cmd("SELECT").arg(database).query_async::<()>(&mut connection).await?;
    Ok(connection)
}

/// Keys of a pattern, in order.
async fn keys(connection: &mut MultiplexedConnection, pattern: &str) -> Result<BTreeSet<String>, RedisError> {
    let mut keys = BTreeSet::new();
    let mut cursor = 0_u64;
    for _ in 0..STEPS_MAX {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        let (next, found): (u64, Vec<String>) = scan.query_async(connection).await?;
        let room = KEYS_MAX - keys.len();
        keys.extend(found.into_iter().take(room));
        cursor = next;
        if cursor == 0 || keys.len() >= KEYS_MAX {
            break;
        }
    }
    Ok(keys)
}

/// How long a key still lives in milliseconds, `Some(None)` for ever; `None` when it is gone meanwhile.
async fn lifetime(connection: &mut MultiplexedConnection, key: &str) -> Result<Option<Option<u64>>, RedisError> {
    let lives_ms: i64 = redis::cmd("PTTL").arg(key).query_async(connection).await?;
    Ok(match lives_ms {
        -2 => None,
        ms => Some(u64::try_from(ms).ok()),
    })
}

/// The names that connections have given themselves.
async fn client_names(connection: &mut MultiplexedConnection) -> Result<BTreeSet<String>, RedisError> {
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(connection).await?;
    let names = list.lines().flat_map(|line| line.split(' ')).filter_map(|field| field.strip_prefix("name="));
    Ok(names.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}
