//! Tries to see the bugs of stock.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, becomes, count, items, together};

const A: &str = "ann@a";
const NEVER: Duration = Duration::from_millis(700);

pub(crate) async fn units_vanish(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(0).await;
    let path = format!("/stock/{product}/receipts");
    let receive = |_, mut client: Client| {
        let path = &path;
        async move { client.post(path, json!({"units": 1})).await }
    };
    let answers = together(Client::several(url, A, 10).await, receive).await;
    assert_eq!(count(&answers, 201), 10);
    ann.level(&product).await.int("available") != 10
}

pub(crate) async fn more_is_reserved_than_there_is(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = &ann.product(5).await;
    let reserve = |_, mut client: Client| async move { client.reserve(product, 1).await };
    count(&together(Client::several(url, A, 10).await, reserve).await, 201) > 5
}

pub(crate) async fn the_last_unit_is_refused(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(1).await;
    ann.reserve(&product, 1).await.status == 409
}

pub(crate) async fn a_unit_is_sold_that_is_not_there(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(1).await;
    ann.reserve(&product, 1).await;
    ann.reserve(&product, 1).await.status == 201
}

pub(crate) async fn a_released_unit_is_refused(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(1).await;
    let held = ann.reserve(&product, 1).await.text("id");
    assert_eq!(ann.reserve(&product, 1).await.text("code"), "insufficient");
    assert_eq!(ann.post(&format!("/reservations/{held}/release"), json!({})).await.status, 200);
    ann.reserve(&product, 1).await.status == 409
}

pub(crate) async fn an_adjustment_goes_below_zero(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(1).await;
    ann.post(&format!("/stock/{product}/adjustments"), json!({"delta": -5})).await;
    ann.level(&product).await.int("available") < 0
}

pub(crate) async fn a_second_release_passes(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    let held = ann.reserve(&product, 2).await.text("id");
    let path = format!("/reservations/{held}/release");
    assert_eq!(ann.post(&path, json!({})).await.status, 200);
    ann.post(&path, json!({})).await.status == 200
}

pub(crate) async fn a_reservation_ends_twice(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    let held = ann.reserve(&product, 2).await.text("id");
    let end = |index: usize, mut client: Client| {
        let how = if index.is_multiple_of(2) { "release" } else { "confirm" };
        let path = format!("/reservations/{held}/{how}");
        async move { client.post(&path, json!({})).await }
    };
    count(&together(Client::several(url, A, 4).await, end).await, 200) > 1
}

async fn short_reservation(ann: &mut Client, product: &str) -> String {
    let answer = ann.post("/reservations", json!({"items": items(&[(product, 2)]), "ttl_ms": 20})).await;
    assert!(answer.int("expires_at_ms") > 1_600_000_000_000, "{answer:?}");
    answer.text("id")
}

pub(crate) async fn units_never_come_back(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    short_reservation(&mut ann, &product).await;
    !becomes(&mut ann, &format!("/stock/{product}"), |level| level.int("available") == 5, NEVER).await
}

pub(crate) async fn a_confirmation_passes_too_late(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(5).await;
    let held = short_reservation(&mut ann, &product).await;
    let path = format!("/reservations/{held}");
    assert!(becomes(&mut ann, &path, |held| held.body["state"] == "expired", NEVER).await);
    ann.post(&format!("/reservations/{held}/confirm"), json!({})).await.status == 200
}

pub(crate) async fn the_ledger_has_gaps(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(3).await;
    for _ in 0..5 {
        ann.post(&format!("/stock/{product}/adjustments"), json!({"delta": 1})).await;
    }
    let ledger = ann.get(&format!("/stock/{product}/movements?after=1")).await;
    ledger.body["data"].as_array().unwrap().len() != 5
}

pub(crate) async fn a_receipt_is_not_read(url: &str) -> bool {
    let mut ann = Client::open(url, A).await;
    let product = ann.product(3).await;
    ann.level(&product).await.int("available") != 3
}
