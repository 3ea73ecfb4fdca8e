//! Flows whose users are not on every thread.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::load::{Flow, FlowLoad, LoadPlan};
use stampede_model::schedule::{Schedule, Spacing, UserCurve, UserStage};

use super::people::Two;
use super::{counts, users};
use crate::load::carried_out;
use crate::load::server::{Habit, Server};

fn flow(name: &str, server: &Server, load: FlowLoad, iterations: u64) -> Flow {
    let mut flow = Flow::new(name, Two(server.url("/")), load);
    flow.iterations = Some(iterations);
    flow
}

fn on_two_threads(flows: Vec<Flow>) -> LoadPlan {
    let mut plan = LoadPlan::of_flows(flows);
    plan.threads = NonZeroU32::new(2).unwrap();
    plan
}

#[test]
fn a_flow_of_fewer_users_than_threads_does_all_it_is_to_do() {
    let server = Server::start(Habit::Status(200));
    let arrivals = FlowLoad::Arrivals {
        schedule: Schedule::new(1_000.0, Spacing::Uniform, 1).unwrap(),
        max_in_flight: NonZeroU32::MIN,
        max_queue: 100,
    };
    let flows = vec![
        flow("one user", &server, users(1), 10),
        flow("one in flight", &server, arrivals, 12),
        flow("many", &server, users(4), 8),
    ];
    let result = carried_out(&on_two_threads(flows));
    assert_eq!(counts(&result), [(30, 30), (30, 30)]);
    assert_eq!(result.health.threads, 2);
}

#[test]
fn iterations_for_which_a_thread_has_no_user_any_more_are_done_by_another() {
    let server = Server::start(Habit::SlowBody(Duration::from_millis(5)));
    let stage = |ms, to_users| UserStage { over: Duration::from_millis(ms), to_users };
    let curve = UserCurve::new(vec![stage(0, 2), stage(100, 2), stage(0, 1)], None).unwrap();
    // Some ten iterations of at least 10 ms each are done by the second user before it leaves.
    let flows = vec![flow("fewer and fewer", &server, FlowLoad::Users { curve }, 60)];
    let result = carried_out(&on_two_threads(flows));
    assert_eq!(counts(&result), [(60, 60), (60, 60)]);
}
