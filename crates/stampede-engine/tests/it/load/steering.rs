//! Changing a run while it goes on, and limits that end it.

use std::num::NonZeroU32;
use std::time::Duration;

use stampede_engine::load::control::Refused;
use stampede_engine::load::scenario::{Client, Halt, Outgoing, Scenario, Seat, StepId, StepSpec, Want};
use stampede_engine::load::{Arrivals, Control, Flow, FlowLoad, LoadPlan, LoadResult, Rate, RunPhase, run};
use stampede_model::run_result::{Ending, EventKind};
use stampede_model::schedule::{Schedule, Spacing, UserCurve, UserStage};

use super::server::{Habit, Server};
use super::{carried_out, closed, count, lasting, open};

/// Carries out `plan` while `steer` has the wheel.
fn steered(plan: &LoadPlan, steer: impl FnOnce(&Control) + Send) -> LoadResult {
    let control = Control::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for(|| control.progress().sent > 0);
            steer(&control);
        });
        run(plan, &control).unwrap()
    });
    assert!(result.is_balanced(), "{:?}", result.counts);
    result
}

fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// One request an iteration, as a step of its own name.
struct Once {
    name: String,
    url: String,
}

impl Scenario for Once {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", &self.name)]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.url).unwrap()]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        client.send(StepId(0), &Outgoing::get(&self.url).unwrap(), Want::STATUS, |_| Ok(())).await
    }
}

fn kinds(result: &LoadResult) -> Vec<EventKind> {
    result.events.iter().map(|event| event.kind).collect()
}

#[test]
fn a_pause_issues_nothing_and_makes_nothing_late() {
    let server = Server::start(Habit::Status(200));
    let plan = open(&server, 500.0, count(400));
    let result = steered(&plan, |control| {
        control.pause().unwrap();
        wait_for(|| control.progress().phase == RunPhase::Paused);
        wait_for(|| control.progress().in_flight == 0);
        let (before, from_ns) = (server.requests(), control.progress().elapsed_ns);
        wait_for(|| control.progress().elapsed_ns > from_ns + 600_000_000);
        assert_eq!(server.requests(), before, "nothing is sent in a pause");
        control.resume().unwrap();
    });
    assert_eq!((result.counts.asked, result.counts.succeeded), (400, 400), "nothing is lost, nothing doubled");
    assert_eq!(kinds(&result), [EventKind::Pause, EventKind::Resume]);
    assert!(result.elapsed_ns > 1_400_000_000, "the schedule of 0.8 s stood still for 0.6 s");
    // Were the pause part of the latency, most of the arrivals behind it would show its 0.6 s.
    let p50 = result.latency.intent.quantile(0.5).unwrap().ns;
    assert!(p50 < 300_000_000, "p50 from the intent is {p50}");
}

#[test]
fn a_closed_run_pauses_too() {
    let server = Server::start(Habit::Status(200));
    let result = steered(&closed(&server, 3, lasting(900)), |control| {
        control.pause().unwrap();
        wait_for(|| control.progress().phase == RunPhase::Paused && control.progress().in_flight == 0);
        let (before, from_ns) = (server.requests(), control.progress().elapsed_ns);
        wait_for(|| control.progress().elapsed_ns > from_ns + 300_000_000);
        assert_eq!(server.requests(), before);
        control.resume().unwrap();
    });
    assert_eq!(result.counts.succeeded, server.requests());
    assert!(result.elapsed_ns > 1_000_000_000, "a pause is no part of the duration");
}

#[test]
fn a_pause_does_not_cost_the_arrival_just_before_the_end() {
    let server = Server::start(Habit::Status(200));
    // Due at 0 and at 995 ms.
    let result = steered(&open(&server, 1.0 / 0.995, lasting(1_000)), |control| {
        control.pause().unwrap();
        wait_for(|| control.progress().phase == RunPhase::Paused);
        let from_ns = control.progress().elapsed_ns;
        wait_for(|| control.progress().elapsed_ns > from_ns + 200_000_000);
        control.resume().unwrap();
    });
    assert_eq!((result.counts.asked, result.counts.succeeded), (2, 2));
}

