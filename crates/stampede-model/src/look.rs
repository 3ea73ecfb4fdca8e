//! How a system is looked at from beside: which lists are its queues, which keys its locks and its limits, what its metrics are called.
//!
//! Invariant: everything that is one system's own stands here; whoever looks knows only the roles.

use serde::Deserialize;

use crate::target::TargetError;

/// What there is to look at; what is left out is not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Lists of Redis whose length is the work that waits.
    #[serde(default)]
    pub queues: Vec<String>,
    /// The service whose replicas work the queues off.
    pub workers: Option<String>,
    /// Locks in Redis.
    pub locks: Option<Locks>,
    /// Users at a limit, in Redis.
    pub limits: Option<RateLimits>,
    /// Series of the services' `/metrics`.
    #[serde(default)]
    pub metrics: Metrics,
}

/// Which keys are locks, and what their values say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locks {
    /// The pattern of the keys, as `lock:*`.
    pub keys: String,
    /// The database of Redis.
    #[serde(default)]
    pub database: u8,
    /// What a value says, as `{token}|{fence}|{since_ms}|{ttl_ms}`. Known names: `token`, `since_ms`, `since_s` (since 1970),
    /// `ttl_ms`, `ttl_s`, and `holder`, the name of a connection to Redis (`CLIENT SETNAME`); others are passed over.
    #[serde(default)]
    pub value: String,
}

/// Which keys count a user's calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimits {
    /// The pattern of the keys, as `rl:*:user:*`. A list counts by its length, a text by its number.
    pub keys: String,
    /// The database of Redis.
    #[serde(default)]
    pub database: u8,
    /// Calls a user has in a window.
    pub limit: u64,
}

/// Names of series in the text format of Prometheus; the values of all labels are added up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// The path; `/metrics` when left out.
    pub path: Option<String>,
    /// A counter of jobs that were worked on, of the workers.
    pub jobs_done: Option<String>,
    /// A gauge of requests that wait for a connection of the pool.
    pub pool_waiting: Option<String>,
    /// A counter of requests that got no connection in time.
    pub pool_timeouts: Option<String>,
}

impl Look {
    /// Reads the `[look]` of a file that may hold more, such as an acceptance file.
    ///
    /// # Errors
    /// The first mistake, with its line and what to do.
    pub fn of_file(file: &str, text: &str) -> Result<Self, TargetError> {
        #[derive(Deserialize)]
        struct File {
            look: Look,
        }
        let source = crate::target::Source { file, text };
        let read: Result<File, _> = toml::from_str(text);
        read.map(|file| file.look).map_err(|error| {
            let hint = "a [look] has queues, workers, locks, limits and metrics; acceptance.toml is an example";
            source.error(error.span().unwrap_or(0..0), error.message().trim_end(), hint)
        })
    }
}

/// What a lock's value says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockWords {
    /// Since when it is held, milliseconds since 1970.
    pub since_unix_ms: Option<i64>,
    /// The lifetime it was taken with.
    pub ttl_ms: Option<u64>,
    /// The connection that holds it.
    pub holder: Option<String>,
}

impl Locks {
    /// Reads a value by the pattern; what does not fit says nothing.
    pub fn read(&self, value: &str) -> LockWords {
        let mut words = LockWords::default();
        let (mut pattern, mut rest) = (self.value.as_str(), value);
        while let Some((before, after)) = pattern.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else { return LockWords::default() };
            let Some(here) = rest.strip_prefix(before) else { return LockWords::default() };
            let until = behind.split('{').next().unwrap_or_default();
            let (text, next) = match until {
                "" => (here, ""),
                until => match here.split_once(until) {
                    Some((text, _)) => (text, &here[text.len()..]),
                    None => return LockWords::default(),
                },
            };
            words.take(name, text);
            (pattern, rest) = (behind, next);
        }
        if rest == pattern { words } else { LockWords::default() }
    }
}

impl LockWords {
    fn take(&mut self, name: &str, text: &str) {
        match name {
            "since_ms" => self.since_unix_ms = text.parse().ok(),
            "since_s" => self.since_unix_ms = text.parse().ok().and_then(|s: i64| s.checked_mul(1_000)),
            "ttl_ms" => self.ttl_ms = text.parse().ok(),
            "ttl_s" => self.ttl_ms = text.parse().ok().and_then(|s: u64| s.checked_mul(1_000)),
            "holder" => self.holder = Some(text.to_owned()),
            _ => {}
        }
    }
}

/// The sum of a series in the text format of Prometheus, over all its labels; `None` when it is not there.
pub fn sum_of(exposition: &str, series: &str) -> Option<f64> {
    let mut sum = None;
    for line in exposition.lines() {
        let Some(rest) = line.strip_prefix(series) else { continue };
        let value = match rest.as_bytes().first() {
            Some(b'{') => rest.rsplit_once('}').map(|(_, value)| value),
            Some(b' ') => Some(rest),
            _ => None,
        };
        let value = value.and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok());
        if let Some(value) = value.filter(|value| value.is_finite()) {
            sum = Some(sum.unwrap_or(0.0) + value);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locks(value: &str) -> Locks {
        Locks { keys: "lock:*".into(), database: 2, value: value.into() }
    }

    #[test]
    fn a_value_is_read_by_its_pattern() {
        let words = locks("{token}|{fence}|{since_ms}|{ttl_ms}").read("abc|7|1700000000000|30000");
        assert_eq!((words.since_unix_ms, words.ttl_ms, words.holder), (Some(1_700_000_000_000), Some(30_000), None));
        let words = locks("v1:{holder}:{since_s}").read("v1:worker-2:1700000000");
        assert_eq!((words.holder.as_deref(), words.since_unix_ms), (Some("worker-2"), Some(1_700_000_000_000)));
    }

    #[test]
    fn a_value_that_does_not_fit_says_nothing() {
        for (pattern, value) in [
            ("{token}|{ttl_ms}", "abc"),
            ("{token}|{ttl_ms}|x", "abc|5|y"),
            ("v1:{token}", "abc"),
            ("{token", "abc"),
            ("", "abc"),
        ] {
            assert_eq!(locks(pattern).read(value), LockWords::default(), "{pattern} {value}");
        }
        assert_eq!(locks("{token}|{ttl_ms}").read("abc|soon").ttl_ms, None);
    }

    #[test]
    fn a_series_is_summed_over_its_labels_and_told_from_its_neighbours() {
        let text = "# TYPE jobs counter\njobs{kind=\"a b\"} 3\njobs{kind=\"}\"} 4\njobs_more 100\nwaiting 2\nodd NaN\n";
        assert_eq!(sum_of(text, "jobs"), Some(7.0));
        assert_eq!(sum_of(text, "waiting"), Some(2.0));
        assert_eq!((sum_of(text, "odd"), sum_of(text, "none")), (None, None));
    }

    #[test]
    fn a_look_is_read_out_of_a_larger_file_and_a_mistake_has_its_line() {
        let text = "[acceptance]\ntarget = \"a\"\n[look]\nqueues = [\"queue:default\"]\n";
        assert_eq!(Look::of_file("a.toml", text).unwrap().queues, ["queue:default"]);
        let error = Look::of_file("a.toml", "[look]\nqueue = [\"a\"]\n").unwrap_err().to_string();
        assert!(error.starts_with("a.toml:2:") && error.contains("unknown field `queue`"), "{error}");
    }
}
