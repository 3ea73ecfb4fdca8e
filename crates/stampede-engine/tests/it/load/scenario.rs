//! Scenarios of several steps: who the users are, what counts where, when users come and go, and who waits for whom.

mod people;
mod threads;
mod together;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stampede_engine::load::{Control, Flow, FlowLoad, LoadError, LoadPlan, LoadResult, run};
use stampede_model::failure::FailureKind;
use stampede_model::run_result::EventKind;
use stampede_model::schedule::{Schedule, Spacing, UserCurve, UserStage};

use super::carried_out;
use super::server::{Habit, Server};
use people::{Hasty, Idler, Locked, Shop, Shopping, Two, Weary};

fn users(count: u32) -> FlowLoad {
    FlowLoad::Users { curve: UserCurve::constant(count).unwrap() }
}

fn plan(shop: Shop, load: FlowLoad, iterations: u64) -> LoadPlan {
    let mut flow = Flow::new("shop", shop, load);
    flow.iterations = Some(iterations);
    LoadPlan::of_flows(vec![flow])
}

fn counts(result: &LoadResult) -> Vec<(u64, u64)> {
    result.steps.iter().map(|step| (step.counts.asked, step.counts.succeeded)).collect()
}

#[test]
fn each_step_is_a_series_and_each_user_logs_in_once() {
    let server = Server::start(Habit::Status(200));
    let (shop, seen) = Shop::new(&server, Shopping::Plain);
    let mut plan = plan(shop, users(4), 50);
    plan.threads = NonZeroU32::new(2).unwrap();
    let result = carried_out(&plan);
    let started = seen.started.load(Ordering::SeqCst);
    assert!((1..=4).contains(&started), "{started} users");
    assert_eq!(counts(&result), [(started, started), (50, 50), (50, 50)]);
    assert_eq!(
        result.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(),
        ["POST login", "GET /products", "POST order"]
    );
    assert_eq!(server.requests(), 100 + started);
    assert_eq!(seen.stopped.load(Ordering::SeqCst), started, "all left in good order");
    let iterations: BTreeSet<u64> = seen.iterations.lock().unwrap().iter().copied().collect();
    assert_eq!(iterations.len(), 50, "every iteration has its own number");
    let seats = seen.seats.lock().unwrap().clone();
    let numbers: BTreeSet<u64> = seats.iter().map(|seat| seat.number).collect();
    let seeds: BTreeSet<u64> = seats.iter().map(|seat| seat.seed).collect();
    assert_eq!((numbers.len(), seeds.len()), (seats.len(), seats.len()), "so has every user");
    assert_eq!(*seen.bodies.lock().unwrap(), BTreeSet::from([b"hello".to_vec()]));
}

#[test]
fn what_is_not_as_expected_is_a_failure_and_ends_the_iteration_unless_the_user_goes_on() {
    let server = Server::start(Habit::Status(200));
    let (shop, _) = Shop::new(&server, Shopping::Particular);
    let result = carried_out(&plan(shop, users(1), 5));
    assert_eq!(counts(&result), [(1, 1), (5, 0)].into_iter().chain([(0, 0)]).collect::<Vec<_>>());
    assert_eq!(result.failures_of(FailureKind::ContentUnexpected), 5);
    assert_eq!(result.failures[0].example, "no products");
    assert_eq!(result.statuses.get(&200), Some(&6), "they were answers all the same");
    let (shop, _) = Shop::new(&server, Shopping::Patient);
    assert_eq!(counts(&carried_out(&plan(shop, users(1), 5))), [(1, 1), (5, 0), (5, 5)]);
}

#[test]
fn a_scenario_can_give_up_the_run_and_says_why() {
    let server = Server::start(Habit::Status(200));
    let (shop, _) = Shop::new(&server, Shopping::Quitter);
    let error = run(&plan(shop, users(3), 1_000_000), &Control::new()).unwrap_err();
    assert!(matches!(&error, LoadError::GivenUp(text) if text == "the feeder `skus` is used up"), "{error:?}");
    assert!(server.requests() < 1_000, "the others stopped too");
}

#[test]
fn a_panic_in_a_users_code_ends_the_run_by_name() {
    let server = Server::start(Habit::Status(200));
    let (shop, _) = Shop::new(&server, Shopping::Faulty);
    let error = run(&plan(shop, users(3), 1_000_000), &Control::new()).unwrap_err();
    let LoadError::GivenUp(text) = &error else { panic!("{error:?}") };
    assert!(text.starts_with("the code of a user panicked: no product left in basket "), "{text}");
    assert!(server.requests() < 1_000, "the others stopped too");
}

#[test]
fn users_come_and_go_with_their_curve() {
    let server = Server::start(Habit::Status(200));
    let (shop, seen) = Shop::new(&server, Shopping::Plain);
    let stage = |ms, to_users| UserStage { over: Duration::from_millis(ms), to_users };
    let curve = UserCurve::new(vec![stage(0, 2), stage(300, 8), stage(300, 1)], None).unwrap();
    let mut flow = Flow::new("shop", shop, FlowLoad::Users { curve });
    flow.duration = Some(Duration::from_millis(900));
    let control = Control::new();
    let most = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&LoadPlan::of_flows(vec![flow]), &control).unwrap());
        let mut most = 0;
        while !running.is_finished() {
            most = most.max(control.progress().users);
            std::thread::yield_now();
        }
        let result = running.join().unwrap();
        assert!(result.is_balanced(), "{:?}", result.counts);
        assert_eq!(result.counts.failed + result.counts.unfinished, 0);
        let stages = result.events.iter().filter(|event| event.kind == EventKind::Stage).count();
        assert_eq!(stages, 3);
        most
    });
    assert!((3..=8).contains(&most), "{most} users at once");
    let (came, left) = (seen.started.load(Ordering::SeqCst), seen.stopped.load(Ordering::SeqCst));
    assert!(came >= most && left == came, "{came} came, {left} left in good order");
}

