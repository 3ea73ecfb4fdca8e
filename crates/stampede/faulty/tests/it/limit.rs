//! Tries to see the bugs of the limiter. Each try has users of its own; one that took longer than a window says nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Answer, Client, config, count, together};

/// A user nobody has used.
pub(crate) fn user() -> String {
    static USED: AtomicU32 = AtomicU32::new(0);
    format!("user{}@t{}", USED.fetch_add(1, Ordering::Relaxed), USED.load(Ordering::Relaxed))
}

pub(crate) async fn call(_: usize, mut client: Client) -> Answer {
    client.get("/limited").await
}

fn in_time(started: Instant) -> bool {
    started.elapsed() < config().window
}

async fn sequential(client: &mut Client, calls: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for _ in 0..calls {
        answers.push(client.get("/limited").await);
    }
    answers
}

pub(crate) async fn too_many_pass_at_once(url: &str) -> bool {
    let clients = Client::several(url, &user(), 15).await;
    let started = Instant::now();
    let answers = together(clients, call).await;
    count(&answers, 200) > config().limit && in_time(started)
}

pub(crate) async fn too_many_pass_over_two_connections(url: &str) -> bool {
    let mut clients = Client::several(url, &user(), 2).await;
    let (started, mut passed) = (Instant::now(), 0);
    for index in 0..8 {
        passed += usize::from(clients[index % 2].get("/limited").await.status == 200);
    }
    passed > config().limit && in_time(started)
}

/// Calls until one passes; whether none did for several windows.
async fn never_passes(client: &mut Client) -> bool {
    let started = Instant::now();
    while started.elapsed() < config().window * 3 {
        if client.get("/limited").await.status == 200 {
            return false;
        }
    }
    true
}

pub(crate) async fn nothing_passes_in_the_next_window(url: &str) -> bool {
    let mut client = Client::open(url, &user()).await;
    sequential(&mut client, config().limit).await;
    tokio::time::sleep(config().window).await;
    client.get("/limited").await.status == 429
}

pub(crate) async fn two_calls_have_the_same_remaining(url: &str) -> bool {
    let clients = Client::several(url, &user(), config().limit).await;
    let started = Instant::now();
    let answers = together(clients, call).await;
    let mut remaining: Vec<i64> = answers.iter().map(|answer| answer.header("x-ratelimit-remaining")).collect();
    remaining.sort_unstable();
    let expected: Vec<i64> = (0..config().limit as i64).collect();
    remaining != expected && in_time(started)
}

pub(crate) async fn one_too_many_passes(url: &str) -> bool {
    let mut client = Client::open(url, &user()).await;
    let started = Instant::now();
    let answers = sequential(&mut client, config().limit + 1).await;
    count(&answers, 200) > config().limit && in_time(started)
}

pub(crate) async fn who_keeps_asking_never_passes(url: &str) -> bool {
    let mut client = Client::open(url, &user()).await;
    sequential(&mut client, config().limit).await;
    never_passes(&mut client).await
}

pub(crate) async fn another_user_is_refused(url: &str) -> bool {
    let tenant = user().replace('@', "-");
    let mut ann = Client::open(url, &format!("ann@{tenant}")).await;
    let mut eve = Client::open(url, &format!("eve@{tenant}")).await;
    sequential(&mut ann, config().limit).await;
    eve.get("/limited").await.status == 429
}

#[test]
fn a_refused_call_says_when_to_come_again_and_is_right() {
    crate::client::block_on(async {
        let server = crate::client::start(None, 3);
        let mut client = Client::open(&server.url(), &user()).await;
        let answers = sequential(&mut client, config().limit * 3).await;
        let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
        assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), (5, 0));
        let ahead = refused.header("x-ratelimit-reset") * 1_000 - refused.header("x-ratelimit-reset-ms");
        assert!((0..1_000).contains(&ahead), "{refused:?}");
        assert_eq!(refused.header("retry-after"), 1);
        let wait = refused.header("retry-after-ms") as u64;
        assert!(wait <= 402, "{wait}");
        // The time really passes: that what is promised then comes true is what is tested.
        tokio::time::sleep(Duration::from_millis(wait)).await;
        assert_eq!(client.get("/limited").await.status, 200);
    });
}
