//! A server that answers: nothing is lost, nothing is counted twice.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use stampede_engine::http::once::once;
use stampede_engine::load::{Arrivals, Control, Keep, LoadPlan, RequestPlan, Reuse, run, run_keeping};
use stampede_model::histogram::Bound;
use stampede_model::run_result::Ending;
use stampede_model::schedule::{Schedule, Spacing};

use super::server::{Habit, Server};
use super::{carried_out, closed, count, lasting, open};

#[test]
fn a_closed_run_sends_exactly_what_was_asked() {
    let server = Server::start(Habit::Status(200));
    let mut plan = closed(&server, 7, count(501));
    plan.threads = NonZeroU32::new(2).unwrap();
    let result = carried_out(&plan);
    assert_eq!(server.requests(), 501);
    assert_eq!(server.connections(), 7);
    assert_eq!((result.counts.asked, result.counts.succeeded), (501, 501));
    assert_eq!(result.statuses.get(&200), Some(&501));
    assert_eq!(result.latency.intent.count(), 501);
    assert_eq!(result.latency.intent.censored(), 0);
    assert_eq!(result.traffic.body_bytes, 501 * 5);
    assert_eq!(result.traffic.connections, 7);
    assert_eq!(result.seconds.iter().map(|second| second.succeeded).sum::<u64>(), 501);
    assert_eq!(result.health.threads, 2);
}

#[test]
fn an_open_run_offers_every_arrival_at_its_time() {
    let server = Server::start(Habit::Status(200));
    for threads in [1, 3] {
        let mut plan = open(&server, 200.0, lasting(1_000));
        plan.threads = NonZeroU32::new(threads).unwrap();
        let result = carried_out(&plan);
        assert_eq!((result.counts.asked, result.counts.succeeded), (200, 200), "{threads} threads");
        assert!(result.elapsed_ns >= 995_000_000, "the last arrival is due at 995 ms, ended at {}", result.elapsed_ns);
        let (intent, service) = (&result.latency.intent, &result.latency.service);
        assert!(intent.sum_ns() >= service.sum_ns(), "waiting only adds to service");
        assert_eq!(result.health.lag.count(), 200, "no arrival had to wait for a connection");
    }
    assert_eq!(server.requests(), 400);
}

#[test]
fn poisson_arrivals_are_those_of_the_schedule() {
    let server = Server::start(Habit::Status(200));
    let schedule = Schedule::new(300.0, Spacing::Poisson, 42).unwrap();
    let plan = LoadPlan::open(RequestPlan::get(&server.url("/")).unwrap(), schedule.clone(), lasting(500));
    let result = carried_out(&plan);
    assert_eq!(result.counts.asked, schedule.count_before(500_000_000));
    assert_eq!(server.requests(), result.counts.asked);
}

#[test]
fn a_number_of_requests_ends_an_open_run_too() {
    let server = Server::start(Habit::Status(200));
    let result = carried_out(&open(&server, 1_000.0, count(37)));
    assert_eq!((result.counts.asked, server.requests()), (37, 37));
}

#[test]
fn without_keep_alive_every_request_has_its_connection() {
    let server = Server::start(Habit::Status(200));
    let mut plan = closed(&server, 3, count(20));
    plan.reuse = Reuse::PerRequest;
    let result = carried_out(&plan);
    assert_eq!(result.counts.succeeded, 20);
    assert_eq!(server.connections(), 20);
    assert_eq!(result.latency.connect.count(), 20);
    assert!(result.latency.intent.sum_ns() > result.latency.service.sum_ns(), "connecting counts from the intent only");
}

#[test]
fn an_announced_close_is_no_failure() {
    let server = Server::start(Habit::Close);
    let result = carried_out(&closed(&server, 2, count(20)));
    assert_eq!(result.counts.succeeded, 20, "{:?}", result.failures);
    assert_eq!(server.connections(), 20);
}

#[test]
fn a_body_is_read_to_its_end() {
    let server = Server::start(Habit::SlowBody(Duration::from_millis(40)));
    let result = carried_out(&closed(&server, 2, count(4)));
    assert_eq!(result.traffic.body_bytes, 4 * 7);
    assert!(result.latency.service.min().unwrap().ns >= 40_000_000);
    assert!(result.latency.first_byte.min().unwrap().ns < result.latency.service.min().unwrap().ns);
}

#[test]
fn bodies_arrive_and_requests_take_turns() {
    let server = Server::start(Habit::Status(201));
    let mut plan = closed(&server, 1, count(10));
    let odd = RequestPlan::new("POST", &server.url("/odd")).unwrap();
    plan.requests.push(odd.body(Bytes::from_static(b"12345678"), HeaderValue::from_static("text/plain")));
    let result = carried_out(&plan);
    assert_eq!(result.counts.succeeded, 10);
    assert_eq!(server.seen.odd_paths.load(Ordering::SeqCst), 5);
    assert_eq!(server.seen.body_bytes.load(Ordering::SeqCst), 5 * 8);
}

#[test]
fn stopping_lets_what_is_under_way_finish() {
    let server = Server::start(Habit::Status(200));
    let plan = closed(&server, 4, lasting(600_000));
    let control = Control::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while control.progress().answered < 10 {
                std::thread::yield_now();
            }
            control.stop();
        });
        run(&plan, &control).unwrap()
    });
    assert_eq!(result.ending, Ending::Interrupted);
    assert!(result.is_balanced());
    assert_eq!((result.counts.unfinished, result.counts.failed), (0, 0));
    assert_eq!(result.counts.succeeded, server.requests());
}

#[test]
fn single_answers_are_kept_when_asked_for() {
    let server = Server::start(Habit::Status(200));
    let sampled = run_keeping(&closed(&server, 2, count(30)), &Control::new(), Keep::AtMost(20)).unwrap();
    assert_eq!(sampled.samples.len(), 20);
    assert_eq!(sampled.result.counts.succeeded, 30);
    let first = sampled.first_answer.unwrap();
    assert_eq!((first.server.as_deref(), first.body_bytes), (Some("toy"), 5));
    for sample in sampled.samples {
        assert!(sample.connect_ns <= sample.first_byte_ns && sample.first_byte_ns <= sample.total_ns);
    }
}

#[tokio::test]
async fn one_request_brings_its_content() {
    let server = Server::start(Habit::Status(404));
    let answer = once(&RequestPlan::get(&server.url("/")).unwrap(), Duration::from_secs(20)).await.unwrap();
    assert_eq!((answer.status, &answer.body[..], answer.body_bytes), (404, &b"hello"[..], 5));
    assert_eq!(answer.headers["server"], "toy");
}

#[test]
fn more_connections_than_requests_do_no_harm() {
    let server = Server::start(Habit::Status(200));
    let mut plan = closed(&server, 16, count(3));
    plan.threads = NonZeroU32::new(4).unwrap();
    assert_eq!(carried_out(&plan).counts.succeeded, 3);
    plan.arrivals = Arrivals::Closed { connections: NonZeroU32::MIN };
    let result = carried_out(&plan);
    assert_eq!(result.health.threads, 1, "a thread without a connection would have nothing to do");
    assert_eq!(result.latency.intent.max().unwrap().bound, Bound::Exact);
}
