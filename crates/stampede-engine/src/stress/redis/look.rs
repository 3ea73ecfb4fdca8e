//! Looks into Redis once a second: `INFO`, lengths of lists; at the end the slow log and the latency monitor.
//!
//! Invariants: counters count from the first look; slow commands from before the run are left out by their number; looking
//! takes one connection, `INFO`, and one `LLEN` for each watched list. Nothing is reset and no setting is changed.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value};
use stampede_model::stress::redact;
use stampede_model::stress::redis::{LatencyEvent, RedisFindings, RedisSample, SLOW_MAX, SlowCommand, info};

use crate::stress::{LOOK_WITHIN, StressError};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Arguments of a slow command that are kept: values may be long, and secret.
const ARGUMENTS: usize = 2;

/// Whoever looks.
pub(crate) struct Look {
    connection: MultiplexedConnection,
    lists: Vec<String>,
    start: RedisSample,
    first_slow: i64,
    missed: u64,
    in_a_row: u32,
    pub(crate) samples: Vec<RedisSample>,
    pub(crate) findings: RedisFindings,
}

impl Look {
    /// Opens a connection of its own.
    pub(crate) async fn open(url: &str, lists: &[String]) -> Result<Self, StressError> {
        let opened = async {
            let client = redis::Client::open(url)?;
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_WITHIN))
                .set_response_timeout(Some(LOOK_WITHIN));
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            let text: String = redis::cmd("INFO").query_async(&mut connection).await?;
            Ok::<_, RedisError>((connection, text))
        };
        let (mut connection, text) = opened.await.map_err(|source| StressError::Redis {
            address: redact::url(url),
            action: "connect and read INFO".to_owned(),
            source,
        })?;
        let version = info(&text).get("redis_version").copied().unwrap_or("unknown").to_owned();
        let first_slow = newest_slow(&mut connection).await;
        Ok(Self {
            connection,
            lists: lists.to_vec(),
            start: RedisSample::from_info(&text),
            first_slow,
            missed: 0,
            in_a_row: 0,
            samples: Vec::new(),
            findings: RedisFindings { version, ..RedisFindings::default() },
        })
    }

    /// Takes a sample at `at_ns`; one that fails is counted and left out.
    ///
    /// # Cancel safety
    /// Dropping the future loses this sample.
    pub(crate) async fn sample(&mut self, at_ns: u64) {
        match self.take(at_ns).await {
            Ok(sample) => {
                self.in_a_row = 0;
                self.samples.push(sample);
            }
            Err(error) => {
                tracing::debug!(%error, "a look into Redis failed");
                self.in_a_row += 1;
                self.missed += 1;
            }
        }
    }

    async fn take(&mut self, at_ns: u64) -> Result<RedisSample, RedisError> {
        let text: String = redis::cmd("INFO").query_async(&mut self.connection).await?;
        let mut sample = RedisSample::from_info(&text).since(&self.start);
        sample.at_ns = at_ns;
        for key in &self.lists {
            let length = redis::cmd("LLEN").arg(key).query_async::<u64>(&mut self.connection).await;
            let length = match length {
                Ok(length) => Some(length),
                // A key of another type is a refusal; anything else is a server that does not answer.
                Err(error) if error.code() == Some("WRONGTYPE") => None,
                Err(error) => return Err(error),
            };
            sample.lists.insert(key.clone(), length);
        }
        Ok(sample)
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    pub(crate) fn missed_in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Keeps every second sample.
    pub(super) fn thin(&mut self) {
        let mut odd = false;
        self.samples.retain(|_| {
            odd = !odd;
            odd
        });
    }

    /// Takes the last sample, and what the server wrote down by itself.
    pub(super) async fn close(&mut self, at_ns: u64) {
        self.sample(at_ns).await;
        let newest = newest_slow(&mut self.connection).await;
        self.findings.slow_count = u64::try_from(newest - self.first_slow).unwrap_or(0);
        let entries: Result<Vec<Value>, _> =
            redis::cmd("SLOWLOG").arg("GET").arg(128).query_async(&mut self.connection).await;
        let mut slow: Vec<SlowCommand> =
            entries.unwrap_or_default().iter().filter_map(|entry| slow_command(entry, self.first_slow)).collect();
        slow.sort_by_key(|command| std::cmp::Reverse(command.took_ns));
        slow.truncate(SLOW_MAX);
        self.findings.slow = slow;
        self.findings.latency = self.latency().await;
    }

    async fn latency(&mut self) -> Option<Vec<LatencyEvent>> {
        let mut config = redis::cmd("CONFIG");
        config.arg("GET").arg("latency-monitor-threshold");
        let (_, threshold): (String, u64) = config.query_async(&mut self.connection).await.ok()?;
        if threshold == 0 {
            return None;
        }
        let events: Vec<(String, u64, u64, u64)> =
            redis::cmd("LATENCY").arg("LATEST").query_async(&mut self.connection).await.ok()?;
        let ms = |ms: u64| ms.saturating_mul(1_000_000);
        let event =
            |(event, _, latest, longest)| LatencyEvent { event, latest_ns: ms(latest), longest_ns: ms(longest) };
        Some(events.into_iter().map(event).collect())
    }
}

