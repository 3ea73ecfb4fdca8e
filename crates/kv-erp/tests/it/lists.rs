//! Filters, sorts, searches, counts and cursors of lists, as their callers meet them.

use std::collections::BTreeSet;

use kv_store::lists::known;
use serde_json::{Value, json};

use crate::world::{Answer, World, faults};

fn column(page: &Value, name: &str) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()).collect()
}

async fn shop() -> World {
    let world = World::new().await;
    for (code, name, email) in [
        ("C-1", "Ada Lovelace", "ada@example.com"),
        ("C-2", "Béla 100%", "bela@example.com"),
        ("C-3", "Cora_Dora", "cora@example.org"),
        ("C-4", "ada minor", "minor@example.org"),
        ("C-5", r"back\slash", "back@example.org"),
    ] {
        world.one.post("/customers", &json!({"code": code, "name": name, "email": email})).await.expect(201);
        world.two.post("/customers", &json!({"code": code, "name": name, "email": email})).await.expect(201);
    }
    world
}

#[tokio::test]
async fn text_is_found_anywhere_and_means_itself() {
    let world = shop().await;
    for (sought, codes) in [
        ("ADA", vec!["C-1", "C-4"]),
        ("b%C3%89la", vec!["C-2"]),
        ("0%25", vec!["C-2"]),
        ("%25", vec!["C-2"]),
        ("a_D", vec!["C-3"]),
        ("_", vec!["C-3"]),
        (r"k%5Cs", vec!["C-5"]),
        ("c-4", vec!["C-4"]),
        ("example.org", vec!["C-3", "C-4", "C-5"]),
        ("5%0Aback", vec![]),
        ("a", vec!["C-1", "C-2", "C-3", "C-4", "C-5"]),
        ("nobody", vec![]),
    ] {
        if sought.contains("%0A") {
            // A line feed stands between the words in the index, and in no text that is sought.
            world.one.get(&format!("/customers?q={sought}")).await.refused(422, "validation_failed");
            continue;
        }
        let page = world.one.get(&format!("/customers?q={sought}&count=exact")).await.expect(200);
        assert_eq!(column(&page, "code"), codes, "{sought}");
        assert_eq!(page["total"], codes.len(), "{sought}");
    }
    for bad in ["", "%20", &"x".repeat(101)] {
        let problem = world.one.get(&format!("/customers?q={bad}")).await.refused(422, "validation_failed");
        assert!(faults(&problem)[0].starts_with("q "), "{bad}");
    }
}

