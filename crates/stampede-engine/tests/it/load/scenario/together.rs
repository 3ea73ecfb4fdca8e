//! Users who wait for each other.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::load::{Flow, LoadPlan};

use super::people::{Shop, Shopping, Waverer};
use super::{counts, plan, stopped_after, users};
use crate::load::carried_out;
use crate::load::server::{Habit, Server};

#[test]
fn users_of_several_threads_leave_a_barrier_together() {
    let server = Server::start(Habit::Status(200));
    let (shop, _) = Shop::new(&server, Shopping::Together(6));
    let mut plan = plan(shop, users(6), 18);
    plan.threads = NonZeroU32::new(2).unwrap();
    plan.timeout = Duration::from_secs(20);
    let result = carried_out(&plan);
    assert_eq!(result.meetings.len(), 3, "{:?}", result.meetings);
    for meeting in &result.meetings {
        assert_eq!((meeting.name.as_str(), meeting.users), ("all order", 6));
        assert!(meeting.skew_ns > 0 && meeting.skew_ns < 10_000_000_000, "{meeting:?}");
    }
    assert_eq!(counts(&result)[2], (18, 18));
}

#[test]
fn a_barrier_that_never_fills_holds_nobody_beyond_the_time_out_or_a_stop() {
    let server = Server::start(Habit::Status(200));
    let (shop, _) = Shop::new(&server, Shopping::Together(6));
    let mut few = plan(shop, users(2), 2);
    few.timeout = Duration::from_millis(100);
    let result = carried_out(&few);
    assert_eq!((result.meetings.len(), counts(&result)[2]), (0, (2, 2)));
    let (shop, _) = Shop::new(&server, Shopping::Together(6));
    let result = stopped_after(&plan(shop, users(2), 2), |control| control.progress().answered >= 4);
    assert_eq!(counts(&result)[2], (0, 0), "whoever waited sends nothing more");
}

#[test]
fn a_user_who_stopped_waiting_does_not_meet_itself() {
    let server = Server::start(Habit::Status(200));
    let mut flow = Flow::new("waverer", Waverer(server.url("/")), users(1));
    flow.iterations = Some(1);
    let mut plan = LoadPlan::of_flows(vec![flow]);
    plan.timeout = Duration::from_secs(1);
    let result = carried_out(&plan);
    assert_eq!((result.meetings.len(), result.counts.succeeded), (0, 1));
}
