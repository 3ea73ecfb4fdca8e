//! The public lists, as an operator reads them.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kv_coord::JobQueue;
use kv_coord::queue::{
    ClaimCount, Enqueued, JOBS_MAX, Job, JobId, LeaseTtl, Priority, Reason, Stage, UniqueKey, Verdict,
};
use tokio::task::JoinSet;

use super::{Scene, job, take};
use crate::server::{self, Operator};

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

/// Everything in Redis at one moment, and that it fits together.
pub(super) fn check(operator: &mut Operator) -> u64 {
    // One script, so that it is one moment; it has nothing in common with the queue's own.
    let code = "local r = {}
        for _, q in ipairs({ 'high', 'default', 'low' }) do
            r[#r + 1] = redis.call('LRANGE', 'queue:' .. q, 0, -1)
            r[#r + 1] = redis.call('ZRANGE', 'jobq:order:' .. q, 0, -1)
            r[#r + 1] = redis.call('ZRANGE', 'jobq:since:' .. q, 0, -1)
        end
        local rest = { 'delayed', 'leases', 'dead' }
        for _, k in ipairs(rest) do r[#r + 1] = redis.call('ZRANGE', 'jobq:' .. k, 0, -1) end
        for _, k in ipairs({ 'jobs', 'tokens', 'slots', 'reasons' }) do
            r[#r + 1] = redis.call('HKEYS', 'jobq:' .. k)
        end
        r[#r + 1] = {}
        for _, q in ipairs({ 'high', 'default', 'low' }) do
            for place, id in ipairs(redis.call('LRANGE', 'queue:' .. q, 0, -1)) do
                if redis.call('HGET', 'jobq:slots', id) ~= tostring(place - 1) then table.insert(r[#r], id) end
            end
        end
        return r";
    let rows: Vec<Vec<String>> = operator.ask(&["EVAL", code, "0"]);
    let rows: Vec<_> = rows.into_iter().map(sorted).collect();
    let mut everywhere = Vec::new();
    let mut ready = Vec::new();
    for queue in 0..3 {
        assert_eq!(rows[queue * 3], rows[queue * 3 + 1], "the list holds exactly the ready jobs");
        assert_eq!(rows[queue * 3], rows[queue * 3 + 2]);
        ready.extend(rows[queue * 3].clone());
    }
    everywhere.extend(ready.clone());
    everywhere.extend(rows[9..12].concat());
    assert_eq!(sorted(everywhere), rows[12], "each job is in one place");
    assert_eq!(rows[10], rows[13], "leases have tokens");
    assert_eq!(sorted(ready.clone()), rows[14], "ready jobs know their places");
    assert_eq!(rows[11], rows[15], "the dead have reasons");
    assert!(rows[16].is_empty(), "in other places than they know: {:?}", rows[16]);
    ready.len() as u64
}

async fn produce(queue: JobQueue, number: u64) {
    for n in 0..150 {
        let id = JobId::parse(&format!("{number}-{n}")).expect("allowed");
        let unique = (n % 10 == 0).then(|| UniqueKey::parse("one").expect("allowed"));
        let job = Job { id, unique, priority: Priority::ALL[n % 3], ..job(1 + (number % 4) as i64, "x") };
        queue.enqueue(&job).await.expect("Redis should answer");
    }
}

async fn work(queue: JobQueue, done: Arc<AtomicBool>, number: u64) {
    let mut turn = number;
    while !done.load(Ordering::Relaxed) {
        let ttl = LeaseTtl::from_millis(if turn.is_multiple_of(7) { 100 } else { 60_000 }).expect("in range");
        let jobs = queue.claim(ClaimCount::new(1 + (turn % 4) as u32).expect("in range"), ttl).await;
        for claimed in jobs.expect("Redis should answer") {
            turn += 1;
            let reason = Reason::new("no");
            // A short lease may be over meanwhile; what the queue then says is not this test's matter.
            match turn % 7 {
                0 => {}
                1 => drop(queue.give_back(&claimed.lease).await),
                2 => drop(queue.fail(&claimed.lease, &Verdict::Retry { delay_ms: 0, reason }).await),
                3 => drop(queue.fail(&claimed.lease, &Verdict::Retry { delay_ms: 20, reason }).await),
                4 => drop(queue.fail(&claimed.lease, &Verdict::Poison { reason }).await),
                _ => drop(queue.complete(&claimed.lease).await),
            }
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_length_of_the_lists_is_the_backlog_at_every_moment() {
    let scene = Scene::new().await;
    let url = scene.redis.url();
    let (done, samples) = (Arc::new(AtomicBool::new(false)), AtomicU64::new(0));
    let (mut producers, mut workers) = (JoinSet::new(), JoinSet::new());
    for number in 0..16 {
        producers.spawn(produce(server::queue(&url, None), number));
        workers.spawn(work(server::queue(&url, None), Arc::clone(&done), number));
    }
    let mut operator = scene.operator();
    let mut most = 0;
    let watch = async {
        loop {
            most = check(&mut operator).max(most);
            samples.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    };
    let produced = async { while producers.join_next().await.is_some() {} };
    tokio::select! {
        () = watch => {}
        () = produced => {}
    }
    done.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.expect("no panic");
    }
    check(&mut operator);
    let commands: String = operator.ask(&["INFO", "commandstats"]);
    assert!(!commands.contains("cmdstat_del:"), "a list that nobody else touches is never made anew");
    assert!(samples.into_inner() > 20);
    assert!(most > 10, "there was never much to see");
}

#[tokio::test]
async fn redis_cli_sees_the_backlog_as_the_guide_has_it() {
    let scene = Scene::new().await;
    for n in 0..7 {
        scene.queue.enqueue(&job(1, &format!("d{n}"))).await.expect("Redis should answer");
    }
    scene.queue.enqueue(&Job { priority: Priority::High, ..job(1, "h") }).await.expect("Redis should answer");
    take(&scene.queue, 3, 60_000).await;
    for (list, length) in [("queue:high", "0\n"), ("queue:default", "5\n"), ("queue:low", "0\n")] {
        // As in the guide: no database is named.
        let output =
            Command::new("redis-cli").args(["-u", &scene.redis.url(), "--no-auth-warning", "LLEN", list]).output();
        let output = output.expect("redis-cli is installed beside the server");
        assert_eq!(String::from_utf8_lossy(&output.stdout), length, "{list}");
    }
    check(&mut scene.operator());
    let keys = scene.operator().keys("queue:*");
    assert_eq!(keys, ["queue:default"], "nothing else begins so");
}

#[tokio::test]
async fn a_drained_queue_leaves_only_its_counters() {
    let scene = Scene::new().await;
    for n in 0..20 {
        let unique = Some(UniqueKey::parse(&format!("u{n}")).expect("allowed"));
        let priority = Priority::ALL[n % 3];
        let job = Job { unique, priority, ..job(1 + n as i64, &format!("{n}")) };
        scene.queue.enqueue(&job).await.expect("Redis should answer");
    }
    for claimed in take(&scene.queue, 32, 60_000).await {
        scene.queue.complete(&claimed.lease).await.expect("the lease is fresh");
    }
    let (answers, kept): (Vec<String>, Vec<String>) =
        scene.operator().keys("*").into_iter().partition(|key| key.starts_with("jobq:claim:"));
    assert_eq!(kept, ["jobq:epoch", "jobq:meta", "jobq:seq"]);
    for key in answers {
        let left_ms: i64 = scene.operator().ask(&["PTTL", &key]);
        assert!((1..=60_000).contains(&left_ms), "{key} ends with the lease: {left_ms}");
    }
    let fields: i64 = scene.operator().ask(&["HLEN", "jobq:meta"]);
    assert!(fields <= 7, "{fields} fields");
}

#[tokio::test]
async fn a_full_queue_says_so() {
    let scene = Scene::new().await;
    scene.queue.enqueue(&job(1, "a")).await.expect("Redis should answer");
    let fill = "for n = 2, ARGV[1] do redis.call('HSET', 'jobq:jobs', 'x' .. n, '') end return redis.call('HLEN', 'jobq:jobs')";
    let filled: usize = scene.operator().ask(&["EVAL", fill, "0", &JOBS_MAX.to_string()]);
    assert_eq!(filled, JOBS_MAX);
    let both = scene.queue.enqueue_all(&[job(1, "a"), job(1, "b")]).await.expect("Redis should answer");
    assert_eq!(both, [Enqueued::Known(Stage::Ready), Enqueued::Full]);
    let _: i64 = scene.operator().ask(&["HDEL", "jobq:jobs", "x2"]);
    let both = scene.queue.enqueue_all(&[job(1, "b"), job(1, "c")]).await.expect("Redis should answer");
    assert_eq!(both, [Enqueued::New(Stage::Ready), Enqueued::Full]);
}

#[tokio::test]
async fn a_list_that_somebody_changed_is_mended_at_the_next_claim() {
    let scene = Scene::new().await;
    let mut operator = scene.operator();
    for harm in [
        &["DEL", "queue:default"][..],
        &["RPUSH", "queue:default", "stranger"],
        &["LPOP", "queue:default"],
        &["LSET", "queue:default", "0", "stranger"],
        &["LSET", "queue:default", "-1", "stranger"],
        &["SET", "queue:default", "text"],
    ] {
        for n in 0..6 {
            scene.queue.enqueue(&job(1, &format!("{n}"))).await.expect("Redis should answer");
        }
        let _: redis::Value = operator.ask(harm);
        let mut ids = Vec::new();
        while let Some(claimed) = take(&scene.queue, 1, 60_000).await.pop() {
            ids.push(claimed.job.id.to_string());
            scene.queue.complete(&claimed.lease).await.expect("the lease is fresh");
        }
        assert_eq!(ids, ["0", "1", "2", "3", "4", "5"], "after {harm:?}");
        check(&mut operator);
    }
}
