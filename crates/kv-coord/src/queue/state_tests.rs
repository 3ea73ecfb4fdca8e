use proptest::prelude::*;

use super::*;
use crate::lock::Epoch;
use crate::queue::job::{JobLimits, PayloadRef};

const TTL_MS: u64 = 1_000;

fn mint() -> Mint {
    Mint::new(Epoch::new(1).expect("in range"))
}

fn claim(state: &mut QueueState, now_ms: u64, count: u32, ttl_ms: u64, mint: &Mint) -> Claim {
    state.claim(now_ms, count, ttl_ms, mint).expect("fences are left")
}

fn job(tenant: i64, n: u32) -> Job {
    let id = JobId::parse(&format!("{tenant}-{n}")).expect("allowed");
    let tenant = TenantId::new(tenant).expect("positive");
    Job::new(id, tenant, Kind::parse("test").expect("allowed"), PayloadRef::parse("").expect("short"))
}

#[derive(Clone, Debug)]
enum Event {
    Enqueue { tenant: i64, n: u32, priority: usize, delay_ms: u64, unique: Option<u8> },
    Claim(u32),
    Heartbeat(usize),
    Complete(usize),
    Retry(usize, u64),
    PutOff(usize, u64),
    Poison(usize),
    GiveBack(usize),
    Replay,
    Flow(usize, bool),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Event> {
    let which = 0..8usize;
    prop_oneof![
        6 => (1..4i64, 0..12u32, 0..3usize, prop_oneof![Just(0), 1..3_000u64], proptest::option::of(0..3u8)).prop_map(
            |(tenant, n, priority, delay_ms, unique)| Event::Enqueue { tenant, n, priority, delay_ms, unique }
        ),
        4 => (1..4u32).prop_map(Event::Claim),
        1 => which.clone().prop_map(Event::Heartbeat),
        2 => which.clone().prop_map(Event::Complete),
        2 => (which.clone(), 0..2_000u64).prop_map(|(which, delay_ms)| Event::Retry(which, delay_ms)),
        1 => (which.clone(), 0..2_000u64).prop_map(|(which, delay_ms)| Event::PutOff(which, delay_ms)),
        1 => which.clone().prop_map(Event::Poison),
        1 => which.prop_map(Event::GiveBack),
        1 => Just(Event::Replay),
        1 => (0..3usize, any::<bool>()).prop_map(|(queue, open)| Event::Flow(queue, open)),
        2 => (1..2_000u64).prop_map(Event::Pass),
    ]
}

/// A queue, its time, and every lease it ever gave.
struct World {
    state: QueueState,
    mint: Mint,
    now_ms: u64,
    leases: Vec<Lease>,
}

impl World {
    fn lease(&self, which: usize) -> Option<Lease> {
        let place = self.leases.len().checked_sub(1 + which)?;
        Some(self.leases[place].clone())
    }

    fn apply(&mut self, event: &Event) {
        let Self { state, now_ms, .. } = self;
        match *event {
            Event::Enqueue { tenant, n, priority, delay_ms, unique } => {
                let unique = unique.map(|key| UniqueKey::parse(&key.to_string()).expect("allowed"));
                let (priority, not_before_ms) = (Priority::ALL[priority], *now_ms + delay_ms);
                state.enqueue(*now_ms, &Job { priority, not_before_ms, unique, ..job(tenant, n) });
            }
            Event::Claim(count) => {
                let claim = state.claim(*now_ms, count, TTL_MS, &self.mint).expect("fences are left");
                self.leases.extend(claim.jobs.into_iter().map(|job| job.lease));
            }
            Event::Replay => {
                state.replay(*now_ms, &Which::OfKind(Kind::parse("test").expect("allowed")));
            }
            Event::Flow(queue, true) => state.set_flow(Priority::ALL[queue], Flow::Open),
            Event::Flow(queue, false) => state.set_flow(Priority::ALL[queue], Flow::Paused),
            Event::Pass(ms) => {
                *now_ms += ms;
                state.settle(*now_ms);
            }
            Event::Heartbeat(which)
            | Event::Complete(which)
            | Event::GiveBack(which)
            | Event::Retry(which, _)
            | Event::PutOff(which, _)
            | Event::Poison(which) => {
                if let Some(lease) = self.lease(which) {
                    self.speak(event, &lease);
                }
            }
        }
    }

