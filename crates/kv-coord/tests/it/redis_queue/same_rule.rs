//! The scripts and the rule, asked the same things, say the same.

use std::time::{Duration, Instant};

use kv_coord::JobQueue;
use kv_coord::lock::Epoch;
use kv_coord::queue::{ClaimCount, Job, JobLimits, Kind, Lease, LeaseTtl, Priority, Reason, UniqueKey, Verdict};
use proptest::prelude::*;
use sandbox::testing;
use tokio::runtime::Runtime;

use super::job;
use crate::server;

#[derive(Clone, Debug)]
enum Event {
    Enqueue(Job),
    Claim(u32),
    Complete(usize),
    Retry(usize),
    PutOff(usize),
    Poison(usize),
    GiveBack(usize),
    Replay(Job),
    ReplayKind(bool),
    Flow(usize, bool),
}

fn kind(is_other: bool) -> Kind {
    Kind::parse(if is_other { "other" } else { "test" }).expect("allowed")
}

fn jobs() -> impl Strategy<Value = Job> {
    (1..4i64, 0..14u32, 0..3usize, proptest::option::of(0..3u8), any::<bool>(), 1..4u32).prop_map(
        |(tenant, n, priority, unique, is_other, attempts)| Job {
            priority: Priority::ALL[priority],
            kind: kind(is_other),
            unique: unique.map(|key| UniqueKey::parse(&key.to_string()).expect("allowed")),
            limits: JobLimits::new(attempts, 3).expect("in range"),
            ..job(tenant, &format!("{tenant}-{n}"))
        },
    )
}

fn events() -> impl Strategy<Value = Event> {
    let which = 0..6usize;
    prop_oneof![
        8 => jobs().prop_map(Event::Enqueue),
        4 => (1..5u32).prop_map(Event::Claim),
        2 => which.clone().prop_map(Event::Complete),
        2 => which.clone().prop_map(Event::Retry),
        1 => which.clone().prop_map(Event::PutOff),
        2 => which.clone().prop_map(Event::Poison),
        2 => which.prop_map(Event::GiveBack),
        1 => jobs().prop_map(Event::Replay),
        1 => any::<bool>().prop_map(Event::ReplayKind),
        1 => (0..3usize, any::<bool>()).prop_map(|(queue, is_pause)| Event::Flow(queue, is_pause)),
    ]
}

/// One back end and the leases it gave; the n-th of one belongs to the n-th of the other.
struct Side {
    queue: JobQueue,
    leases: Vec<Lease>,
}

impl Side {
    fn lease(&self, which: usize) -> Option<&Lease> {
        self.leases.get(self.leases.len().checked_sub(1 + which)?)
    }

    /// What it says, without fences and times, which differ.
    async fn answer(&mut self, event: &Event) -> String {
        let ttl = LeaseTtl::from_millis(LeaseTtl::MAX_MS).expect("in range");
        let reason = Reason::new("no");
        match event {
            Event::Enqueue(job) => format!("{:?}", self.queue.enqueue(job).await.expect("an answer")),
            Event::Claim(count) => {
                let count = ClaimCount::new(*count).expect("in range");
                let claimed = self.queue.claim(count, ttl).await.expect("an answer");
                self.leases.extend(claimed.iter().map(|claimed| claimed.lease.clone()));
                let told = claimed.iter().map(|claimed| (&claimed.job, claimed.attempt, claimed.losses));
                format!("{:?}", told.collect::<Vec<_>>())
            }
            Event::Replay(job) => format!("{:?}", self.queue.replay(&job.id).await.expect("an answer")),
            Event::ReplayKind(is_other) => {
                format!("{:?}", self.queue.replay_kind(&kind(*is_other)).await.expect("an answer"))
            }
            Event::Flow(queue, true) => {
                format!("{:?}", self.queue.pause(Priority::ALL[*queue]).await.expect("an answer"))
            }
            Event::Flow(queue, false) => {
                format!("{:?}", self.queue.resume(Priority::ALL[*queue]).await.expect("an answer"))
            }
            Event::Complete(which) => {
                let Some(lease) = self.lease(*which) else { return String::new() };
                format!("{:?}", self.queue.complete(lease).await.is_ok())
            }
            Event::GiveBack(which) => {
                let Some(lease) = self.lease(*which) else { return String::new() };
                format!("{:?}", self.queue.give_back(lease).await.is_ok())
            }
            Event::Retry(which) => self.fail(*which, Verdict::Retry { delay_ms: 0, reason }).await,
            Event::PutOff(which) => self.fail(*which, Verdict::Retry { delay_ms: 3_600_000, reason }).await,
            Event::Poison(which) => self.fail(*which, Verdict::Poison { reason }).await,
        }
    }

    async fn fail(&self, which: usize, verdict: Verdict) -> String {
        let Some(lease) = self.lease(which) else { return String::new() };
        format!("{:?}", self.queue.fail(lease, &verdict).await.ok())
    }

    async fn standing(&self) -> String {
        let counts = self.queue.counts().await.expect("an answer");
        let ready = Priority::ALL.map(|priority| (counts.ready(priority).depth, counts.ready(priority).is_paused));
        let dead = self.queue.dead_letters().await.expect("an answer");
        let dead: Vec<_> = dead.iter().map(|letter| (&letter.job.id, &letter.reason, letter.attempts)).collect();
        format!("{ready:?} {} {} {} {dead:?}", counts.delayed, counts.leased, counts.dead)
    }
}

/// Dead letters are replayed in the order of their deaths. Two that died in one millisecond stand by their ids, and that must
/// not happen to one side alone.
async fn another_millisecond() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_scripts_follow_the_rule() {
    let runtime = Runtime::new().expect("a runtime");
    let url = runtime.block_on(testing::redis()).url().to_owned();
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(events in proptest::collection::vec(events(), 1..100))| {
        runtime.block_on(async {
            let redis = server::queue(&url, Some(&server::any_tag()));
            let mut redis = Side { queue: redis, leases: Vec::new() };
            let rule = JobQueue::in_process(Epoch::new(1).expect("in range"));
            let mut rule = Side { queue: rule, leases: Vec::new() };
            for event in &events {
                if matches!(event, Event::Retry(_) | Event::PutOff(_) | Event::Poison(_)) {
                    another_millisecond().await;
                }
                prop_assert_eq!(redis.answer(event).await, rule.answer(event).await, "{:?}", event);
                prop_assert_eq!(redis.standing().await, rule.standing().await, "after {:?}", event);
            }
            Ok(())
        })?;
    });
}
