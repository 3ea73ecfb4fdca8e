//! How a worker behaves, and when its regular jobs are due.

use std::fmt;
use std::time::Duration;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};
use jiff::{SignedDuration, Timestamp};
use kv_coord::queue::{LeaseTtl, Queues, RetryPolicy};

use super::custom::Handlers;
use super::handlers;
use crate::webhooks::Reach;

/// How a worker behaves.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Which queues it takes jobs from.
    pub queues: Queues,
    /// Jobs that are worked on at a time.
    pub concurrency: usize,
    /// How long a job is a worker's without a heartbeat.
    pub lease_ttl: LeaseTtl,
    /// How long an attempt may take.
    pub attempt_timeout: Duration,
    /// How long jobs may go on after the stop signal.
    pub grace: Duration,
    /// After how long a job that was pushed is looked at again.
    pub patience: Duration,
    /// The pauses between attempts.
    pub retry: RetryPolicy,
    /// The regular jobs.
    pub schedules: Vec<Schedule>,
    /// What is done for further kinds of jobs, by those who build on this service.
    pub handlers: Handlers,
    /// The pauses between attempts to reach an endpoint.
    pub webhook_retry: RetryPolicy,
    /// Which addresses events may be sent to.
    pub reach: Reach,
}

/// Five seconds, doubled up to six hours: twelve attempts take up to three hours.
const WEBHOOK_RETRY: RetryPolicy = RetryPolicy { base: Duration::from_secs(5), cap: Duration::from_hours(6) };

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            queues: Queues::ALL,
            concurrency: 16,
            lease_ttl: LeaseTtl::DEFAULT,
            attempt_timeout: Duration::from_mins(1),
            grace: Duration::from_secs(20),
            patience: Duration::from_mins(1),
            retry: RetryPolicy::DEFAULT,
            schedules: Schedule::defaults(),
            handlers: Handlers::default(),
            webhook_retry: WEBHOOK_RETRY,
            reach: Reach::Public,
        }
    }
}

/// When a kind of regular job is due.
#[derive(Clone)]
pub struct Schedule {
    /// The kind.
    pub kind: &'static str,
    /// The queue its jobs go to.
    pub priority: &'static str,
    line: String,
    crontab: Crontab,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.line)
    }
}

/// The regular jobs, the queue of each and when it is due unless said otherwise. They are spread over the hour.
const REGULAR: [(&str, &str, &str); 7] = [
    (handlers::EXPIRE_RESERVATIONS, "high", "* * * * *"),
    (handlers::FORGET_KEYS, "low", "* * * * *"),
    (handlers::FORGET_JOBS, "low", "17 * * * *"),
    (handlers::FORGET_IMPORTS, "low", "23 3 * * *"),
    (handlers::FORGET_EVENTS, "low", "37 3 * * *"),
    (handlers::FORGET_FILES, "low", "*/10 * * * *"),
    (handlers::FORGET_DELIVERIES, "low", "47 3 * * *"),
];

/// How far one looks back for the last time that a line was due: each step finds what the one before has missed.
const LOOK_BACK: [SignedDuration; 5] = [
    SignedDuration::from_mins(2),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(2 * 24),
    SignedDuration::from_hours(62 * 24),
    SignedDuration::from_hours(5 * 366 * 24),
];

impl Schedule {
    /// The regular jobs at their usual times.
    pub fn defaults() -> Vec<Self> {
        let schedule = |(kind, priority, line)| Self::parse_as(kind, priority, line);
        REGULAR.map(schedule).into_iter().map(|usual| usual.expect("the usual times come")).collect()
    }

    /// Reads `KIND=LINE`, a line of five fields as cron has them, in UTC or with a time zone behind them. `now` is when it has to
    /// come after.
    ///
    /// # Errors
    /// What is wrong with it, with what to do.
    pub fn parse(raw: &str, now: Timestamp) -> Result<Self, String> {
        let kinds = || REGULAR.map(|(kind, ..)| kind).join(", ");
        let Some((kind, line)) = raw.split_once('=') else {
            return Err(format!("{raw:?} is not KIND=LINE, for example {}=\"17 * * * *\"", handlers::FORGET_JOBS));
        };
        let Some((kind, priority, _)) = REGULAR.into_iter().find(|(known, ..)| *known == kind.trim()) else {
            return Err(format!("there is no regular job {:?}; use one of {}", kind.trim(), kinds()));
        };
        let schedule = Self::parse_as(kind, priority, line.trim())?;
        if schedule.next_after(now).is_none() {
            return Err(format!("{:?} never comes, so {kind} would never be done", schedule.line));
        }
        Ok(schedule)
    }

    fn parse_as(kind: &'static str, priority: &'static str, line: &str) -> Result<Self, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = parse_crontab_with(line, options).map_err(|error| {
            format!("{line:?} is no cron line of five fields: {}", error.to_string().replace('\n', " "))
        })?;
        Ok(Self { kind, priority, line: line.to_owned(), crontab })
    }

    /// When it is due next, later than that; `None` when never again.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.crontab.find_next(MakeTimestamp(instant)).ok().map(|zoned| zoned.timestamp())
    }

    /// When it was due last, then or before; `None` when that is years ago.
    pub fn last_at(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut back = LOOK_BACK.into_iter();
        let mut last = back.find_map(|back| {
            let begin = instant.checked_sub(back).ok()?;
            self.next_after(begin).filter(|due| *due <= instant)
        })?;
        while let Some(next) = self.next_after(last).filter(|due| *due <= instant) {
            last = next;
        }
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_time_and_the_next_one() {
        let now = at("2026-03-01T12:30:00Z");
        for (line, last, next) in [
            ("* * * * *", "2026-03-01T12:30:00Z", "2026-03-01T12:31:00Z"),
            ("17 * * * *", "2026-03-01T12:17:00Z", "2026-03-01T13:17:00Z"),
            ("0 3 * * *", "2026-03-01T03:00:00Z", "2026-03-02T03:00:00Z"),
            ("0 3 * * * Europe/Berlin", "2026-03-01T02:00:00Z", "2026-03-02T02:00:00Z"),
            ("5 4 31 * *", "2026-01-31T04:05:00Z", "2026-03-31T04:05:00Z"),
            ("0 0 29 2 *", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ] {
            let schedule = Schedule::parse(&format!("forget_jobs={line}"), now).unwrap();
            assert_eq!((schedule.last_at(now), schedule.next_after(now)), (Some(at(last)), Some(at(next))), "{line}");
        }
    }

    #[test]
    fn a_line_that_never_comes_is_refused_with_its_reason() {
        let now = at("2026-03-01T12:30:00Z");
        for (raw, said) in [
            ("forget_jobs=0 0 30 2 *", "never"),
            ("forget_jobs=61 * * * *", "no cron line"),
            ("forget_jobs=", "no cron line"),
            ("forget_everything=* * * * *", "no regular job"),
            ("17 * * * *", "not KIND=LINE"),
        ] {
            let refused = Schedule::parse(raw, now).unwrap_err();
            assert!(refused.contains(said), "{raw}: {refused}");
        }
        assert_eq!(Schedule::defaults().len(), REGULAR.len());
    }
}
