//! Stress of single parts: drives the tools that everybody compares with, and looks into the server while they run.
//!
//! Invariants: whatever is started here ends with the bench; a run holds at most [`SAMPLES_MAX`] samples, however long it
//! is; looking at a server costs it one session and a few statements a second; no password gets into a record or a message.
//! Absent on purpose: TLS to PostgreSQL and Redis (give the address behind it), and any load of our own on them.

mod error;
pub mod pool;
pub mod postgres;
mod private;
pub mod redis;
pub mod steps;
mod tool;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

pub use error::StressError;

/// Most samples of one run; a longer run is looked at less often.
pub const SAMPLES_MAX: u32 = 3_600;
/// How often a server is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one look may take; a server that is slower to answer is looked at less often.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// Where the server is.
#[derive(Clone)]
pub enum Server {
    /// At this URL, which may hold a password.
    Url(String),
    /// On this machine, started for the run and gone afterwards.
    Private,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(&stampede_model::stress::redact::url(url)).finish(),
            Self::Private => f.write_str("Private"),
        }
    }
}

/// Which form a tool's command line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With the options that make it say more: progress, percentiles.
    Telling,
    /// As it is usually typed, not an option more.
    Plain,
}

/// Who watches a run: is told what happens, and may ask it to end.
#[derive(Clone, Copy)]
pub struct Watcher<'w> {
    /// Is told a line now and then.
    pub tell: &'w dyn Fn(&str),
    /// Turns true when the run should end.
    pub stop: &'w watch::Receiver<bool>,
}

impl Watcher<'_> {
    /// Waits until the run should end; for ever when nobody asks.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    async fn stopped(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }
}

/// How often to look, so that a run of `length` keeps to [`SAMPLES_MAX`].
fn look_every(length: Duration) -> Duration {
    LOOK_EVERY.max(length / SAMPLES_MAX)
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_looked_at_less_often() {
        assert_eq!(look_every(Duration::from_mins(1)), Duration::from_secs(1));
        let day = Duration::from_hours(24);
        assert!(day.as_secs_f64() / look_every(day).as_secs_f64() <= f64::from(SAMPLES_MAX));
    }

    #[test]
    fn a_server_does_not_show_its_password() {
        let shown = format!("{:?}", Server::Url("redis://:geheim@h/0".to_owned()));
        assert!(!shown.contains("geheim"), "{shown}");
    }
}
