//! Lives of single jobs: retried, panicked, poisoned, replayed, unique, given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_coord::JobQueue;
use kv_coord::lock::Epoch;
use kv_coord::queue::{Priority, Queues, RetryPolicy};
use kv_erp::worker::custom::{Handlers, Task, TaskError};
use kv_erp::worker::{Worker, WorkerConfig};
use kv_store::Store;
use kv_store::jobs::NewJob;
use kv_types::jobs::{JobState, JobView};
use kv_types::{JobId, TenantId};
use sandbox::testing::eventually;
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::world::World;

const SOON: Duration = Duration::from_mins(1);

/// A worker in this process and its end.
pub(super) struct Working {
    worker: Worker,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

pub(super) async fn working(store: &Store, adjust: impl FnOnce(&mut WorkerConfig)) -> Working {
    let epoch = Epoch::new(store.next_lock_epoch().await.unwrap()).unwrap();
    let retry = RetryPolicy { base: Duration::from_millis(1), cap: Duration::from_millis(20) };
    let mut config = WorkerConfig { retry, schedules: Vec::new(), ..WorkerConfig::default() };
    adjust(&mut config);
    let worker = Worker::new(store.clone(), JobQueue::in_process(epoch), config);
    let (stop, running) = (CancellationToken::new(), worker.clone());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { running.run(&stopped).await });
    Working { worker, stop, task }
}

