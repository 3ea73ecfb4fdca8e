//! `Server-Timing` says where the time of a request went.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox::testing::eventually;
use serde_json::json;

use crate::world::{Answer, World};

/// How long somebody is kept waiting, at least.
const WAIT_MS: f64 = 500.0;

/// The times of an answer in milliseconds.
fn times(answer: &Answer) -> BTreeMap<String, f64> {
    let header = answer.headers["server-timing"].to_str().unwrap();
    let read = |part: &str| {
        let (name, time) = part.split_once(";dur=").unwrap();
        (name.to_owned(), time.parse().unwrap())
    };
    header.split(", ").map(read).collect()
}

#[tokio::test]
async fn every_answer_says_how_long_each_part_took() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("P", 10).await;
    let hold = json!({"items": [{"product_id": product, "quantity": 1}]});
    let keyed = world.one.with("idempotency-key", "k");
    let answers = [
        world.one.get("/customers").await,
        world.one.get("/orders").await,
        world.one.post("/reservations", &hold).await,
        keyed.post("/customers", &json!({"code": "c", "name": "C"})).await,
    ];
    for answer in answers {
        let times = times(&answer);
        assert_eq!(times.keys().collect::<Vec<_>>(), ["app", "db", "lock_wait", "queue"]);
        assert!(times["db"] > 0.0, "{times:?}");
        assert!(times.values().all(|time| *time >= 0.0), "{times:?}");
    }
    let refused = world.one.nobody().get("/customers").await;
    assert!(times(&refused)["db"] <= 0.0, "nothing was asked of the database");
}

#[tokio::test]
async fn waiting_for_another_s_lock_is_told_from_work() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("P", 10).await;
    let (other, connection) =
        world.database.url().parse::<tokio_postgres::Config>().unwrap().connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    other.batch_execute("begin; select 1 from stock_levels for update").await.unwrap();
    let hold = json!({"items": [{"product_id": product, "quantity": 1}]});
    let caller = world.one.clone();
    let held_up = tokio::spawn(async move { caller.post("/reservations", &hold).await });
    let waits =
        "select coalesce(max(extract(epoch from clock_timestamp() - waitstart) * 1000), 0)::float8 from pg_locks
                  where not granted and pid in (select pid from pg_stat_activity where datname = current_database())";
    // Long enough to be told from work, on whatever machine.
    let has_waited = || async { other.query_one(waits, &[]).await.unwrap().get::<_, f64>(0) >= WAIT_MS };
    eventually(Duration::from_secs(20), has_waited).await;
    other.batch_execute("commit").await.unwrap();
    let answer = held_up.await.unwrap();
    assert_eq!(answer.status, 201, "{:#}", answer.body);
    let times = times(&answer);
    let work_ms = times["db"] + times["app"] + times["queue"];
    assert!(times["lock_wait"] >= WAIT_MS && times["lock_wait"] > work_ms, "{times:?}");
}