#[test]
fn a_flow_that_has_yet_to_begin_stands_still_in_a_pause() {
    let server = Server::start(Habit::Status(200));
    let flow = |name: &str, load, ms| {
        let mut flow = Flow::new(name, Once { name: name.to_owned(), url: server.url("/") }, load);
        (flow.start_after, flow.duration) = (Duration::from_secs(2), Some(Duration::from_millis(ms)));
        flow
    };
    let arrivals = FlowLoad::Arrivals {
        schedule: Schedule::new(100.0, Spacing::Uniform, 1).unwrap(),
        max_in_flight: NonZeroU32::new(10).unwrap(),
        max_queue: 100,
    };
    let users = FlowLoad::Users { curve: UserCurve::constant(1).unwrap() };
    let plan = LoadPlan::of_flows(vec![flow("open", arrivals, 300), flow("closed", users, 50)]);
    let control = Control::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for(|| control.progress().phase == RunPhase::Issuing);
            control.pause().unwrap();
            // Beyond the instant at which they would have begun.
            wait_for(|| control.progress().elapsed_ns > 2_400_000_000);
            control.resume().unwrap();
            wait_for(|| control.progress().elapsed_ns > 2_700_000_000);
            assert_eq!(server.requests(), 0, "most of two seconds is still to come");
        });
        run(&plan, &control).unwrap()
    });
    assert!(result.is_balanced(), "{:?}", result.counts);
    assert_eq!(result.steps[0].counts.asked, 30, "0.3 s at 100/s");
    assert!(result.steps[1].counts.succeeded > 0);
    assert!(result.elapsed_ns > 4_000_000_000, "{}", result.elapsed_ns);
}

#[test]
fn a_new_rate_holds_from_its_instant_on() {
    let server = Server::start(Habit::Status(200));
    let plan = open(&server, 50.0, lasting(2_000));
    let result = steered(&plan, |control| {
        wait_for(|| control.progress().elapsed_ns > 500_000_000);
        control.set_rate(Rate::PerS(400.0)).unwrap();
        assert!(
            (control.progress().rate_asked_per_s - 50.0).abs() < 1e-9 || control.progress().elapsed_ns > 525_000_000
        );
    });
    let [change] = &result.events[..] else { panic!("{:?}", result.events) };
    assert_eq!((change.kind, change.text.as_str()), (EventKind::Rate, "rate 50/s to 400/s"));
    let at_s = change.at_ns as f64 / 1e9;
    let expected = 50.0 * at_s + 400.0 * (2.0 - at_s);
    assert!((result.counts.asked as f64 - expected).abs() <= 2.0, "{} asked, {expected} expected", result.counts.asked);
    assert_eq!(result.counts.succeeded, result.counts.asked);
}

#[test]
fn a_factor_is_of_the_present_rate() {
    let server = Server::start(Habit::Status(200));
    let result = steered(&open(&server, 100.0, lasting(1_000)), |control| {
        control.set_rate(Rate::Factor(2.0)).unwrap();
        control.set_rate(Rate::Factor(0.5)).unwrap();
    });
    let texts: Vec<&str> = result.events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["rate 100/s to 200/s", "rate 200/s to 100/s"]);
}

#[test]
fn users_can_be_more_and_fewer() {
    let server = Server::start(Habit::Status(200));
    let control = Control::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for users in [6, 2] {
                wait_for(|| control.progress().sent > 0);
                control.set_users(users).unwrap();
                wait_for(|| control.progress().users == u64::from(users));
            }
            control.stop();
        });
        let result = run(&closed(&server, 3, lasting(600_000)), &control).unwrap();
        assert_eq!(kinds(&result), [EventKind::Users, EventKind::Users, EventKind::Stop]);
        assert_eq!(result.ending, Ending::Interrupted);
        assert_eq!(result.counts.succeeded, server.requests());
    });
}

