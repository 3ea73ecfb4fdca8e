//! Many at once.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{LONG, count, job, ttl_ms, with_priority};
use crate::conformance::MakeQueue;
use crate::queue::{ClaimedJob, JobQueue, Priority, Reason, Verdict};

const WORKERS: u64 = 16;
const PRODUCERS: u64 = 16;
const JOBS_EACH: u64 = 60;

/// What is known for certain at any moment, from outside.
#[derive(Default)]
struct Books {
    push_begun: AtomicU64,
    push_ended: AtomicU64,
    /// Puts a job back among the ready: a retry without a pause, or giving back.
    back_begun: AtomicU64,
    back_ended: AtomicU64,
    claimed: AtomicU64,
    held: Mutex<HashSet<String>>,
    done: Mutex<HashMap<String, u32>>,
}

impl Books {
    fn hold(&self, claimed: &ClaimedJob) {
        let is_new = self.held.lock().expect("no panic").insert(claimed.job.id.to_string());
        assert!(is_new, "{} is held by two live leases", claimed.job.id);
    }

    fn let_go(&self, claimed: &ClaimedJob) {
        self.held.lock().expect("no panic").remove(claimed.job.id.as_str());
    }

    fn done(&self) -> u64 {
        self.done.lock().expect("no panic").len() as u64
    }
}

async fn produce(queue: JobQueue, books: Arc<Books>, number: u64) {
    for n in 0..JOBS_EACH {
        let priority = Priority::ALL[(n % 3) as usize];
        let job = with_priority(priority, job(1 + (number % 4) as i64, &format!("{number}-{n}")));
        books.push_begun.fetch_add(1, Ordering::SeqCst);
        queue.enqueue(&job).await.expect("the store should answer");
        books.push_ended.fetch_add(1, Ordering::SeqCst);
    }
}

async fn work(queue: JobQueue, books: Arc<Books>) {
    while books.done() < PRODUCERS * JOBS_EACH {
        let jobs = queue.claim_or_wait(count(3), ttl_ms(LONG), Duration::from_millis(200)).await;
        let jobs = jobs.expect("the store should answer");
        books.claimed.fetch_add(jobs.len() as u64, Ordering::SeqCst);
        for claimed in &jobs {
            books.hold(claimed);
        }
        for (n, claimed) in jobs.iter().enumerate() {
            tokio::task::yield_now().await;
            books.let_go(claimed);
            if claimed.attempt == 1 && n != 0 {
                books.back_begun.fetch_add(1, Ordering::SeqCst);
                if n == 1 {
                    queue.give_back(&claimed.lease).await.expect("the lease is fresh");
                } else {
                    let verdict = Verdict::Retry { delay_ms: 0, reason: Reason::new("again") };
                    queue.fail(&claimed.lease, &verdict).await.expect("the lease is fresh");
                }
                books.back_ended.fetch_add(1, Ordering::SeqCst);
            } else {
                queue.complete(&claimed.lease).await.expect("the lease is fresh");
                *books.done.lock().expect("no panic").entry(claimed.job.id.to_string()).or_default() += 1;
            }
        }
    }
}

/// With 16 who enqueue and 16 who claim: nobody has a job that another has, each is done once, and at every moment that is
/// looked at the depth lies between what is known to be in for certain and what may be in.
pub async fn a_crowd_shares_the_work(make: MakeQueue<'_>) {
    let books = Arc::new(Books::default());
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..PRODUCERS {
        crowd.spawn(produce(make(), Arc::clone(&books), number));
    }
    for _ in 0..WORKERS {
        crowd.spawn(work(make(), Arc::clone(&books)));
    }
    let watcher = make();
    let mut samples = 0;
    while books.done() < PRODUCERS * JOBS_EACH {
        let claimed_before = books.claimed.load(Ordering::SeqCst);
        let in_before = books.push_ended.load(Ordering::SeqCst) + books.back_ended.load(Ordering::SeqCst);
        let counts = watcher.counts().await.expect("the store should answer");
        let in_after = books.push_begun.load(Ordering::SeqCst) + books.back_begun.load(Ordering::SeqCst);
        let depth: u64 = Priority::ALL.map(|priority| counts.ready(priority).depth).iter().sum();
        assert!(depth <= in_after - claimed_before, "{depth} are ready, {in_after} came, {claimed_before} left");
        let all = counts.total();
        assert!(all <= books.push_begun.load(Ordering::SeqCst), "{all} jobs of fewer");
        // Whoever is in and neither done nor about to be is counted somewhere.
        assert!(in_before <= depth + counts.leased + books.claimed.load(Ordering::SeqCst));
        samples += 1;
    }
    while let Some(member) = crowd.join_next().await {
        member.expect("no panic");
    }
    assert!(samples > 5, "{samples} samples");
    assert_eq!(watcher.counts().await.expect("the store should answer").total(), 0);
    let done = books.done.lock().expect("no panic");
    assert!(done.values().all(|&times| times == 1));
}
