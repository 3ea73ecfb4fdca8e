//! Clients hammer five products while the machinery under them is killed; then every unit and every answer must be accounted for.
//!
//! Every reservation and receipt bears a reference of its own, so that one that happened twice, or that happened although its
//! client was told that it had not, is found as surely as one that was acknowledged and is gone.

mod client;
mod crowd;
mod imports;
mod kills;
mod proof;
mod rig;
mod told;

use std::time::Duration;

use sandbox::testing::eventually;
use tokio::time::interval;

use crowd::Crowd;
use rig::{Hold, Rig};

const PRODUCTS: usize = 5;

/// Service and database die together: the power goes.
mod power_cut {
    use super::*;

    const CLIENTS: u64 = 200;
    /// Few enough that many attempts find nothing left.
    const FIRST_UNITS: i64 = 100;
    /// Twenty seconds in four laps. It is the one wait here that is for time and not for a condition: that long is the load
    /// that the program has to survive, whatever a machine gets done in it.
    const LAP: Duration = Duration::from_secs(5);
    const LAPS: usize = 4;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_killed_service_and_database_lose_nothing_that_was_acknowledged() {
        let mut rig = Rig::start().await;
        let (levels, first) = rig.stock(PRODUCTS, FIRST_UNITS).await;
        let crowd = Crowd::start(CLIENTS, &rig.door(), &levels);
        let mut laps = interval(LAP);
        laps.tick().await;
        let mut before = 0;
        for _ in 0..LAPS {
            laps.tick().await;
            rig.assert_serving();
            assert!(crowd.acknowledged() > before, "nothing was acknowledged for {LAP:?}");
            before = crowd.acknowledged();
        }
        // Every client is in the middle of something, and ends only because its connection does.
        rig.kill().await;
        let mut records = crowd.records().await;
        let is_idle = |record: &told::Record| record.reservations.is_empty();
        assert!(!records.iter().any(is_idle), "a client did nothing");
        records.push(first);
        rig.restart().await;
        let tally = proof::check(&rig, &levels, &records).await;
        println!("{tally:?}");
        let short = tally.untouched.get("insufficient_stock");
        assert!(tally.acknowledged > CLIENTS && tally.ended > 0 && short.is_some(), "too little happened: {tally:?}");
        assert!(tally.uncertain.contains_key(told::UNANSWERED), "nobody was cut off: {tally:?}");
        proof::ask_again(&rig, &levels, &records).await;
    }
}

/// The service dies between the commit of an order and its answer, and the order is asked for again under its key.
mod lost_answer {
    use serde_json::json;

    use super::client::{Answer, Connection};
    use super::*;

    const UNITS: i64 = 100_000;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_order_whose_answer_died_with_the_service_is_placed_once() {
        let mut rig = Rig::start().await;
        let (levels, _) = rig.stock(1, UNITS).await;
        let mut connection = Connection::open(&rig.door()).await.unwrap();
        let (status, customer) =
            connection.post("/api/v1/customers", &json!({"code": "c", "name": "C"})).await.unwrap();
        assert_eq!(status, 201, "{customer}");
        let order = move |number: usize| {
            let items = json!([{"product_id": levels[0].product, "quantity": 1}]);
            (
                format!("order-{number}"),
                json!({"customer_id": customer["id"], "items": items, "reference": format!("order-{number}")}),
            )
        };
        let asked = order.clone();
        let client = tokio::spawn(async move {
            let mut told: Vec<Answer> = Vec::new();
            loop {
                let (key, body) = asked(told.len());
                match connection.post_once("/api/v1/orders", &body, &key).await {
                    Ok((answer, false)) if answer.0 == 201 => told.push(answer),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => return told,
                }
            }
        });
        // The commit is on disk, and the service waits for the word that it is.
        rig.hold_commits(Hold::BeforeAnswer).await;
        rig.kill().await;
        let told = client.await.unwrap();
        rig.restart().await;
        let mut connection = Connection::open(&rig.door()).await.unwrap();
        for (number, first) in told.iter().enumerate() {
            let (key, body) = order(number);
            let (again, is_replayed) = connection.post_once("/api/v1/orders", &body, &key).await.unwrap();
            assert_eq!((&again, is_replayed), (first, true));
        }
        let (key, body) = order(told.len());
        let (state, record) = connection.get(&format!("/api/v1/idempotency/{key}")).await.unwrap();
        assert_eq!((state, record["state"].as_str()), (200, Some("completed")), "the order was committed");
        let (answer, is_replayed) = connection.post_once("/api/v1/orders", &body, &key).await.unwrap();
        assert_eq!((answer.0, is_replayed), (201, true), "{answer:?}");
        assert_eq!(record["location"], format!("/api/v1/orders/{}", answer.1["id"].as_str().unwrap()));
        let inside = rig.look_inside().await;
        let found = inside.query("select id::text, number from orders where reference = $1", &[&key]).await.unwrap();
        let found: Vec<(&str, i64)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(found, [(answer.1["id"].as_str().unwrap(), answer.1["order_number"].as_i64().unwrap())]);
        let all: i64 = inside.query_one("select count(*) from orders", &[]).await.unwrap().get(0);
        assert_eq!(all, told.len() as i64 + 1);
        assert_eq!(rig.store.audit_stock(rig.tenant).await.unwrap(), vec![]);
    }
}