#[test]
fn nobody_at_all_may_be_wished_for_before_anybody_has_come() {
    let server = Server::start(Habit::Status(200));
    let curve = UserCurve::new(vec![UserStage { over: Duration::from_mins(10), to_users: 10 }], None).unwrap();
    let mut plan = closed(&server, 1, lasting(600_000));
    plan.arrivals = Arrivals::Users { curve };
    let result = steered(&plan, |control| {
        control.set_users(0).unwrap();
        wait_for(|| control.progress().users == 0);
        control.set_users(2).unwrap();
        wait_for(|| control.progress().users == 2);
        control.stop();
    });
    assert_eq!(kinds(&result).iter().filter(|kind| **kind == EventKind::Users).count(), 2, "{:?}", result.events);
}

#[test]
fn what_cannot_be_is_refused() {
    let idle = Control::new();
    assert_eq!(idle.pause(), Err(Refused::NoRun));
    let server = Server::start(Habit::Status(200));
    steered(&closed(&server, 1, lasting(300)), |control| {
        assert_eq!(control.set_rate(Rate::Factor(2.0)), Err(Refused::NoRate));
        assert!(matches!(control.set_users(1_000_000), Err(Refused::Value(_))));
    });
    steered(&open(&server, 100.0, lasting(300)), |control| {
        assert_eq!(control.set_users(5), Err(Refused::NoUsers));
        assert!(matches!(control.set_rate(Rate::PerS(f64::NAN)), Err(Refused::Value(_))));
    });
}

#[test]
fn a_limit_may_end_the_run_and_one_without_abort_may_not() {
    let server = Server::start(Habit::Status(500));
    let mut plan = closed(&server, 2, lasting(60_000));
    plan.limits = vec!["errors<50% abort 1s".parse().unwrap()];
    let result = carried_out(&plan);
    assert_eq!(result.ending, Ending::Aborted);
    assert!(result.elapsed_ns > 900_000_000 && result.elapsed_ns < 30_000_000_000, "{}", result.elapsed_ns);
    let [abort] = &result.events[..] else { panic!("{:?}", result.events) };
    assert_eq!(abort.kind, EventKind::Abort);
    assert!(abort.text.contains("errors < 50%") && abort.text.contains("100"), "{}", abort.text);
    assert_eq!(result.counts.failed, server.requests());

    let mut plan = closed(&server, 2, count(20));
    plan.limits = vec!["errors<50%".parse().unwrap(), "errors<50% abort 1h".parse().unwrap()];
    assert_eq!(carried_out(&plan).ending, Ending::Complete);
}

#[test]
fn the_last_seconds_can_be_seen_while_it_runs() {
    let server = Server::start(Habit::Status(200));
    let mut plan = closed(&server, 2, lasting(60_000));
    plan.threads = NonZeroU32::new(2).unwrap();
    let result = steered(&plan, |control| {
        wait_for(|| control.recent().len() >= 2);
        let recent = control.recent();
        assert!(recent.windows(2).all(|pair| pair[0].second < pair[1].second));
        let seen: u64 = recent.iter().map(|second| second.succeeded).sum();
        assert!(seen > 0 && control.total().count() >= seen);
        assert_eq!(recent[0].statuses.get(&200), Some(&recent[0].succeeded));
        // The counters are a few milliseconds older than the seconds.
        wait_for(|| control.progress().answered >= seen);
        let progress = control.progress();
        assert!(progress.users == 2 && progress.cpu_share > 0.0, "{progress:?}");
        control.stop();
    });
    assert_eq!(result.counts.succeeded, server.requests());
    assert!(result.elapsed_ns < Duration::from_secs(50).as_nanos() as u64);
}