/// The number of the newest entry of the slow log; -1 without one.
async fn newest_slow(connection: &mut MultiplexedConnection) -> i64 {
    let entries: Result<Vec<Value>, _> = redis::cmd("SLOWLOG").arg("GET").arg(1).query_async(connection).await;
    let entries = entries.unwrap_or_default();
    entries.first().and_then(fields).and_then(|entry| number(entry.first()?)).unwrap_or(-1)
}

fn fields(entry: &Value) -> Option<&[Value]> {
    match entry {
        Value::Array(fields) => Some(fields),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// Number, time of day, microseconds, arguments, and more in later versions.
fn slow_command(entry: &Value, after: i64) -> Option<SlowCommand> {
    let entry = fields(entry)?;
    let (id, micros) = (number(entry.first()?)?, number(entry.get(2)?)?);
    let arguments = fields(entry.get(3)?)?;
    // A password is an argument of these.
    let first = arguments.first().map(text).unwrap_or_default();
    let secret = ["AUTH", "HELLO", "CONFIG", "ACL"].iter().any(|command| first.eq_ignore_ascii_case(command));
    let kept = if secret { 1 } else { 1 + ARGUMENTS };
    let mut words: Vec<String> = arguments.iter().take(kept).map(text).collect();
    if arguments.len() > kept {
        words.push(format!("(and {} more)", arguments.len() - kept));
    }
    let took_ns = u64::try_from(micros).unwrap_or(0).saturating_mul(1_000);
    (id > after).then(|| SlowCommand { command: redact::statement(&words.join(" ")), took_ns })
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned(),
        Value::SimpleString(text) => text.clone(),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: i64, words: &[&str]) -> Value {
        let words = words.iter().map(|word| Value::BulkString(word.as_bytes().to_vec())).collect();
        Value::Array(vec![Value::Int(id), Value::Int(1_795_385_031), Value::Int(12_000), Value::Array(words)])
    }

    #[test]
    fn slow_commands_of_the_run_are_named_and_earlier_ones_are_not() {
        let slow = slow_command(&entry(8, &["LRANGE", "mylist", "0", "599"]), 7).unwrap();
        assert_eq!((slow.command.as_str(), slow.took_ns), ("LRANGE mylist 0 (and 1 more)", 12_000_000));
        assert_eq!(slow_command(&entry(7, &["LRANGE"]), 7), None);
        assert_eq!(slow_command(&Value::Nil, 0), None);
    }

    #[test]
    fn a_slow_login_does_not_show_its_password() {
        let slow = slow_command(&entry(8, &["auth", "geheim"]), 7).unwrap();
        assert_eq!(slow.command, "auth (and 1 more)");
    }
}
