//! What the live view shows, as data: gathered from the run's control, drawn by `draw`.

use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds of history that are shown.
pub(crate) const HISTORY_S: usize = 120;

/// One look at a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct View {
    /// What is loaded, such as `GET http://127.0.0.1:8080/`.
    pub(crate) title: String,
    /// How, such as `open, 1000/s uniform`.
    pub(crate) model: String,
    /// What the run does now.
    pub(crate) state: State,
    /// Since the run began.
    pub(crate) elapsed: Duration,
    /// How long it is to issue, where that is known.
    pub(crate) of: Option<Duration>,
    /// The counters.
    pub(crate) now: Now,
    /// The last seconds that are over, ascending.
    pub(crate) seconds: Vec<Second>,
    /// All seconds together.
    pub(crate) total: Quantiles,
    /// Complete answers by status.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Failures by kind, most frequent first.
    pub(crate) failures: Vec<(String, u64)>,
    /// Answer to the last key, or a warning.
    pub(crate) remark: String,
    /// Whether the keys are explained.
    pub(crate) help: Help,
}

/// What the run does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// It issues requests.
    #[default]
    Running,
    /// It issues none for a while.
    Paused,
    /// It lets the last ones finish.
    Stopping,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Help {
    #[default]
    Hidden,
    Shown,
}

/// Counters and gauges of this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Now {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) not_sent: u64,
    pub(crate) in_flight: u64,
    pub(crate) queued: u64,
    pub(crate) users: u64,
    /// Requests per second asked for; `None` in a closed loop.
    pub(crate) rate_asked_per_s: Option<f64>,
    /// How late the generator is, 99th percentile.
    pub(crate) lag_p99_ns: u64,
    /// CPU of the generator's threads, 0 to 1.
    pub(crate) cpu_share: f64,
}

/// One second of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Second {
    /// Which, from 0.
    pub(crate) at_s: u32,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) latency: Quantiles,
}

/// Latency from the intended start, in nanoseconds; `None` without a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in every name")]
pub(crate) struct Quantiles {
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p95_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
}

impl View {
    /// Requests that ended in the last second that is over.
    pub(super) fn rate_now(&self) -> u64 {
        self.seconds.last().map_or(0, |second| second.succeeded + second.failed)
    }

    /// Answers per second of the whole run.
    pub(super) fn rate_in_all(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.now.answered as f64 / seconds } else { 0.0 }
    }
}
