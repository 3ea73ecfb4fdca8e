//! `Server-Timing`: where a request's time went, on every answer, so that a slow one can be explained without a look at the server.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::header::{HeaderName, HeaderValue};
use kv_store::spent::Spent;

/// W3C Server Timing.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Room for four names and four times of less than a hundred seconds.
const ROOM: usize = 96;

/// The times in milliseconds, to the microsecond: in line (`queue`), behind other people's locks (`lock_wait`), in PostgreSQL and on
/// the way to it (`db`), and the rest (`app`), which for a lock is the wait for it.
pub(super) fn header(took: Duration, spent: Spent) -> Option<HeaderValue> {
    let elsewhere = spent.queue.saturating_add(spent.lock_wait).saturating_add(spent.db);
    let times = [
        ("queue", spent.queue),
        ("lock_wait", spent.lock_wait),
        ("db", spent.db),
        ("app", took.saturating_sub(elsewhere)),
    ];
    let mut text = String::with_capacity(ROOM);
    for (name, time) in times {
        let separator = if text.is_empty() { "" } else { ", " };
        let micros = time.as_micros();
        write!(text, "{separator}{name};dur={}.{:03}", micros / 1_000, micros % 1_000).ok()?;
    }
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_spent_elsewhere_is_the_service_s_own() {
        let micros = Duration::from_micros;
        let spent = Spent { queue: micros(12), lock_wait: micros(0), db: micros(1_034) };
        let header = header(micros(1_500), spent).unwrap();
        assert_eq!(header, "queue;dur=0.012, lock_wait;dur=0.000, db;dur=1.034, app;dur=0.454");
    }

    #[test]
    fn two_clocks_that_disagree_do_not_make_a_time_negative() {
        let spent = Spent { db: Duration::from_secs(2), ..Spent::default() };
        let header = header(Duration::from_secs(1), spent).unwrap();
        assert_eq!(header, "queue;dur=0.000, lock_wait;dur=0.000, db;dur=2000.000, app;dur=0.000");
    }
}
