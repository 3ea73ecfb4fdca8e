//! Load against servers with one habit each. Times are asserted as lower bounds only: a busy machine is slow, never early.

mod failing;
mod scenario;
mod server;
mod sound;
mod stall;
mod steering;
mod sums;

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::load::{Control, LoadPlan, LoadResult, RequestPlan, Stop, run};
use stampede_model::schedule::{Schedule, Spacing};

use server::Server;

fn count(requests: u64) -> Stop {
    Stop { requests: Some(requests), duration: None }
}

fn lasting(ms: u64) -> Stop {
    Stop { requests: None, duration: Some(Duration::from_millis(ms)) }
}

fn closed(server: &Server, connections: u32, stop: Stop) -> LoadPlan {
    LoadPlan::closed(RequestPlan::get(&server.url("/")).unwrap(), NonZeroU32::new(connections).unwrap(), stop)
}

fn open(server: &Server, rate_per_s: f64, stop: Stop) -> LoadPlan {
    let schedule = Schedule::new(rate_per_s, Spacing::Uniform, 1).unwrap();
    LoadPlan::open(RequestPlan::get(&server.url("/")).unwrap(), schedule, stop)
}

/// Carries out a plan; whatever came of it, the counts must add up.
fn carried_out(plan: &LoadPlan) -> LoadResult {
    let result = run(plan, &Control::new()).unwrap();
    assert!(result.is_balanced(), "{:?} {:?}", result.counts, result.failures);
    result
}
