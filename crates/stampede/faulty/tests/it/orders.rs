//! Tries to see the bugs of orders and of their idempotency keys.

use serde_json::{Value, json};

use crate::client::{Answer, Client, count, items, together};

const A: &str = "ann@a";

async fn two_products(url: &str, units: i64) -> (Client, String, String) {
    let mut ann = Client::open(url, A).await;
    let (one, other) = (ann.product(units).await, ann.product(units).await);
    (ann, one, other)
}

pub(crate) async fn two_orders_deadlock(url: &str) -> bool {
    let (_, one, other) = &two_products(url, 100).await;
    let order = |index: usize, mut client: Client| async move {
        let lines =
            if index.is_multiple_of(2) { [(one.as_str(), 1), (other, 1)] } else { [(other.as_str(), 1), (one, 1)] };
        client.order(&lines).await
    };
    let answers = together(Client::several(url, A, 6).await, order).await;
    answers.iter().any(|answer| answer.status == 500 && answer.text("code") == "deadlock")
}

pub(crate) async fn two_lines_take_more_than_there_is(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    ann.order(&[(&product, 3), (&product, 3)]).await.status == 201
}

pub(crate) async fn a_refused_order_takes_units(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let (one, empty) = (ann.product(5).await, ann.product(0).await);
    assert_eq!(ann.order(&[(&one, 1), (&empty, 1)]).await.text("product_id"), empty);
    ann.level(&one).await.int("available") != 5
}

fn versions(answer: &Answer) -> (i64, i64) {
    let version = |line: usize| answer.body["items"][line]["version"].as_i64().unwrap();
    (version(0), version(1))
}

pub(crate) async fn orders_overtake_each_other(url: &str) -> bool {
    let (_, one, other) = &two_products(url, 100).await;
    let order = |_, mut client: Client| async move { client.order(&[(one, 1), (other, 1)]).await };
    let answers = together(Client::several(url, A, 8).await, order).await;
    let mut seen: Vec<(i64, i64)> = answers.iter().map(versions).collect();
    seen.sort_unstable();
    !seen.is_sorted_by_key(|(_, other)| *other)
}

pub(crate) async fn a_snapshot_shows_half_an_order(url: &str) -> bool {
    let (_, one, other) = &two_products(url, 100).await;
    let work = |index: usize, mut client: Client| async move {
        if index.is_multiple_of(2) {
            return client.order(&[(one, 1), (other, 1)]).await;
        }
        client.get(&format!("/stock?ids={one},{other}")).await
    };
    let answers = together(Client::several(url, A, 16).await, work).await;
    let torn = |answer: &&Answer| {
        let data: Vec<&Value> = answer.body["data"].as_array().unwrap().iter().collect();
        assert_eq!(data.len(), 2);
        data[0]["available"] != data[1]["available"]
    };
    answers.iter().filter(|answer| answer.status == 200).any(|answer| torn(&answer))
}

async fn keyed(client: &mut Client, key: &str, product: &str, units: i64) -> Answer {
    client.with("idempotency-key", key).order(&[(product, units)]).await
}

async fn made(client: &mut Client, key: &str) -> usize {
    let listed = client.get(&format!("/orders?idempotency_key={key}")).await;
    listed.body["data"].as_array().unwrap().len()
}

pub(crate) async fn another_body_gets_the_first_answer(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    assert_eq!(keyed(&mut ann, &product, &product, 1).await.status, 201);
    keyed(&mut ann, &product, &product, 2).await.status == 201
}

pub(crate) async fn a_replay_has_another_id(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    let first = keyed(&mut ann, &product, &product, 1).await;
    let replayed = keyed(&mut ann, &product, &product, 1).await;
    assert_eq!((first.status, replayed.status), (201, 201));
    assert_eq!(replayed.header("idempotent-replayed"), 1);
    first.body != replayed.body
}

pub(crate) async fn one_key_makes_two_orders_at_once(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = &ann.product(50).await;
    let order = |_, mut client: Client| async move { keyed(&mut client, product, product, 1).await };
    let answers = together(Client::several(url, A, 4).await, order).await;
    assert_eq!(count(&answers, 201), 4);
    let orders = made(&mut ann, product).await;
    let taken = 50 - ann.level(product).await.int("available");
    assert_eq!(taken, orders as i64);
    orders != 1
}

pub(crate) async fn one_key_makes_two_orders_over_two_connections(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(50).await;
    for mut client in Client::several(url, A, 2).await {
        let body = json!({"items": items(&[(&product, 1)]), "body": {"text": "twice"}});
        let answer = client.with("idempotency-key", &product).post("/orders", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    made(&mut ann, &product).await != 1
}
