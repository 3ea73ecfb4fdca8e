//! Workers that are scaled by how long their queue takes to clear: a queue in a model, second by second.

use super::*;

/// A queue, its workers, and the autoscaler over them.
struct World {
    scaler: Autoscaler,
    memory: Memory,
    gauge: QueueGauge,
    backlog: f64,
    done: f64,
    workers: u32,
    /// Workers that are wanted and not ready until then.
    coming: Vec<u64>,
    per_worker_per_s: f64,
}

impl World {
    const LOOK_EVERY_S: u64 = 15;
    const STARTS_IN_S: u64 = 20;

    fn new(target_s: f64, (min, max): (u32, u32), per_worker_per_s: f64) -> Self {
        let metrics = vec![Metric::External {
            name: "queue_seconds_to_clear".into(),
            labels: BTreeMap::new(),
            value: Amount::of(target_s),
        }];
        Self {
            scaler: Autoscaler { metrics, ..scaler(1.0, (min, max)) },
            memory: Memory::default(),
            gauge: QueueGauge::default(),
            backlog: 0.0,
            done: 0.0,
            workers: min,
            coming: Vec::new(),
            per_worker_per_s,
        }
    }

    /// One second with `arrivals` jobs.
    fn second(&mut self, at_s: u64, arrivals: f64) {
        let ready = self.coming.extract_if(.., |ready_s| *ready_s <= at_s).count();
        self.workers += u32::try_from(ready).unwrap();
        self.backlog += arrivals;
        let done = self.backlog.min(f64::from(self.workers) * self.per_worker_per_s);
        self.backlog -= done;
        self.done += done;
        if at_s.is_multiple_of(Self::LOOK_EVERY_S) {
            self.look(at_s);
        }
    }

    fn look(&mut self, at_s: u64) {
        let counts = (self.backlog as u64, self.done as u64);
        let reading = match self.gauge.look(at_s * S, counts, self.workers) {
            Some(seconds) => Reading::Whole(seconds, self.workers),
            None => Reading::Missing,
        };
        let wanted = self.workers + self.coming.len() as u32;
        let desired = self.scaler.decide(&mut self.memory, &seen(wanted, reading), at_s * S).desired;
        for _ in wanted..desired {
            self.coming.push(at_s + Self::STARTS_IN_S);
        }
        for _ in desired..wanted {
            // What has not started yet is given up first.
            if self.coming.pop().is_none() {
                self.workers -= 1;
            }
        }
    }

    fn seconds_to_clear(&self) -> f64 {
        self.backlog / (f64::from(self.workers) * self.per_worker_per_s)
    }
}

#[test]
fn a_burst_is_cleared_in_the_time_that_was_promised_and_the_workers_go_again() {
    // One worker does 10 a second; 40 a second for five minutes need more than four of them to catch up.
    let mut world = World::new(30.0, (1, 20), 10.0);
    let (mut most, mut longest_s, mut late_s) = (0, 0.0_f64, 0);
    for at_s in 0..1_800 {
        world.second(at_s, if (60..360).contains(&at_s) { 40.0 } else { 1.0 });
        most = most.max(world.workers);
        longest_s = longest_s.max(world.seconds_to_clear());
        late_s += u32::from(world.seconds_to_clear() > 33.0);
    }
    assert!((5..=20).contains(&most), "{most} workers");
    assert!(longest_s < 200.0, "the queue was {longest_s:.0} s long");
    assert!(late_s < 120, "for {late_s} s it was longer than was promised");
    assert_eq!((world.workers, world.backlog as u64), (1, 0), "and afterwards one is enough");
}

#[test]
fn slow_jobs_get_more_workers_than_fast_ones_of_the_same_backlog() {
    let workers = |per_worker_per_s: f64| {
        let mut world = World::new(30.0, (1, 40), per_worker_per_s);
        world.backlog = 3_000.0;
        let mut most = 0;
        for at_s in 0..300 {
            world.second(at_s, 0.0);
            most = most.max(world.workers);
        }
        most
    };
    let (fast, slow) = (workers(100.0), workers(5.0));
    assert!(fast <= 2 && slow >= 10, "{fast} fast ones, {slow} slow ones");
}

#[test]
fn a_queue_that_nobody_drains_changes_nothing_until_somebody_does() {
    let mut world = World::new(30.0, (2, 10), 0.0);
    world.backlog = 1_000.0;
    for at_s in 0..120 {
        world.second(at_s, 0.0);
    }
    assert_eq!(world.workers, 2, "with workers that do nothing more of them are no help, and fewer none either");
}
