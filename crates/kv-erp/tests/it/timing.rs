//! `Server-Timing` says where the time of a request went.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sandbox::testing::eventually;
use serde_json::json;

use crate::world::{Answer, World};

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
    let (other, connection) = world.database.url().parse::<tokio_postgres::Config>().unwrap().connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    other.batch_execute("begin; select 1 from stock_levels for update").await.unwrap();
    let hold = json!({"items": [{"product_id": product, "quantity": 1}]});
    let caller = world.one.clone();
    let held_up = tokio::spawn(async move { caller.post("/reservations", &hold).await });
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    let is_waiting = || async { other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0 };
    eventually(Duration::from_secs(20), is_waiting).await;
    let begun = Instant::now();
    // A wait that can be measured.
    other.batch_execute("select pg_sleep(0.2); commit").await.unwrap();
    let waited_ms = begun.elapsed().as_secs_f64() * 1_000.0;
    let answer = held_up.await.unwrap();
    assert_eq!(answer.status, 201, "{:#}", answer.body);
    let times = times(&answer);
    assert!(times["lock_wait"] >= waited_ms * 0.8 && times["lock_wait"] > times["db"] + times["app"] + times["queue"], "{times:?} of {waited_ms}");
}