    fn speak(&mut self, event: &Event, lease: &Lease) {
        let (state, now_ms, reason) = (&mut self.state, self.now_ms, Reason::new("no"));
        match *event {
            Event::Heartbeat(_) => {
                state.heartbeat(now_ms, lease, TTL_MS);
            }
            Event::Complete(_) => {
                state.complete(lease);
            }
            Event::GiveBack(_) => {
                state.give_back(now_ms, lease);
            }
            Event::Retry(_, delay_ms) => {
                state.fail(now_ms, lease, &Verdict::Retry { delay_ms, reason });
            }
            Event::PutOff(_, delay_ms) => {
                state.fail(now_ms, lease, &Verdict::PutOff { delay_ms });
            }
            _ => {
                state.fail(now_ms, lease, &Verdict::Poison { reason });
            }
        }
    }

    /// Each job is in the one place its entry names, and nothing else is anywhere.
    fn check(&self) {
        let state = &self.state;
        let in_lines: usize = state.lines.iter().map(Line::len).sum();
        assert_eq!(in_lines + state.delayed.len() + state.leases.len() + state.dead.len(), state.jobs.len());
        for (id, entry) in &state.jobs {
            let in_line = state.lines.iter().position(|line| line.ids().any(|other| other == id));
            let has = |times: &BTreeSet<(u64, JobId)>| times.iter().any(|(_, other)| other == id);
            let expected = matches!(entry.place, Place::Ready { .. }).then_some(entry.job.priority as usize);
            assert_eq!(in_line, expected);
            assert_eq!(has(&state.delayed), matches!(entry.place, Place::Delayed));
            assert_eq!(has(&state.leases), matches!(entry.place, Place::Leased { .. }));
            assert_eq!(has(&state.dead), matches!(entry.place, Place::Dead { .. }));
            assert!(entry.attempts <= entry.job.limits.attempts_max() && entry.losses <= entry.attempts);
            if let Some(unique) = unique_of(&entry.job) {
                let holds = state.unique.get(&unique) == Some(id);
                assert_eq!(holds, !matches!(entry.place, Place::Dead { .. }), "whoever is not dead has its unique key");
            }
        }
        assert!(state.unique.values().all(|id| state.jobs.contains_key(id)));
        assert!(self.leases.is_sorted_by(|a, b| a.fence < b.fence), "no lease repeats a number");
    }
}

proptest! {
    #[test]
    fn every_job_is_in_one_place(events in proptest::collection::vec(events(), 1..120)) {
        let mut world = World { state: QueueState::default(), mint: mint(), now_ms: 1_000_000, leases: Vec::new() };
        for event in events {
            world.apply(&event);
            world.check();
        }
    }
}

#[test]
fn a_lease_ends_at_its_deadline_whoever_looks() {
    let mut state = QueueState::default();
    state.enqueue(0, &job(1, 1));
    let lease = claim(&mut state, 0, 1, TTL_MS, &mint()).jobs.remove(0).lease;
    assert_eq!(state.heartbeat(TTL_MS - 1, &lease, TTL_MS), Heard::Yes(2 * TTL_MS - 1));
    assert_eq!(state.heartbeat(2 * TTL_MS - 1, &lease, TTL_MS), Heard::Lost);
    assert_eq!(state.give_back(2 * TTL_MS - 1, &lease), Heard::Lost);
    assert_eq!(state.complete(&lease), Heard::Yes(()), "nobody else has had it");
    assert_eq!(state.counts(0).total(), 0);
}

#[test]
fn a_claim_says_when_there_may_be_more() {
    let (mut state, mint) = (QueueState::default(), mint());
    assert_eq!(claim(&mut state, 0, 1, TTL_MS, &mint).next_ms, None);
    state.enqueue(0, &Job { not_before_ms: 300, ..job(1, 1) });
    assert_eq!(claim(&mut state, 100, 1, TTL_MS, &mint).next_ms, Some(200));
    state.enqueue(100, &job(1, 2));
    state.enqueue(100, &job(1, 3));
    assert_eq!(claim(&mut state, 100, 1, TTL_MS, &mint).next_ms, Some(0), "one more is ready");
    state.set_flow(Priority::Default, Flow::Paused);
    assert_eq!(claim(&mut state, 100, 1, TTL_MS, &mint).next_ms, Some(200), "but not while its queue is paused");
}

#[test]
fn many_that_are_due_in_a_paused_queue_are_no_want_of_fences() {
    let (mut state, mint) = (QueueState::default(), mint());
    for n in 0..=SETTLE_MAX as u32 {
        state.enqueue(0, &Job { not_before_ms: 10, ..job(1, n) });
    }
    state.set_flow(Priority::Default, Flow::Paused);
    let claim = claim(&mut state, 10, 1, TTL_MS, &mint);
    assert!(claim.jobs.is_empty());
    assert_eq!((claim.next_ms, state.counts(10).delayed), (Some(0), 1));
}

#[test]
fn a_job_that_takes_its_workers_along_is_poison_before_its_attempts_are_used_up() {
    let (mut state, mint) = (QueueState::default(), mint());
    state.enqueue(0, &job(1, 1));
    for attempt in 1..=3 {
        let at_ms = u64::from(attempt) * TTL_MS;
        let claimed = claim(&mut state, at_ms, 1, TTL_MS, &mint).jobs.remove(0);
        assert_eq!((claimed.attempt, claimed.losses), (attempt, attempt - 1));
    }
    assert!(claim(&mut state, 4 * TTL_MS, 1, TTL_MS, &mint).jobs.is_empty());
    let letters = state.dead_letters();
    assert_eq!(letters[0].reason.as_str(), "3 of 3 attempts ended with their lease");
}

#[test]
fn dead_letters_are_few_and_pass_away() {
    let (mut state, mint) = (QueueState::default(), mint());
    let limits = JobLimits::new(1, 1).expect("in range");
    for n in 0..=DEAD_MAX as u32 {
        state.enqueue(u64::from(n), &Job { limits, ..job(1, n) });
        let lease = claim(&mut state, u64::from(n), 1, TTL_MS, &mint).jobs.remove(0).lease;
        let verdict = Verdict::Retry { delay_ms: 0, reason: Reason::new("no") };
        assert_eq!(state.fail(u64::from(n), &lease, &verdict), Heard::Yes(FailOutcome::Dead));
    }
    assert_eq!(state.counts(0).dead, DEAD_MAX as u64);
    assert!(!state.jobs.contains_key(&job(1, 0).id), "the oldest made room");
    for _ in 0..DEAD_MAX.div_ceil(SETTLE_MAX) {
        state.settle(DEAD_KEEP_MS + DEAD_MAX as u64);
    }
    assert_eq!(state.counts(0).total(), 0);
}

#[test]
fn a_full_queue_says_so() {
    let (mut state, mint) = (QueueState::with_room_for(2), mint());
    for n in 0..2 {
        assert_eq!(state.enqueue(0, &job(1, n)), Enqueued::New(Stage::Ready));
    }
    let lease = claim(&mut state, 0, 1, TTL_MS, &mint).jobs.remove(0).lease;
    assert_eq!(state.enqueue(0, &job(1, 2)), Enqueued::Full, "whatever the others are doing");
    assert_eq!(state.enqueue(0, &job(1, 1)), Enqueued::Known(Stage::Ready));
    state.complete(&lease);
    assert_eq!(state.enqueue(0, &job(1, 2)), Enqueued::New(Stage::Ready));
}
