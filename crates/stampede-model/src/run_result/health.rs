//! What the generator says of itself and of what it moved.

use serde::{Deserialize, Serialize};

use super::share;
use crate::histogram::Histogram;

/// What travelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes read from the sockets, status lines and headers included.
    pub received_bytes: u64,
    /// Bytes written to the sockets.
    pub sent_bytes: u64,
    /// Bytes of answer bodies.
    pub body_bytes: u64,
    /// Connections established.
    pub connections: u64,
}

/// How the generator itself did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GeneratorHealth {
    /// Generator threads.
    pub threads: u32,
    /// How late the generator was, in nanoseconds; of what, [`GeneratorHealth::lag_of`] says.
    pub lag: Histogram,
    /// What the lag was measured on.
    pub lag_of: LagOf,
    /// CPU time of the generator threads in nanoseconds.
    pub cpu_ns: u64,
    /// Time the generator threads existed, added up, in nanoseconds.
    pub wall_ns: u64,
    /// Arrivals not yet looked at when their schedule was over.
    pub behind: u64,
    /// Requests in flight or queued, averaged over regular looks while the run issued.
    pub in_flight_mean: f64,
    /// How many looks that was.
    pub in_flight_looks: u64,
    /// Limit of open files in force.
    pub open_files_limit: u64,
    /// TCP segments this machine sent again during the run, whoever sent them; `None` where the system does not say.
    #[serde(default)]
    pub retransmits: Option<u64>,
    /// Tasks of this machine running or waiting for a CPU, averaged over looks once a second.
    #[serde(default)]
    pub runnable_mean: Option<f64>,
    /// Cores this process may use.
    #[serde(default)]
    pub cores: u32,
}

/// What the generator's lag is measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LagOf {
    /// Open model: how long after its intended time a request left although a connection was free. It is part of the
    /// latency from the intent.
    #[default]
    Departures,
    /// Closed model, which knows no intended times: how late a regular tick of the thread came. Up to a millisecond of it is
    /// the tick's own resolution; the rest is time in which answers could lie unread.
    Ticks,
}

impl Traffic {
    /// Adds another generator's traffic.
    pub fn merge(&mut self, other: &Self) {
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.body_bytes += other.body_bytes;
        self.connections += other.connections;
    }
}

impl GeneratorHealth {
    /// CPU time per thread and second, 0 to 1.
    pub fn cpu_share(&self) -> f64 {
        share(self.cpu_ns, self.wall_ns)
    }
}
