//! Scenarios of several steps: who the users are, what counts where, when users come and go, and who waits for whom.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stampede_engine::load::scenario::{
    Attempt, BarrierId, BarrierSpec, Client, Halt, Mismatch, Outgoing, Received, Scenario, Seat, StepId, StepSpec, Want,
};
use stampede_engine::load::{Control, Flow, FlowLoad, LoadError, LoadPlan, LoadResult, run};
use stampede_model::failure::FailureKind;
use stampede_model::run_result::EventKind;
use stampede_model::schedule::{Schedule, Spacing, UserCurve, UserStage};

use super::carried_out;
use super::server::{Habit, Server};

const LOGIN: StepId = StepId(0);
const LIST: StepId = StepId(1);
const ORDER: StepId = StepId(2);

/// A user who logs in, lists, orders, and leaves; with notes of who did what.
struct Shop {
    base: String,
    seen: Arc<Seen>,
    habit: Shopping,
}

#[derive(Default)]
struct Seen {
    seats: Mutex<Vec<Seat>>,
    iterations: Mutex<Vec<u64>>,
    started: AtomicU64,
    stopped: AtomicU64,
    bodies: Mutex<BTreeSet<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shopping {
    Plain,
    /// The list is never as expected, which ends the iteration.
    Particular,
    /// The same, but it goes on.
    Patient,
    /// Gives up the run in its third iteration.
    Quitter,
    /// Meets as many others before each order.
    Together(u32),
    /// Thinks for an hour after the list.
    Thinker,
}

impl Shop {
    fn new(server: &Server, habit: Shopping) -> (Self, Arc<Seen>) {
        let seen = Arc::new(Seen::default());
        (Self { base: server.url(""), seen: Arc::clone(&seen), habit }, seen)
    }

    fn request(&self, path: &str) -> Outgoing {
        Outgoing::get(&format!("{}{path}", self.base)).unwrap()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a check may refuse")]
fn any(_: &Received<'_>) -> Result<(), Mismatch> {
    Ok(())
}

impl Scenario for Shop {
    type User = (Seat, Outgoing);

    fn steps(&self) -> Vec<StepSpec> {
        ["POST login", "GET /products", "POST order"].map(|name| StepSpec::new("GET", name)).into()
    }

    fn origins(&self) -> Vec<Outgoing> {
        vec![self.request("/")]
    }

    fn barriers(&self) -> Vec<BarrierSpec> {
        match self.habit {
            Shopping::Together(users) => vec![BarrierSpec { name: "all order".to_owned(), users }],
            _ => Vec::new(),
        }
    }

    fn first_step(&self, _iteration: u64) -> StepId {
        LIST
    }

    fn new_user(&self, seat: Seat) -> Self::User {
        self.seen.seats.lock().unwrap().push(seat);
        (seat, self.request("/order"))
    }

    async fn start(&self, _user: &mut Self::User, client: &mut Client<'_>) -> Result<(), Halt> {
        self.seen.started.fetch_add(1, Ordering::SeqCst);
        client.send(LOGIN, &self.request("/login"), Want::STATUS, any).await
    }

    async fn iterate(&self, user: &mut Self::User, client: &mut Client<'_>, iteration: u64) -> Result<(), Halt> {
        self.seen.iterations.lock().unwrap().push(iteration);
        let list = self.request("/products");
        match self.habit {
            Shopping::Particular => {
                let check = |_: &Received<'_>| Err::<(), _>(Mismatch::Content("no products".to_owned()));
                client.send(LIST, &list, Want::ALL, check).await?;
            }
            Shopping::Patient => {
                let check = |_: &Received<'_>| Err::<(), _>(Mismatch::Content("no products".to_owned()));
                let attempt = client.attempt(LIST, &list, Want::ALL, check).await?;
                assert_eq!(attempt, Attempt::Failed { kind: FailureKind::ContentUnexpected, status: Some(200) });
            }
            Shopping::Quitter if self.seen.iterations.lock().unwrap().len() >= 3 => {
                return Err(Halt::Run("the feeder `skus` is used up".to_owned()));
            }
            _ => {
                let body = client
                    .send(LIST, &list, Want::ALL, |received| {
                        assert_eq!(received.headers["server"], "toy");
                        Ok(received.body.to_vec())
                    })
                    .await?;
                self.seen.bodies.lock().unwrap().insert(body);
            }
        }
        match self.habit {
            Shopping::Together(_) => client.meet(BarrierId(0)).await,
            Shopping::Thinker => client.pause(Duration::from_hours(1)).await,
            _ => {}
        }
        user.1.set_path(&format!("/order/{iteration}")).unwrap();
        client.send(ORDER, &user.1, Want::STATUS, any).await
    }

    async fn stop(&self, _user: &mut Self::User, _client: &mut Client<'_>) {
        self.seen.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Sends two requests.
struct Two(String);

impl Scenario for Two {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "first"), StepSpec::new("GET", "second")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.0).unwrap()]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, _iteration: u64) -> Result<(), Halt> {
        let request = Outgoing::get(&self.0).unwrap();
        client.send(StepId(0), &request, Want::STATUS, any).await?;
        client.send(StepId(1), &request, Want::STATUS, any).await
    }
}

/// Sends one request and leaves; the eighth iteration gives up before it.
struct Weary(String);

impl Scenario for Weary {
    type User = ();
    fn steps(&self) -> Vec<StepSpec> {
        vec![StepSpec::new("GET", "only")]
    }
    fn origins(&self) -> Vec<Outgoing> {
        vec![Outgoing::get(&self.0).unwrap()]
    }
    fn new_user(&self, _seat: Seat) {}
    async fn iterate(&self, _user: &mut (), client: &mut Client<'_>, iteration: u64) -> Result<(), Halt> {
        if iteration == 7 {
            return Err(Halt::Iteration);
        }
        client.send(StepId(0), &Outgoing::get(&self.0).unwrap(), Want::STATUS, any).await?;
        Err(Halt::User)
    }
}

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
