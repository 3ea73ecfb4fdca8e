//! Tries to see the bugs of the queue.

use std::time::Duration;

use serde_json::json;

use crate::client::{Answer, Client, becomes, together};

const A: &str = "ann@a";

/// Asks for so many jobs at once and answers their names.
async fn ask_for(url: &str, ann: &mut Client, many: usize) -> Vec<String> {
    let unique = ann.product(0).await;
    let names: Vec<String> = (0..many).map(|index| format!("{unique}-{index}")).collect();
    let enqueue = |index: usize, mut client: Client| {
        let job = &names[index];
        async move { client.post("/jobs", json!({"job": job})).await.status }
    };
    assert_eq!(together(Client::several(url, A, many).await, enqueue).await, vec![202; many]);
    names
}

fn is_drained(answer: &Answer) -> bool {
    answer.int("ready") + answer.int("delayed") + answer.int("reserved") + answer.int("dead") == 0
}

async fn drains(ann: &mut Client) -> bool {
    becomes(ann, "/jobs/drained", is_drained, Duration::from_secs(2)).await
}

/// How often each took effect, once nothing is left to do.
async fn effects(ann: &mut Client, names: &[String]) -> Vec<i64> {
    assert!(drains(ann).await);
    let mut times = Vec::new();
    for name in names {
        times.push(ann.get(&format!("/jobs/effects?job={name}")).await.int("times"));
    }
    times
}

async fn crashes(ann: &mut Client, many: usize) {
    for _ in 0..many {
        assert_eq!(ann.post("/jobs/crash-worker", json!({})).await.status, 204);
    }
}

pub(crate) async fn a_crash_loses_a_job(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    crashes(&mut ann, 2).await;
    let names = ask_for(url, &mut ann, 3).await;
    effects(&mut ann, &names).await.contains(&0)
}

pub(crate) async fn two_crashes_lose_a_job(url: &str) -> bool {
    a_crash_loses_a_job(url).await
}

pub(crate) async fn a_crash_leaves_a_job_reserved(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    crashes(&mut ann, 2).await;
    ask_for(url, &mut ann, 3).await;
    !drains(&mut ann).await
}

pub(crate) async fn a_crash_doubles_a_job(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    crashes(&mut ann, 2).await;
    let names = ask_for(url, &mut ann, 3).await;
    effects(&mut ann, &names).await.iter().any(|times| *times > 1)
}

pub(crate) async fn jobs_asked_for_at_once_are_lost(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let names = ask_for(url, &mut ann, 20).await;
    effects(&mut ann, &names).await.contains(&0)
}

pub(crate) async fn a_flush_loses_jobs(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let names = ask_for(url, &mut ann, 20).await;
    assert_eq!(ann.post("/jobs/flush", json!({})).await.status, 204);
    effects(&mut ann, &names).await.contains(&0)
}
