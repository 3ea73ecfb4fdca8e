//! What the bench counted is what the server counted, to the last request, whatever happens on the way.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::http::{Transport, Wire};
use stampede_engine::load::{Control, LoadPlan, LoadResult, RequestPlan, Reuse, Stop, run};
use stampede_model::schedule::{Schedule, Spacing};

use super::server::{Habit, Server};

const WAYS: [Transport; 2] = [Transport::Hyper, Transport::Raw];

fn request(server: &Server, way: Transport) -> RequestPlan {
    RequestPlan::get(&server.url("/")).unwrap().over(Wire { transport: Some(way), ..Wire::default() })
}

fn both(server: &Server, way: Transport, stop: Stop) -> [LoadPlan; 2] {
    let schedule = Schedule::new(2_000.0, Spacing::Poisson, 3).unwrap();
    let closed = LoadPlan::closed(request(server, way), NonZeroU32::new(8).unwrap(), stop);
    [closed, LoadPlan::open(request(server, way), schedule, stop)]
}

/// Every request that reached the server whole was counted as sent, and nothing else was.
fn agrees(result: &LoadResult, server: &Server) {
    assert!(result.is_balanced(), "{:?} {:?}", result.counts, result.failures);
    assert_eq!(result.counts.sent, server.requests(), "{:?} {:?}", result.counts, result.failures);
    let by_status: u64 = result.statuses.values().sum();
    assert_eq!(by_status, result.counts.answered);
    let of_points: u64 = result.seconds.iter().map(|point| point.succeeded + point.failed).sum();
    assert_eq!(of_points, result.counts.succeeded + result.counts.failed);
}

#[test]
fn good_answers_are_counted_on_both_sides() {
    for way in WAYS {
        for index in 0..2 {
            let server = Server::start(Habit::Status(200));
            let mut plan = both(&server, way, Stop { requests: Some(3_001), duration: None })[index].clone();
            plan.threads = NonZeroU32::new(2).unwrap();
            let result = run(&plan, &Control::new()).unwrap();
            agrees(&result, &server);
            assert_eq!(result.counts.succeeded, 3_001, "{way}");
        }
    }
}

#[test]
fn bad_ends_are_counted_on_both_sides() {
    for way in WAYS {
        for habit in [Habit::Status(503), Habit::Close, Habit::Reset, Habit::Truncate, Habit::Garble, Habit::Hang] {
            let server = Server::start(habit);
            for mut plan in both(&server, way, Stop { requests: Some(40), duration: None }) {
                let before = server.requests();
                plan.timeout = Duration::from_millis(150);
                let result = run(&plan, &Control::new()).unwrap();
                assert!(result.is_balanced());
                assert_eq!(result.counts.sent, server.requests() - before, "{way} {habit:?} {:?}", result.failures);
            }
        }
    }
}

#[test]
fn a_stop_in_the_middle_loses_nothing() {
    for way in WAYS {
        for plan in 0..2 {
            let server = Server::start(Habit::Status(200));
            let plan = &both(&server, way, Stop { requests: None, duration: Some(Duration::from_mins(10)) })[plan];
            let control = Control::new();
            let result = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while control.progress().answered < 500 {
                        std::thread::yield_now();
                    }
                    control.stop();
                });
                run(plan, &control).unwrap()
            });
            agrees(&result, &server);
            assert_eq!(result.counts.succeeded, result.counts.sent, "what was under way could finish");
        }
    }
}

#[test]
fn an_abort_in_the_middle_loses_nothing() {
    for way in WAYS {
        let server = Server::start(Habit::Status(404));
        for mut plan in both(&server, way, Stop { requests: None, duration: Some(Duration::from_mins(10)) }) {
            let before = server.requests();
            plan.reuse = Reuse::KeepAlive;
            plan.limits = vec!["errors<10% abort 0s".parse().unwrap()];
            let result = run(&plan, &Control::new()).unwrap();
            assert!(result.is_balanced());
            assert_eq!(result.counts.failed, server.requests() - before);
        }
    }
}
