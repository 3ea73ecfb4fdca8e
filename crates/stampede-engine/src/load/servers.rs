//! The servers of a run, found and reached once before it begins.
//!
//! Invariant: an address is looked up before the run and never during it, so no name service enters a latency.

use std::time::Duration;

use crate::http::endpoint::Unreachable;
use crate::http::origin::Origin;
use crate::http::{Endpoint, RequestPlan};

/// How long the one connection before a run may take.
const REACH: Duration = Duration::from_secs(5);

/// A server and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    endpoint: Endpoint,
    pub(super) origin: Origin,
}

impl Server {
    /// Whether requests to `endpoint` go there.
    pub(super) fn serves(&self, endpoint: &Endpoint) -> bool {
        same_server(&self.endpoint, endpoint)
    }
}

/// Reaches each server that `samples` go to, once.
pub(super) fn reach(
    samples: impl IntoIterator<Item = RequestPlan>,
    wait: Duration,
) -> Result<Vec<Server>, Unreachable> {
    let mut servers: Vec<Server> = Vec::new();
    for sample in samples {
        if servers.iter().any(|known| known.serves(sample.endpoint())) {
            continue;
        }
        let address = sample.endpoint().reach(wait.min(REACH))?;
        servers.push(Server { endpoint: sample.endpoint().clone(), origin: Origin::of(&sample, address) });
    }
    Ok(servers)
}

/// Whether two URLs lead to the same server.
pub(super) fn same_server(one: &Endpoint, other: &Endpoint) -> bool {
    one.port() == other.port() && one.host() == other.host()
}