/// The database dies and comes back under a service that lives on.
mod database_crash {
    use super::*;

    const CLIENTS: u64 = 50;
    /// Enough that nearly every attempt writes.
    const FIRST_UNITS: i64 = 50_000;
    /// Acknowledged writes before each crash and after the last.
    const WRITES: u64 = 1_000;
    /// Of one more write, on a machine that has much else to do.
    const WRITTEN_WITHIN: Duration = Duration::from_mins(1);

    /// What the service loses with the database.
    #[derive(Clone, Copy, Debug)]
    enum Loss {
        /// Commits that are not on disk yet. Their transactions' numbers are given out anew, so a number proves nothing.
        Commits,
        /// The answers to commits that are on disk. The database is back while the service asks for their outcome.
        Answers,
        /// The same, and the database stays away until the service has given up asking.
        AnswersForLong,
    }

    async fn write_on(crowd: &Crowd) {
        let goal = crowd.acknowledged() + WRITES;
        while crowd.acknowledged() < goal {
            let before = crowd.acknowledged();
            eventually(WRITTEN_WITHIN, async || crowd.acknowledged() > before).await;
        }
    }

    async fn crash(rig: &mut Rig, crowd: &Crowd, loss: Loss) {
        let hold = if matches!(loss, Loss::Commits) { Hold::BeforeDisk } else { Hold::BeforeAnswer };
        rig.hold_commits(hold).await;
        let unknown = crowd.unknown();
        rig.kill_postgres().await;
        if matches!(loss, Loss::AnswersForLong) {
            eventually(WRITTEN_WITHIN, async || crowd.unknown() > unknown).await;
        }
        rig.restart_postgres().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_crashed_database_under_a_living_service_makes_no_answer_a_lie() {
        let mut rig = Rig::start().await;
        let (levels, first) = rig.stock(PRODUCTS, FIRST_UNITS).await;
        let crowd = Crowd::start(CLIENTS, &rig.door(), &levels);
        for loss in [Loss::Commits, Loss::Answers, Loss::AnswersForLong] {
            write_on(&crowd).await;
            crash(&mut rig, &crowd, loss).await;
        }
        write_on(&crowd).await;
        rig.assert_serving();
        let mut records = crowd.end().await;
        records.push(first);
        let tally = proof::check(&rig, &levels, &records).await;
        println!("{tally:?}");
        assert!(!tally.uncertain.contains_key(told::UNANSWERED), "the service hung up on a client: {tally:?}");
        assert!(tally.uncertain.contains_key(told::OUTCOME_UNKNOWN), "no commit's outcome was lost: {tally:?}");
        assert!(tally.uncertain_and_found > 0, "a commit that was on disk is gone: {tally:?}");
        assert!(tally.untouched.contains_key("unavailable"), "nobody noticed that the database was away: {tally:?}");
        proof::ask_again(&rig, &levels, &records).await;
    }
}
