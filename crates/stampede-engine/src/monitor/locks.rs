//! Keys of Redis by a pattern, with their lifetimes.
//!
//! Invariants: `SCAN`, never `KEYS`; at most [`KEYS_MAX`] keys and [`STEPS_MAX`] steps, so that a large Redis is not held up.

use std::time::Duration;

use redis::AsyncConnectionConfig;

const KEYS_MAX: usize = 1_000;
const STEPS_MAX: u32 = 1_000;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Keys and how long they still live in milliseconds; `None` is for ever.
///
/// # Errors
/// Redis's own words.
/// # Cancel safety
/// Dropping the future closes the connection.
pub async fn lifetimes(url: &str, pattern: &str) -> Result<Vec<(String, Option<u64>)>, String> {
    read(url, pattern).await.map_err(|error| error.to_string())
}

async fn read(url: &str, pattern: &str) -> Result<Vec<(String, Option<u64>)>, redis::RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ANSWER_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?;
    let mut keys: Vec<String> = Vec::new();
    let mut cursor = 0_u64;
    for _ in 0..STEPS_MAX {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        let (next, found): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 || keys.len() >= KEYS_MAX {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    keys.truncate(KEYS_MAX);
    let mut lifetimes = Vec::with_capacity(keys.len());
    for key in keys {
        let lives_ms: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await?;
        match lives_ms {
            // Gone meanwhile.
            -2 => {}
            -1 => lifetimes.push((key, None)),
            ms => lifetimes.push((key, u64::try_from(ms).ok())),
        }
    }
    Ok(lifetimes)
}
