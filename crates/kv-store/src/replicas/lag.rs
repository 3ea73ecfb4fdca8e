//! How far behind a replica is, from what the primary said of itself over time. Pure.
//!
//! The time of the last transaction that a replica has replayed says nothing while the primary is idle, and the place up to which it
//! has received says nothing once it receives no more. What does say something is when the primary was seen where the replica is now.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::freshness::Lsn;

/// Sightings kept: a minute and more of them. A replica that is further behind is of no use.
const SIGHTINGS: usize = 512;

/// Where the primary was seen, the oldest first.
#[derive(Debug, Default)]
pub(super) struct PrimaryPath {
    seen: VecDeque<(Instant, Lsn)>,
}

impl PrimaryPath {
    /// Notes where the primary is.
    pub(super) fn saw(&mut self, at: Instant, lsn: Lsn) {
        // A primary that is behind where one was before is another one: what was known of the old one's path is over.
        if self.seen.back().is_some_and(|(_, last)| lsn < *last) {
            self.seen.clear();
        }
        if self.seen.len() == SIGHTINGS {
            self.seen.pop_front();
        }
        self.seen.push_back((at, lsn));
    }

    /// How old at most the oldest change is that a replica at `replayed` lacks; `None` when it lacks some that nobody has timed.
    pub(super) fn lag(&self, now: Instant, replayed: Lsn) -> Option<Duration> {
        let missing = self.seen.iter().position(|(_, lsn)| *lsn > replayed);
        match missing {
            None if self.seen.is_empty() => None,
            None => Some(Duration::ZERO),
            // It happened after the sighting before.
            Some(0) => None,
            Some(at) => Some(now.saturating_duration_since(self.seen[at - 1].0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_what_is_missing_is_the_lag() {
        let (mut path, begin) = (PrimaryPath::default(), Instant::now());
        let at = |ms: u64| begin + Duration::from_millis(ms);
        assert_eq!(path.lag(begin, Lsn(5)), None, "nothing is known");
        path.saw(at(0), Lsn(10));
        path.saw(at(100), Lsn(10));
        path.saw(at(200), Lsn(20));
        assert_eq!(path.lag(at(300), Lsn(20)), Some(Duration::ZERO));
        assert_eq!(path.lag(at(300), Lsn(10)), Some(Duration::from_millis(200)), "20 was written after 100 ms");
        assert_eq!(path.lag(at(300), Lsn(9)), None, "what it lacks is older than all sightings");
        assert_eq!(path.lag(at(60_000), Lsn(20)), Some(Duration::ZERO), "an idle primary makes nobody late");
        path.saw(at(400), Lsn(3));
        assert_eq!(path.lag(at(400), Lsn(3)), Some(Duration::ZERO), "another primary begins another path");
    }

    #[test]
    fn the_path_is_bounded() {
        let (mut path, begin) = (PrimaryPath::default(), Instant::now());
        for n in 0..2 * SIGHTINGS as u64 {
            path.saw(begin + Duration::from_millis(n), Lsn(n));
        }
        assert_eq!(path.seen.len(), SIGHTINGS);
    }
}