#[test]
fn an_arrival_s_first_request_counts_from_its_intended_start_and_the_next_from_when_it_is_reached() {
    let server = Server::start(Habit::SlowBody(Duration::from_millis(30)));
    let load = FlowLoad::Arrivals {
        schedule: Schedule::new(1_000.0, Spacing::Uniform, 1).unwrap(),
        max_in_flight: NonZeroU32::MIN,
        max_queue: 100,
    };
    let mut flow = Flow::new("two", Two(server.url("/")), load);
    flow.iterations = Some(6);
    let result = carried_out(&LoadPlan::of_flows(vec![flow]));
    assert_eq!(counts(&result), [(6, 6), (6, 6)]);
    let [first, second] = &result.steps[..] else { panic!("two steps") };
    // The sixth waits for ten requests of at least 30 ms, less the 5 ms by which it is due later, and is then served.
    assert!(first.latency.intent.max().unwrap().ns >= 11 * 30_000_000 - 5_000_000);
    assert!(second.latency.intent.max().unwrap().ns < first.latency.intent.max().unwrap().ns / 2);
}

#[test]
fn an_arrival_whose_user_gave_up_before_it_is_not_lost() {
    let server = Server::start(Habit::Status(200));
    let load = FlowLoad::Arrivals {
        schedule: Schedule::new(10_000.0, Spacing::Uniform, 1).unwrap(),
        max_in_flight: NonZeroU32::MIN,
        max_queue: 100,
    };
    let mut flow = Flow::new("weary", Weary(server.url("/")), load);
    flow.iterations = Some(20);
    let result = carried_out(&LoadPlan::of_flows(vec![flow]));
    assert_eq!((result.counts.asked, result.counts.succeeded, result.counts.not_sent), (20, 19, 1));
    assert_eq!(server.connections(), 19, "each by a user of its own");
}

#[test]
fn an_arrival_whose_user_was_still_starting_at_the_end_is_not_lost() {
    let (door, shop) = (Server::start(Habit::Hang), Server::start(Habit::Status(200)));
    let load = FlowLoad::Arrivals {
        schedule: Schedule::new(1_000.0, Spacing::Uniform, 1).unwrap(),
        max_in_flight: NonZeroU32::new(3).unwrap(),
        max_queue: 100,
    };
    let mut flow = Flow::new("locked", Locked { door: door.url("/"), shop: shop.url("/") }, load);
    flow.iterations = Some(5);
    let mut plan = LoadPlan::of_flows(vec![flow]);
    plan.drain = Duration::from_millis(50);
    let result = carried_out(&plan);
    let [login, work] = [result.steps[0].counts, result.steps[1].counts];
    assert_eq!((login.sent, login.unfinished), (3, 3));
    assert_eq!((work.asked, work.not_sent), (5, 5), "three whose users were starting, two that waited for a user");
}

#[test]
fn users_with_nothing_to_do_do_not_hold_up_the_end() {
    let server = Server::start(Habit::Status(200));
    let mut flow = Flow::new("idle", Idler(server.url("/")), users(2));
    flow.duration = Some(Duration::from_millis(200));
    let result = carried_out(&LoadPlan::of_flows(vec![flow]));
    assert_eq!((result.counts.asked, server.requests()), (0, 0));
}

#[test]
fn a_request_that_its_scenario_dropped_is_unfinished_and_the_user_goes_on() {
    let (slow, quick) = (Server::start(Habit::Hang), Server::start(Habit::Status(200)));
    let mut flow = Flow::new("hasty", Hasty { slow: slow.url("/"), quick: quick.url("/") }, users(1));
    flow.iterations = Some(3);
    let result = carried_out(&LoadPlan::of_flows(vec![flow]));
    let [slow, quick] = [result.steps[0].counts, result.steps[1].counts];
    assert_eq!((slow.sent, slow.unfinished), (3, 3));
    assert_eq!((quick.sent, quick.succeeded), (3, 3));
}

#[test]
fn thinking_ends_when_the_run_stops() {
    let server = Server::start(Habit::Status(200));
    let (shop, seen) = Shop::new(&server, Shopping::Thinker);
    let result = stopped_after(&plan(shop, users(3), 1_000), |control| control.progress().answered >= 6);
    assert_eq!(counts(&result), [(3, 3), (3, 3), (0, 0)]);
    assert_eq!(seen.stopped.load(Ordering::SeqCst), 3);
}

/// Stops the run when `when` says so.
fn stopped_after(plan: &LoadPlan, when: impl Fn(&Control) -> bool + Sync) -> LoadResult {
    let control = Control::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !when(&control) {
                std::thread::yield_now();
            }
            control.stop();
        });
        run(plan, &control).unwrap()
    });
    assert!(result.is_balanced(), "{:?}", result.counts);
    result
}
