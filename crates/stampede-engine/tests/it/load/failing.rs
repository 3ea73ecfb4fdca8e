//! Servers that fail: every failure has its kind, none is a success, none improves a latency.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::http::once::once;
use stampede_engine::load::{Arrivals, Control, Expect, LoadError, RequestPlan, run};
use stampede_model::failure::FailureKind;
use stampede_model::histogram::Bound;
use stampede_model::threshold::{Judgement, Threshold};

use super::server::{Habit, Server};
use super::{carried_out, closed, count, lasting, open};

/// Twelve requests against `habit`: all fail as `kind`.
fn all_fail_as(habit: Habit, kind: FailureKind) {
    let server = Server::start(habit);
    let result = carried_out(&closed(&server, 3, count(12)));
    assert_eq!(result.failures_of(kind), 12, "{habit:?}: {:?}", result.failures);
    assert_eq!(result.counts.succeeded, 0);
    assert_eq!(result.latency.intent.count(), 0, "a quick failure is no latency");
    assert_eq!(result.latency.failed.count(), 12);
    assert_eq!(Threshold::IMPLICIT.judge(&result).judgement, Judgement::Fail);
    assert!(!result.failures[0].example.is_empty());
}

#[test]
fn a_reset_is_a_reset() {
    all_fail_as(Habit::Reset, FailureKind::Reset);
}

#[test]
fn a_truncated_answer_is_no_answer() {
    all_fail_as(Habit::Truncate, FailureKind::ClosedEarly);
}

#[test]
fn what_is_not_http_is_a_protocol_failure() {
    all_fail_as(Habit::Garble, FailureKind::Protocol);
}

#[test]
fn a_server_that_left_refuses() {
    all_fail_as(Habit::Leave, FailureKind::ConnectRefused);
}

#[test]
fn an_error_status_is_an_answer_but_no_success() {
    for (status, kind) in [(500, FailureKind::Status5xx), (429, FailureKind::Status4xx)] {
        let server = Server::start(Habit::Status(status));
        let result = carried_out(&closed(&server, 3, count(12)));
        assert_eq!((result.counts.answered, result.counts.succeeded), (12, 0));
        assert_eq!(result.failures_of(kind), 12);
        assert_eq!(result.statuses.get(&status), Some(&12));
        assert_eq!(result.latency.intent.count(), 0);
        assert_eq!(server.connections(), 3, "an answered connection is used again");
    }
}

#[test]
fn expected_statuses_decide_what_a_success_is() {
    let server = Server::start(Habit::Status(409));
    let mut plan = closed(&server, 1, count(5));
    plan.expect = Expect::Only(vec![201, 409]);
    assert_eq!(carried_out(&plan).counts.succeeded, 5);
    plan.expect = Expect::Only(vec![200]);
    assert_eq!(carried_out(&plan).failures_of(FailureKind::Status4xx), 5);
}

#[test]
fn a_time_out_counts_as_an_error_and_as_a_latency_of_at_least_that_long() {
    let server = Server::start(Habit::Hang);
    let mut plan = closed(&server, 3, count(6));
    plan.timeout = Duration::from_millis(120);
    let result = carried_out(&plan);
    assert_eq!(result.failures_of(FailureKind::Timeout), 6);
    assert_eq!(result.latency.intent.censored(), 6);
    assert_eq!(result.latency.service.censored(), 6);
    let p50 = result.latency.intent.quantile(0.5).unwrap();
    assert!(p50.bound == Bound::AtLeast && p50.ns >= 119_000_000, "{p50:?}");
    assert_eq!(server.connections(), 6, "a connection with an unread answer is not used again");
}

#[test]
fn requests_under_way_at_the_end_are_neither_lost_nor_good() {
    let server = Server::start(Habit::Hang);
    let mut plan = closed(&server, 4, lasting(150));
    plan.drain = Duration::from_millis(50);
    let result = carried_out(&plan);
    assert_eq!((result.counts.asked, result.counts.unfinished), (4, 4));
    assert_eq!(Threshold::IMPLICIT.judge(&result).judgement, Judgement::Fail);
    let p50 = result.latency.intent.quantile(0.5).unwrap();
    assert!(p50.bound == Bound::AtLeast && p50.ns >= 190_000_000, "{p50:?}");
}

#[test]
fn what_fits_neither_connections_nor_queue_is_counted_as_not_sent() {
    let server = Server::start(Habit::Hang);
    let mut plan = open(&server, 1_000.0, lasting(200));
    let Arrivals::Open { schedule, .. } = plan.arrivals else { panic!("an open plan") };
    plan.arrivals = Arrivals::Open { schedule, max_in_flight: NonZeroU32::new(5).unwrap(), max_queue: 10 };
    plan.drain = Duration::from_millis(50);
    let result = carried_out(&plan);
    assert_eq!((result.counts.asked, result.counts.sent, result.counts.not_sent), (200, 5, 195));
    assert_eq!(result.counts.unfinished, 5);
    assert_eq!(result.latency.intent.censored(), 200, "none of them was answered, and all of them count");
    assert_eq!(result.latency.service.count(), 5);
}

#[test]
fn a_queued_arrival_counts_its_waiting() {
    let server = Server::start(Habit::SlowBody(Duration::from_millis(30)));
    let mut plan = open(&server, 1_000.0, count(10));
    let Arrivals::Open { schedule, max_queue, .. } = plan.arrivals else { panic!("an open plan") };
    plan.arrivals = Arrivals::Open { schedule, max_in_flight: NonZeroU32::MIN, max_queue };
    let result = carried_out(&plan);
    assert_eq!(result.counts.succeeded, 10);
    // The tenth waits for nine others of at least 30 ms each, less the 9 ms by which it is due later.
    assert!(result.latency.intent.max().unwrap().ns >= 10 * 30_000_000 - 9_000_000);
    assert!(result.health.lag.count() < 10, "waiting for a connection is not the generator's lag");
}

#[test]
fn nobody_listening_is_an_error_of_the_set_up() {
    let server = Server::start(Habit::Status(200));
    let plan = closed(&server, 1, count(1));
    drop(server);
    let error = run(&plan, &Control::new()).unwrap_err();
    assert!(matches!(error, LoadError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("is the server running?"), "{error}");
}

#[tokio::test]
async fn one_request_to_a_silent_server_gives_up() {
    let server = Server::start(Habit::Hang);
    let error = once(&RequestPlan::get(&server.url("/")).unwrap(), Duration::from_millis(80)).await.unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
}
