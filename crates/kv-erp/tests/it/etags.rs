//! Conditions on the state of a thing: `If-Match` on changes, `If-None-Match` on reads.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{Answer, Caller, World, faults};

fn etag(answer: &Answer) -> &str {
    answer.headers.get("etag").expect("the answer has a tag").to_str().unwrap()
}

/// One of each thing of the catalogue, and what makes another.
fn catalogue() -> [(&'static str, Value); 3] {
    [
        ("/customers", json!({"code": "C", "name": "N"})),
        ("/products", json!({"sku": "C", "name": "N", "price_minor": 1, "currency": "EUR"})),
        ("/warehouses", json!({"code": "C", "name": "N"})),
    ]
}

async fn rename(caller: &Caller, path: &str, name: &str, tags: &str) -> Answer {
    caller.with("if-match", tags).send(&format!("PATCH {path}"), &json!({"name": name})).await
}

#[tokio::test]
async fn a_change_must_say_what_it_was_made_for() {
    let world = World::new().await;
    for (list, new) in catalogue() {
        let made = world.one.post(list, &new).await;
        assert_eq!(etag(&made), "\"1\"");
        let path = format!("{list}/{}", made.made());
        let problem = world.one.send(&format!("PATCH {path}"), &json!({"name": "M"})).await;
        let problem = problem.refused(428, "precondition_required");
        assert!(problem["detail"].as_str().unwrap().contains("If-Match"), "{problem}");

        let changed = rename(&world.one, &path, "M", "\"1\"").await;
        assert_eq!((etag(&changed), changed.status), ("\"2\"", 200));
        let stale = rename(&world.one, &path, "O", "\"1\"").await;
        assert_eq!(etag(&stale), "\"2\"");
        assert_eq!(stale.refused(412, "version_mismatch")["current_version"], 2);
        for never in ["W/\"2\"", "\"2.5\"", "\"02\"", "\"abc\"", "\"1\", W/\"2\", \"3\""] {
            rename(&world.one, &path, "O", never).await.refused(412, "version_mismatch");
        }
        assert_eq!(world.one.get(&path).await.expect(200)["name"], "M", "nothing of these was written");
        assert_eq!(etag(&rename(&world.one, &path, "P", "\"7\" ,, \"2\"").await), "\"3\"");
        assert_eq!(etag(&rename(&world.one, &path, "Q", " * ").await), "\"4\"");
        let bad = rename(&world.one, &path, "R", "4").await.refused(422, "validation_failed");
        assert_eq!(faults(&bad), ["If-Match invalid_format"]);

        // Nothing to change has a condition too.
        let nothing = world.one.with("if-match", "\"3\"").send(&format!("PATCH {path}"), &json!({})).await;
        nothing.refused(412, "version_mismatch");
        let nothing = world.one.with("if-match", "\"4\"").send(&format!("PATCH {path}"), &json!({})).await;
        assert_eq!((etag(&nothing), nothing.status), ("\"4\"", 200));

        // An end may have one, and what is not there is not there under any.
        let delete = format!("DELETE {path}");
        world.one.with("if-match", "\"3\"").ask(&delete).await.refused(412, "version_mismatch");
        world.one.with("if-match", "\"4\"").ask(&delete).await.expect(204);
        world.one.with("if-match", "\"4\"").ask(&delete).await.refused(404, "not_found");
        rename(&world.one, &path, "M", "*").await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn of_changes_for_the_same_state_one_is_done() {
    let world = World::new().await;
    for (list, new) in catalogue() {
        let path = format!("{list}/{}", world.one.post(list, &new).await.made());
        for round in 1..=3_i64 {
            let tag = format!("\"{round}\"");
            let names: Vec<String> = (0..12).map(|number| format!("{round}-{number}")).collect();
            let answers = join_all(names.iter().map(|name| rename(&world.one, &path, name, &tag))).await;
            let done: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
            assert_eq!(done.len(), 1, "{list}");
            assert_eq!(world.one.get(&path).await.expect(200), done[0].body, "what was answered is what is there");
            for refused in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!((refused.status, &refused.body["current_version"]), (412, &json!(round + 1)), "{refused:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_repeat_under_a_key_is_answered_although_the_state_is_another() {
    let world = World::new().await;
    for (list, new) in catalogue() {
        let path = format!("{list}/{}", world.one.post(list, &new).await.made());
        let keyed = world.one.with("idempotency-key", format!("patch:{list}"));
        let first = rename(&keyed, &path, "M", "\"1\"").await;
        rename(&world.one, &path, "O", "*").await.expect(200);
        let again = rename(&keyed, &path, "M", "\"1\"").await;
        assert_eq!((again.status, &again.bytes, etag(&again)), (200, &first.bytes, "\"2\""));
        assert_eq!(again.headers["idempotency-replayed"], "true");
        // A key whose write was refused had no effect, and a later one has.
        let other = world.one.with("idempotency-key", format!("late:{list}"));
        rename(&other, &path, "P", "\"1\"").await.refused(412, "version_mismatch");
        assert_eq!(etag(&rename(&other, &path, "P", "\"3\"").await), "\"4\"");
        assert_eq!(world.one.get(&path).await.expect(200)["name"], "P");
    }
}

#[tokio::test]
async fn what_the_caller_has_is_not_sent_again() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 5).await;
    let customer = world.one.customer("C").await;
    let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 1}]});
    let order = world.one.post("/orders", &order).await.made();
    for path in [
        format!("/customers/{customer}"),
        format!("/products/{product}"),
        format!("/warehouses/{warehouse}"),
        format!("/orders/{order}"),
        format!("/stock-levels/{product}/{warehouse}"),
    ] {
        let seen = world.one.get(&path).await;
        let tag = etag(&seen).to_owned();
        assert_eq!(seen.status, 200);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let answer = world.one.with("if-none-match", known).get(&path).await;
            assert_eq!((answer.status, etag(&answer), answer.bytes.len()), (304, tag.as_str(), 0), "{path}");
        }
        assert_eq!(world.one.with("if-none-match", "\"x\"").get(&path).await.status, 200);
        world.one.with("if-none-match", "x").get(&path).await.refused(422, "validation_failed");
        let foreign = world.two.with("if-none-match", tag).get(&path).await;
        foreign.refused(404, "not_found");
    }
}

