//! Runs made of known noise: what the verdicts are validated with.
//!
//! A run has a latency distribution (log-normal) whose level, and a rate whose level, wander from second to second as
//! first-order autoregressive noise of their logarithms, as measured servers do.

use crate::histogram::{Histogram, Packed};
use crate::run::{ArrivalsRecord, PlanRecord, RunFile};
use crate::run_result::{LoadResult, StepResult, StepSecond};
use crate::schedule::{mix, unit_interval};

/// Autoregressive normal noise of a given standard deviation and memory (0 to below 1).
pub(super) struct Noise {
    deviation: f64,
    memory: f64,
    state: u64,
    last: f64,
}

impl Noise {
    pub(super) fn new(deviation: f64, memory: f64, seed: u64) -> Self {
        let mut noise = Self { deviation, memory, state: mix(seed ^ 0xa5a5), last: 0.0 };
        // The first value has the noise's own spread, not zero.
        noise.last = deviation * noise.normal();
        noise
    }

    pub(super) fn normal(&mut self) -> f64 {
        let mut uniform = || {
            self.state = self.state.wrapping_add(1);
            unit_interval(mix(self.state))
        };
        let (radius, angle) = ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
        radius * angle.cos()
    }
}

impl Iterator for Noise {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let fresh = self.deviation * (1.0 - self.memory * self.memory).sqrt() * self.normal();
        self.last = self.memory * self.last + fresh;
        Some(self.last)
    }
}

/// A server as the simulation knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    /// Median latency.
    pub(super) median_ms: f64,
    /// Spread of single requests, standard deviation of the logarithm.
    pub(super) spread: f64,
    /// How far the level of a second wanders.
    pub(super) wander: f64,
    /// How much of it stays to the next second.
    pub(super) memory: f64,
    /// Part of the requests that fail.
    pub(super) failing: f64,
}

impl Server {
    pub(super) const USUAL: Self = Self { median_ms: 10.0, spread: 0.3, wander: 0.03, memory: 0.5, failing: 0.0 };

    pub(super) fn slower(self, factor: f64) -> Self {
        Self { median_ms: self.median_ms * factor, ..self }
    }

    /// `seconds` at about `rate_per_s`, and the two that are skipped.
    pub(super) fn run(self, seconds: u32, rate_per_s: f64, seed: u64) -> RunFile {
        let levels = Noise::new(self.wander, self.memory, seed);
        let rates = Noise::new(self.wander / 3.0, self.memory, seed ^ 0x1111);
        let mut single = Noise::new(0.0, 0.0, seed ^ 0x2222);
        let mut step = StepResult { name: "GET /".to_owned(), ..StepResult::default() };
        for (second, (level, rate)) in (0..seconds + 2).zip(levels.zip(rates)) {
            let mut latency = Histogram::new();
            let finished = (rate_per_s * rate.exp()).round() as u64;
            let failed = (finished as f64 * self.failing * level.exp()).round() as u64;
            for _ in failed..finished {
                let ms = self.median_ms * (level + self.spread * single.normal()).exp();
                latency.record((ms * 1e6) as u64);
            }
            let succeeded = finished - failed;
            step.seconds.push(StepSecond { second, succeeded, failed, latency: Packed::of(&latency) });
        }
        file(vec![step], seconds + 2)
    }
}

/// A run file of these steps.
pub(super) fn file(steps: Vec<StepResult>, seconds: u32) -> RunFile {
    let elapsed_ns = u64::from(seconds) * 1_000_000_000;
    let result = LoadResult { steps, point_s: 1, elapsed_ns, ..LoadResult::default() };
    let plan = PlanRecord {
        method: "GET".to_owned(),
        url: "http://127.0.0.1:1/".to_owned(),
        header_names: Vec::new(),
        body_bytes: 0,
        arrivals: ArrivalsRecord::Closed { connections: 10 },
        requests: None,
        duration_ns: Some(elapsed_ns),
        timeout_ns: 1_000_000_000,
        keep_alive: true,
        threads: 1,
        scenario: None,
        flows: Vec::new(),
    };
    RunFile::conclude(5, plan, &[crate::threshold::Threshold::IMPLICIT], result)
}
