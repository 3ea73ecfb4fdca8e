//! What an operator sees and does: settings that are refused, a pause, the status, a replay, and an orderly end.

use std::process::Output;
use std::time::Duration;

use sandbox::testing::eventually;

use super::rig::{PROGRAM, Rig, number};

const SOON: Duration = Duration::from_mins(1);

async fn run(args: &[&str]) -> Output {
    tokio::process::Command::new(PROGRAM).args(args).env_remove("KV_LOG").output().await.unwrap()
}

async fn said(args: &[&str]) -> String {
    let output = run(args).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_worker_names_everything_that_it_cannot_work_with() {
    let url = "postgresql://kv_app@localhost/none";
    let output = run(&[
        "worker",
        "--database-url",
        url,
        "--redis-url",
        "redis://localhost",
        "--queues",
        "high,urgent",
        "--job-concurrency",
        "0",
        "--job-lease-ms",
        "5",
        "--cron",
        "forget_jobs=0 0 31 2 *",
    ])
    .await;
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for fault in
        ["--queues", "urgent", "--job-concurrency", "--job-lease-ms", "never comes, so forget_jobs would never be done"]
    {
        assert!(text.contains(fault), "{fault} in {text}");
    }
}

#[tokio::test]
async fn a_queue_is_paused_looked_at_and_resumed_and_a_dead_job_begins_anew() {
    let rig = Rig::start().await;
    let shop = rig.shop("shop").await;
    let superuser = rig.superuser().await;
    let (redis, database) = (rig.redis.url(), rig.database.url());
    let queue = |word: &'static str| ["admin", "queue", word, "--redis-url"];
    let steer = async |word: &'static str| said(&[&queue(word)[..], &[redis.as_str(), "default"]].concat()).await;
    let status =
        async || said(&[&queue("status")[..], &[redis.as_str(), "--database-url", database.as_str()]].concat()).await;
    steer("pause").await;
    let worker = rig.worker(&[]).await;
    rig.order(shop, 3).await;
    eventually(SOON, || async {
        let seen = status().await;
        seen.lines().any(|line| line.starts_with("queue:default ready=3 ") && line.ends_with(" paused")).then_some(())
    })
    .await;
    assert!(status().await.contains("database kind=send_order_confirmation open=3"));
    // One is given up meanwhile, and begins anew when an operator says so.
    let bury = "update jobs set state = 'dead', finished_at = now() where id = (select min(id::text)::uuid from jobs where kind like 'send%')";
    superuser.batch_execute(bury).await.unwrap();
    steer("resume").await;
    let confirmed = async |orders: i64| {
        eventually(SOON, || async {
            (number(&superuser, "select count(*) from order_confirmations").await == orders).then_some(())
        })
        .await;
    };
    confirmed(2).await;
    let replay = ["admin", "queue", "replay", "--database-url", database.as_str(), "--tenant"];
    assert_eq!(said(&[&replay[..], &["shop", "--kind", "other"]].concat()).await, "0 dead jobs begin anew\n");
    assert_eq!(
        said(&[&replay[..], &["shop", "--kind", "send_order_confirmation"]].concat()).await,
        "1 dead jobs begin anew\n"
    );
    confirmed(3).await;
    assert_eq!(said(&["admin", "deliveries", "--database-url", database.as_str()]).await, "");
    assert_eq!(worker.terminate().await.code(), Some(0), "{}", worker.log_tail(20));
}