#[tokio::test]
async fn steps_of_an_order_honour_a_condition() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("A", 5).await;
    let customer = world.one.customer("C").await;
    let order = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 2}]});
    let made = world.one.post("/orders", &order).await;
    assert_eq!(etag(&made), "\"1\"");
    let id = made.made();
    let step = |word: &str, tag: &str| {
        let (caller, line) = (world.one.with("if-match", tag), format!("POST /orders/{id}/{word}"));
        async move { caller.ask(&line).await }
    };
    let stale = step("confirm", "\"2\"").await;
    assert_eq!(etag(&stale), "\"1\"");
    assert_eq!(stale.refused(412, "version_mismatch")["current_version"], 1);
    assert_eq!(etag(&step("confirm", "\"1\"").await), "\"2\"");
    step("cancel", "\"1\"").await.refused(412, "version_mismatch");
    step("fulfill", "W/\"2\"").await.refused(412, "version_mismatch");
    assert_eq!(world.one.get(&format!("/orders/{id}")).await.expect(200)["status"], "confirmed");
    let shipped = step("fulfill", "\"2\"").await;
    assert_eq!(etag(&shipped), "\"3\"");
    assert_eq!(shipped.expect(200)["status"], "fulfilled");
    // Without a condition, as before.
    world.one.ask(&format!("POST /orders/{id}/fulfill")).await.expect(200);
}

