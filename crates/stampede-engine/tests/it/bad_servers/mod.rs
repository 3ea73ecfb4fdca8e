//! Servers that misbehave, each through every transport that can meet it: the failure has its name, the counts add up, and
//! nothing hangs or panics.

mod http1;
mod http2;
mod peer;
mod tls;

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::http::{Transport, Wire};
use stampede_engine::load::{Control, LoadPlan, LoadResult, RequestPlan, Stop, run};
use stampede_model::failure::FailureKind;
use stampede_model::threshold::{Judgement, Threshold};

/// The two ways of HTTP/1.
const BOTH: [Transport; 2] = [Transport::Hyper, Transport::Raw];
/// Requests of a run.
const REQUESTS: u64 = 6;
/// Time of a request that must come to its end: far more than it takes.
const PATIENT: Duration = Duration::from_secs(20);
/// Time of a request that cannot.
const HASTY: Duration = Duration::from_millis(300);

fn get(url: &str, transport: Transport) -> RequestPlan {
    RequestPlan::get(url).unwrap().over(Wire { transport: Some(transport), ..Wire::default() })
}

fn plan(request: RequestPlan, connections: u32, timeout: Duration) -> LoadPlan {
    let stop = Stop { requests: Some(REQUESTS), duration: None };
    let mut plan = LoadPlan::closed(request, NonZeroU32::new(connections).unwrap(), stop);
    plan.timeout = timeout;
    plan
}

/// Carries out a plan; whatever came of it, the counts must add up.
fn carried_out(plan: &LoadPlan) -> LoadResult {
    let result = run(plan, &Control::new()).unwrap();
    assert!(result.is_balanced(), "{:?} {:?}", result.counts, result.failures);
    assert_eq!(result.counts.asked, REQUESTS);
    result
}

/// All requests fail as `kind`, and the run fails with them.
fn all_fail_as(plan: &LoadPlan, kind: FailureKind) {
    let transport = plan.requests[0].transport();
    let result = carried_out(plan);
    assert_eq!(result.failures_of(kind), REQUESTS, "{transport}: {:?}", result.failures);
    assert_eq!(result.counts.succeeded, 0);
    assert_eq!(Threshold::IMPLICIT.judge(&result).judgement, Judgement::Fail);
    assert!(!result.failures[0].example.is_empty(), "{transport}: a failure without an example");
}

/// All requests succeed.
fn all_succeed(plan: &LoadPlan) -> LoadResult {
    let result = carried_out(plan);
    assert_eq!(result.counts.succeeded, REQUESTS, "{}: {:?}", plan.requests[0].transport(), result.failures);
    result
}