#[tokio::test]
async fn filters_and_sorts_of_the_catalogue() {
    let world = shop().await;
    let all = world.one.get("/customers").await.expect(200);
    assert_eq!(all.get("total"), None);
    let third = all["data"][2]["created_at"].as_str().unwrap().to_owned();
    for (query, codes) in [
        ("code=C-2", vec!["C-2"]),
        ("email=minor@example.org", vec!["C-4"]),
        ("email=MINOR@example.org", vec![]),
        ("sort=-code", vec!["C-5", "C-4", "C-3", "C-2", "C-1"]),
        ("sort=-created_at&limit=2", vec!["C-5", "C-4"]),
        ("q=ada&sort=-created_at", vec!["C-4", "C-1"]),
        ("q=example&code=C-3&email=cora@example.org", vec!["C-3"]),
        (&format!("created_from={third}"), vec!["C-3", "C-4", "C-5"]),
        (&format!("created_to={third}"), vec!["C-1", "C-2"]),
        (&format!("created_from={third}&created_to={third}"), vec![]),
        ("created_from=2000-01-01T00:00:00%2B05:00&sort=created_at", vec!["C-1", "C-2", "C-3", "C-4", "C-5"]),
    ] {
        let page = world.one.get(&format!("/customers?{query}")).await.expect(200);
        assert_eq!(column(&page, "code"), codes, "{query}");
    }
    for (query, fault) in [
        ("sort=phone", "sort invalid_format"),
        ("sort=", "sort invalid_format"),
        ("count=all", "count invalid_format"),
        ("created_from=yesterday", "created_from invalid_format"),
        ("created_to=-009999-01-01T00:00:00Z", "created_to invalid_format"),
        ("phone=1", "phone unknown_parameter"),
        ("code=%00", "code control_character"),
        ("q=a&q=b", "q repeated"),
    ] {
        let problem = world.one.get(&format!("/customers?{query}")).await.refused(422, "validation_failed");
        assert_eq!(faults(&problem), [fault], "{query}");
    }
    for (number, code) in ["east", "west", "north"].into_iter().enumerate() {
        world.one.warehouse(code, i32::try_from(number % 2).unwrap()).await;
    }
    let page = world.one.get("/warehouses?sort=priority&active=true").await.expect(200);
    assert_eq!(column(&page, "code"), ["east", "north", "west"]);
    assert_eq!(world.one.get("/warehouses?active=false").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn orders_reservations_and_stock_are_filtered() {
    let world = World::new().await;
    let (product, warehouse) = world.one.stocked("A", 100).await;
    let (scarce, _) = world.one.stocked("B", 3).await;
    let (ada, bela) = (world.one.customer("A").await, world.one.customer("B").await);
    let mut orders = Vec::new();
    for (customer, units, reference) in [(&ada, 3, "x"), (&bela, 1, "y"), (&ada, 2, "x")] {
        let items = json!([{"product_id": product, "quantity": units}]);
        let body = json!({"customer_id": customer, "items": items, "reference": reference});
        orders.push(world.one.post("/orders", &body).await.made());
    }
    world.one.ask(&format!("POST /orders/{}/confirm", orders[1])).await.expect(200);
    let second = world.one.get(&format!("/orders/{}", orders[1])).await.expect(200);
    let number = second["order_number"].as_i64().unwrap();
    let made = second["created_at"].as_str().unwrap();
    for (query, wanted) in [
        ("status=confirmed".to_owned(), vec![1]),
        (format!("customer_id={ada}"), vec![0, 2]),
        (format!("customer_id={ada}&sort=-created_at"), vec![2, 0]),
        ("reference=x&status=pending".to_owned(), vec![0, 2]),
        (format!("number={number}"), vec![1]),
        ("sort=total".to_owned(), vec![1, 2, 0]),
        ("sort=-total".to_owned(), vec![0, 2, 1]),
        ("sort=-number".to_owned(), vec![2, 1, 0]),
        (format!("from={made}"), vec![1, 2]),
        (format!("to={made}"), vec![0]),
    ] {
        let page = world.one.get(&format!("/orders?{query}")).await.expect(200);
        let ids: Vec<&String> = wanted.into_iter().map(|place: usize| &orders[place]).collect();
        assert_eq!(column(&page, "id").iter().collect::<Vec<_>>(), ids, "{query}");
        for order in page["data"].as_array().unwrap() {
            let shown = world.one.get(&format!("/orders/{}", order["id"].as_str().unwrap())).await.expect(200);
            assert_eq!(*order, shown, "{query}: as it is shown by itself");
        }
    }
    world.one.get("/orders?status=lost").await.refused(422, "validation_failed");

    let items = json!([{"product_id": product, "quantity": 1}, {"product_id": scarce, "quantity": 1}]);
    let held = world.one.post("/reservations", &json!({"items": items, "reference": "r"})).await.made();
    world.one.ask(&format!("POST /reservations/{held}/release")).await.expect(200);
    for query in ["status=released", "reference=r", "sort=-created_at&limit=1"] {
        let page = world.one.get(&format!("/reservations?{query}")).await.expect(200);
        assert_eq!(page["data"], json!([world.one.get(&format!("/reservations/{held}")).await.expect(200)]), "{query}");
    }
    assert_eq!(world.one.get("/reservations?count=exact").await.expect(200)["total"], 4);
    let of_order = world.one.get(&format!("/reservations?order_id={}", orders[1])).await.expect(200);
    assert_eq!(column(&of_order, "order_id"), [orders[1].clone()]);

    let low = world.one.get("/stock-levels?below=4").await.expect(200);
    assert_eq!(column(&low, "product_id"), [scarce]);
    let level = format!("product_id={product}&warehouse_id={warehouse}");
    let moved = world.one.get(&format!("/stock-movements?{level}&kind=reserved&after=2")).await.expect(200);
    assert_eq!(column(&moved, "kind"), ["reserved", "reserved", "reserved"]);
    let moved = world.one.get(&format!("/stock-movements?{level}&order_id={}", orders[0])).await.expect(200);
    assert_eq!(moved["data"].as_array().unwrap().len(), 1);
    let moved = world.one.get(&format!("/stock-movements?{level}&reservation_id={held}")).await.expect(200);
    assert_eq!(column(&moved, "kind"), ["reserved", "released"]);
    let pages = world.one.walk(&format!("/stock-movements?{level}&after=1&limit=1"), async || ()).await;
    assert_eq!(pages.iter().map(|row| row["version"].as_i64().unwrap()).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    let receipts =
        world.one.get("/stock-receipts?sort=-created_at&count=exact&from=2000-01-01T00:00:00Z").await.expect(200);
    assert_eq!((&receipts["total"], receipts["data"][0]["items"].as_array().unwrap().len()), (&json!(2), 1));
}

fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?.to_owned())
}

#[tokio::test]
async fn the_next_page_is_at_its_link() {
    let world = shop().await;
    for query in ["", "?", "?limit=2", "?limit=2&q=example&sort=-name&count=exact", "?sort=name&&limit=1&"] {
        let mut at = format!("/customers{query}");
        let mut met = Vec::new();
        loop {
            let answer = world.one.get(&at).await;
            let link = next(&answer);
            let page = answer.expect(200);
            assert_eq!(link.is_some(), page["next_cursor"].is_string(), "{query}");
            met.extend(column(&page, "code"));
            let Some(link) = link else { break };
            assert!(link.ends_with(page["next_cursor"].as_str().unwrap()), "{link}");
            at = link;
        }
        assert_eq!(met.len(), 5, "{query}");
        assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), 5, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_leads_on_only_where_it_was_given() {
    let world = shop().await;
    world.one.warehouse("a", 1).await;
    world.one.warehouse("b", 1).await;
    let cursor = |page: Value| page["next_cursor"].as_str().unwrap().to_owned();
    let plain = cursor(world.one.get("/customers?limit=1").await.expect(200));
    let filtered = cursor(world.one.get("/customers?limit=1&q=ada").await.expect(200));
    let sorted = cursor(world.one.get("/customers?limit=1&sort=name").await.expect(200));
    let elsewhere = cursor(world.one.get("/warehouses?limit=1").await.expect(200));
    for (path, good) in [("/customers?", &plain), ("/customers?q=ada&", &filtered), ("/customers?sort=name&", &sorted)]
    {
        // Another limit and a count are no other question.
        world.one.get(&format!("{path}limit=2&count=exact&cursor={good}")).await.expect(200);
        for other in [&plain, &filtered, &sorted, &elsewhere].into_iter().filter(|other| *other != good) {
            let problem = world.one.get(&format!("{path}cursor={other}")).await.refused(422, "invalid_cursor");
            assert_eq!(faults(&problem), ["cursor invalid_cursor"]);
            assert!(problem["detail"].as_str().unwrap().contains("these filters and this sort"), "{problem}");
        }
        world.two.get(&format!("{path}cursor={good}")).await.refused(422, "invalid_cursor");
        for place in 0..good.len() {
            let mut bent = good.clone().into_bytes();
            bent[place] = if bent[place] == b'A' { b'B' } else { b'A' };
            // The last character holds bits that no byte is made of.
            if place + 1 < good.len() {
                let bent = String::from_utf8(bent).unwrap();
                world.one.get(&format!("{path}cursor={bent}")).await.refused(422, "invalid_cursor");
            }
        }
    }
    // Another process on the same database, which knows nothing but what stands there.
    let store = crate::world::store(&world.database, crate::world::Guard::Both);
    let replica = world.one.through(&crate::world::router(&store).await);
    assert_eq!(
        replica.get(&format!("/customers?cursor={plain}")).await.expect(200)["data"].as_array().unwrap().len(),
        4
    );
}

#[tokio::test]
async fn lists_are_described_as_they_are_read() {
    let world = World::new().await;
    let document = world.one.nobody().get("/openapi.json").await.expect(200);
    for list in known::ALL {
        let path = format!("/paths/~1api~1v1~1{}/get/parameters", list.name);
        let parameters = document.pointer(&path).and_then(Value::as_array).unwrap_or_else(|| panic!("{path}"));
        // A header is the same for all lists and stands there by reference.
        let parameters: Vec<&Value> = parameters.iter().filter(|parameter| parameter["in"] == "query").collect();
        let names: BTreeSet<&str> = parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        let sort = if list.sorts.is_empty() { None } else { Some("sort") };
        let wanted: BTreeSet<&str> =
            list.filters.iter().map(|filter| filter.name).chain(["limit", "cursor", "count"]).chain(sort).collect();
        assert_eq!(names, wanted, "{}", list.name);
        if sort.is_some() {
            let described = parameters.iter().find(|parameter| parameter["name"] == "sort").unwrap();
            let names: Vec<Value> = list.sorts.iter().map(|sort| sort.name.into()).collect();
            assert_eq!(described["schema"]["enum"], Value::Array(names.clone()), "{}", list.name);
            for name in names {
                world.one.get(&format!("/{}?sort={}", list.name, name.as_str().unwrap())).await.expect(200);
            }
        }
    }
}