impl Working {
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn ended(store: &Store, tenant: TenantId, id: JobId, state: JobState) -> JobView {
    eventually(SOON, || async {
        let job = store.job(tenant, id).await.unwrap().expect("it is kept for a day");
        (job.state == state).then_some(job)
    })
    .await
}

#[tokio::test]
async fn a_job_is_tried_again_and_a_panic_is_its_own_alone() {
    let world = World::new().await;
    let (store, tenant) = (&world.store, world.one.tenant);
    let handlers = Handlers::default()
        .with("flaky", async |task: Task| {
            if task.failures < 3 { Err(TaskError::Failed(format!("not yet: {}", task.failures))) } else { Ok(()) }
        })
        .with("bomb", async |_: Task| -> Result<(), TaskError> { panic!("boom") })
        .with("broken", async |_: Task| Err(TaskError::Poison("no attempt will do".to_owned())));
    let jobs = ["flaky", "bomb", "broken", "unheard_of", "send_order_confirmation"]
        .map(|kind| NewJob::new(kind, json!({"x": 1})));
    store.enqueue_jobs(tenant, &jobs).await.unwrap();
    let working = working(store, |config| config.handlers = handlers).await;
    let flaky = ended(store, tenant, jobs[0].id, JobState::Done).await;
    assert_eq!((flaky.attempts, flaky.last_error), (3, None));
    for (job, attempts, said) in [
        (&jobs[1], 5, "the handler panicked: boom"),
        (&jobs[2], 1, "no attempt will do"),
        (&jobs[3], 1, "this program knows no jobs of the kind unheard_of"),
        (&jobs[4], 1, "its payload is not one of send_order_confirmation"),
    ] {
        let dead = ended(store, tenant, job.id, JobState::Dead).await;
        assert!(dead.last_error.as_deref().unwrap().starts_with(said), "{dead:?}");
        assert_eq!(dead.attempts, attempts, "{dead:?}");
    }
    let mut numbers = String::new();
    working.worker.metrics().render(&mut numbers);
    assert!(numbers.contains("kv_job_panics_total 5\n"), "{numbers}");
    assert!(numbers.contains(r#"kv_jobs_total{kind="bomb",outcome="dead"} 1"#), "{numbers}");
    working.end().await;
}

#[tokio::test]
async fn a_dead_job_is_replayed_with_all_its_attempts() {
    let world = World::new().await;
    let (store, tenant) = (&world.store, world.one.tenant);
    let (is_mended, tries) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mended, counted) = (Arc::clone(&is_mended), Arc::clone(&tries));
    let handlers = Handlers::default().with("mendable", move |_: Task| {
        counted.fetch_add(1, Ordering::SeqCst);
        let is_mended = mended.load(Ordering::SeqCst) > 0;
        async move { if is_mended { Ok(()) } else { Err(TaskError::Failed("still broken".to_owned())) } }
    });
    let job = NewJob::new("mendable", json!({}));
    store.enqueue_jobs(tenant, std::slice::from_ref(&job)).await.unwrap();
    let working = working(store, |config| config.handlers = handlers).await;
    ended(store, tenant, job.id, JobState::Dead).await;
    let path = format!("/jobs/{}/replay", job.id);
    assert_eq!(world.one.post(&path, &json!(null)).await.expect(200)["state"], "open");
    ended(store, tenant, job.id, JobState::Dead).await;
    assert_eq!(tries.load(Ordering::SeqCst), 10, "five attempts in each life");
    is_mended.store(1, Ordering::SeqCst);
    world.one.post(&path, &json!(null)).await.expect(200);
    ended(store, tenant, job.id, JobState::Done).await;
    world.one.post(&path, &json!(null)).await.refused(409, "job_not_dead");
    world.two.post(&path, &json!(null)).await.refused(404, "not_found");
    working.end().await;
}

#[tokio::test]
async fn of_jobs_with_one_unique_key_one_is_open() {
    let world = World::new().await;
    let (store, tenant) = (&world.store, world.one.tenant);
    let job = || NewJob { unique_key: Some("k".to_owned()), ..NewJob::new("rare", json!({})) };
    let (first, second) = (job(), job());
    assert_eq!(store.enqueue_jobs(tenant, &[first.clone(), second]).await.unwrap(), [first.id]);
    assert_eq!(store.enqueue_jobs(world.two.tenant, &[job()]).await.unwrap().len(), 1, "it is the tenant's key");
    let working = working(store, |config| {
        config.handlers = Handlers::default().with("rare", async |_: Task| Ok(()));
    })
    .await;
    ended(store, tenant, first.id, JobState::Done).await;
    assert_eq!(store.enqueue_jobs(tenant, &[job()]).await.unwrap().len(), 1, "it is free again");
    working.end().await;
}

#[tokio::test]
async fn jobs_for_later_wait_and_a_worker_takes_from_its_own_queues_alone() {
    let world = World::new().await;
    let (store, tenant) = (&world.store, world.one.tenant);
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500);
    let later = NewJob { not_before: Some(soon), priority: "high", ..NewJob::new("any", json!({})) };
    let low = NewJob { priority: "low", ..NewJob::new("any", json!({})) };
    store.enqueue_jobs(tenant, &[later.clone(), low.clone()]).await.unwrap();
    let working = working(store, |config| {
        config.handlers = Handlers::default().with("any", async |_: Task| Ok(()));
        config.queues = Queues::of([Priority::High]).unwrap();
    })
    .await;
    let done = ended(store, tenant, later.id, JobState::Done).await;
    assert!(done.finished_at.unwrap() >= soon, "{done:?}");
    assert_eq!(store.job(tenant, low.id).await.unwrap().unwrap().state, JobState::Open);
    assert_eq!(working.worker.queue().counts().await.unwrap().ready(Priority::Low).depth, 1);
    working.end().await;
}

#[tokio::test]
async fn a_worker_that_stops_gives_back_what_it_has_not_done() {
    let world = World::new().await;
    let (store, tenant) = (&world.store, world.one.tenant);
    let begun = Arc::new(Notify::new());
    let tell = Arc::clone(&begun);
    let job = NewJob::new("endless", json!({}));
    store.enqueue_jobs(tenant, std::slice::from_ref(&job)).await.unwrap();
    let working = working(store, |config| {
        config.grace = Duration::from_millis(50);
        config.handlers = Handlers::default().with("endless", move |_: Task| {
            tell.notify_one();
            std::future::pending::<Result<(), TaskError>>()
        });
    })
    .await;
    begun.notified().await;
    let queue = working.worker.queue().clone();
    working.end().await;
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.ready(Priority::Default).depth, counts.leased), (1, 0), "it is in front again, and no attempt");
    assert_eq!(store.job(tenant, job.id).await.unwrap().unwrap().attempts, 0);
}

#[tokio::test]
async fn a_regular_job_is_made_once_by_however_many_workers() {
    let world = World::new().await;
    let due = jiff::Timestamp::now();
    let made = futures_util::future::join_all((0..16).map(|_| world.store.make_tick("forget_jobs", "low", due))).await;
    assert_eq!(made.into_iter().filter(|made| *made.as_ref().unwrap()).count(), 1);
    let later = due + jiff::SignedDuration::from_secs(60);
    assert!(!world.store.make_tick("forget_jobs", "low", later).await.unwrap(), "the one before is not over");
    let working = working(&world.store, |_| {}).await;
    // Each look is at a later time: one at which the job before was still open is over for good.
    let looks = AtomicUsize::new(2);
    eventually(SOON, || async {
        let due = due + jiff::SignedDuration::from_mins(i64::try_from(looks.fetch_add(1, Ordering::SeqCst)).unwrap());
        world.store.make_tick("forget_jobs", "low", due).await.unwrap().then_some(())
    })
    .await;
    working.end().await;
}