#[tokio::test]
async fn a_backorder_limit_is_part_of_a_levels_state() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 5).await;
    let level = format!("/stock-levels/{product}/{warehouse}");
    let put = |limit: i64, tag: &str| {
        let (caller, line) = (world.one.with("if-match", tag), format!("PUT {level}/backorder-limit"));
        async move { caller.send(&line, &json!({"limit": limit})).await }
    };
    assert_eq!(etag(&world.one.get(&level).await), "\"1\"");
    assert_eq!(etag(&put(7, "\"1\"").await), "\"1.7\"");
    // The version counts movements, of which this was none: the tag tells the two states apart all the same.
    let stale = put(9, "\"1\"").await;
    assert_eq!(etag(&stale), "\"1.7\"");
    stale.refused(412, "version_mismatch");
    assert_eq!(world.one.get(&level).await.expect(200)["backorder_limit"], 7);
    let answers = join_all((0..8).map(|limit| put(10 + limit, "\"1.7\""))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 7);
}

/// A level is made when its limit is set. A condition that does not hold is refused before, whatever else the request brings along.
#[tokio::test]
async fn a_level_that_is_not_there_is_in_the_state_it_would_be_made_in() {
    let world = World::new().await;
    let (product, warehouse) = (world.one.product("A").await, world.one.warehouse("W", 100).await);
    let level = format!("/stock-levels/{product}/{warehouse}");
    let fenced = world.one.with("x-lock-fence", "stock:a=1");
    let line = format!("PUT {level}/backorder-limit");
    let refused = fenced.with("if-match", "\"1\"").send(&line, &json!({"limit": 3})).await;
    assert_eq!(etag(&refused), "\"0\"");
    refused.refused(412, "version_mismatch");
    world.one.get(&level).await.refused(404, "not_found");
    let made = fenced.with("if-match", "\"0\"").send(&line, &json!({"limit": 3})).await;
    assert_eq!((etag(&made), &made.body["backorder_limit"]), ("\"0.3\"", &json!(3)));
}

#[tokio::test]
async fn an_order_is_closed_in_the_state_that_was_seen() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("A", 5).await;
    let customer = world.one.customer("c").await;
    let items = |quantity: i64| json!([{"product_id": product, "quantity": quantity}]);
    let order = world.one.post("/orders", &json!({"customer_id": customer, "items": items(3)})).await.made();
    world.one.ask(&format!("POST /orders/{order}/confirm")).await.expect(200);
    let part = world.one.post(&format!("/orders/{order}/fulfill"), &json!({"items": items(1)})).await;
    let line = format!("POST /orders/{order}/close");
    world.one.with("if-match", "\"1\"").ask(&line).await.refused(412, "version_mismatch");
    assert_eq!(world.one.with("if-match", etag(&part)).ask(&line).await.expect(200)["status"], "fulfilled");
}

#[tokio::test]
async fn a_longer_life_is_another_state_of_an_order() {
    let world = World::new().await;
    let (product, _) = world.one.stocked("A", 5).await;
    let customer = world.one.customer("C").await;
    let items = json!([{"product_id": product, "quantity": 2}]);
    let body = json!({"customer_id": customer, "items": items, "ttl_seconds": 600});
    let made = world.one.post("/orders", &body).await;
    let first = etag(&made).to_owned();
    let path = format!("/orders/{}", made.made());
    let held = world.one.get(&path).await.expect(200)["reservation_id"].clone();
    let line = format!("POST /reservations/{}/extend", held.as_str().unwrap());
    world.one.send(&line, &json!({"ttl_seconds": 6_000})).await.expect(200);
    let seen = world.one.with("if-none-match", first.as_str()).get(&path).await;
    assert_eq!(seen.status, 200, "it is not what the caller has");
    let second = etag(&seen).to_owned();
    assert_ne!(second, first);
    let confirm = format!("POST {path}/confirm");
    world.one.with("if-match", first).ask(&confirm).await.refused(412, "version_mismatch");
    world.one.with("if-match", second).ask(&confirm).await.expect(200);
}
