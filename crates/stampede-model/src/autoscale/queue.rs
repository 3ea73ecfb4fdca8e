//! A queue as a metric: how many seconds until it is empty, were nothing added.
//!
//! Why seconds and not jobs: a backlog of 1,000 is nothing for a worker that does 500 a second and an hour for one that does one in
//! four. With a target in seconds the same autoscaler fits both, and keeps to what users were promised.
//! Invariants: what one worker does is learned only while all had something to do and none came or went, else an idle queue would look like slow workers; a
//! backlog that nobody has been seen to drain is no value, which an autoscaler takes as a metric that is missing.

/// Seconds to clear `backlog` jobs at `drained_per_s`; `None` when nothing drains it.
pub fn seconds_to_clear(backlog: u64, drained_per_s: f64) -> Option<f64> {
    if backlog == 0 {
        return Some(0.0);
    }
    (drained_per_s > 0.0).then(|| backlog as f64 / drained_per_s)
}

/// How far a new rate moves the learned one: half way, so that one odd look is forgotten after a few.
const WEIGHT: f64 = 0.5;

/// Looks at a queue and learns what one worker does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueGauge {
    last: Option<Look>,
    per_worker_per_s: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    at_ns: u64,
    backlog: u64,
    done: u64,
    workers: u32,
}

impl QueueGauge {
    /// Looks at `at_ns`: jobs that wait, jobs that were done since the beginning, workers that are ready. Seconds to clear, when
    /// they can be told.
    pub fn look(&mut self, at_ns: u64, (backlog, done): (u64, u64), workers: u32) -> Option<f64> {
        let look = Look { at_ns, backlog, done, workers };
        if let Some(last) = self.last.replace(look) {
            self.learn(last, look);
        }
        let per_s = self.per_worker_per_s.map_or(0.0, |per_s| per_s * f64::from(workers));
        seconds_to_clear(backlog, per_s)
    }

    /// What one worker does in a second, once it was seen.
    pub const fn per_worker_per_s(&self) -> Option<f64> {
        self.per_worker_per_s
    }

    fn learn(&mut self, last: Look, now: Look) {
        let passed_s = now.at_ns.saturating_sub(last.at_ns) as f64 / 1e9;
        // One that came or went in between did not work all the time, and nobody knows how long it did.
        let were_the_same = last.workers == now.workers && now.workers > 0;
        let Some(done) = now.done.checked_sub(last.done) else { return };
        // All that was done had been waiting at the beginning, and more: nobody was ever without work.
        let were_busy = last.backlog > done;
        if !were_busy || !were_the_same || passed_s <= 0.0 || done == 0 {
            return;
        }
        let seen = done as f64 / passed_s / f64::from(now.workers);
        self.per_worker_per_s = Some(self.per_worker_per_s.map_or(seen, |known| known + (seen - known) * WEIGHT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn an_empty_queue_is_clear_and_one_that_nobody_drains_is_not_known() {
        assert_eq!(seconds_to_clear(0, 0.0), Some(0.0));
        assert_eq!(seconds_to_clear(100, 20.0), Some(5.0));
        assert_eq!(seconds_to_clear(1, 0.0), None);
    }

    #[test]
    fn what_a_worker_does_is_learned_while_it_is_busy_alone() {
        let mut gauge = QueueGauge::default();
        assert_eq!(gauge.look(0, (600, 0), 2), None, "nobody has been seen to work yet");
        assert_eq!(gauge.look(10 * S, (500, 100), 2), Some(50.0));
        assert_eq!(gauge.per_worker_per_s(), Some(5.0));
        assert_eq!(gauge.look(20 * S, (400, 300), 4), Some(20.0), "two that came in between teach nothing");
        assert_eq!(gauge.look(30 * S, (300, 660), 4), Some(300.0 / 28.0), "half way from 5 to 9");
        assert_eq!(gauge.look(35 * S, (0, 1_000), 4), Some(0.0));
        let known = gauge.per_worker_per_s();
        assert_eq!(gauge.look(40 * S, (0, 701), 4), Some(0.0));
        assert_eq!(gauge.look(41 * S, (1, 702), 4), Some(1.0 / 28.0));
        assert_eq!(gauge.look(42 * S, (1, 703), 4), Some(1.0 / 28.0));
        assert_eq!(gauge.per_worker_per_s(), known, "single jobs of four idle workers say nothing");
        assert_eq!(gauge.look(50 * S, (10, 0), 4), Some(10.0 / (4.0 * known.unwrap())), "a counter that began anew");
    }
}
