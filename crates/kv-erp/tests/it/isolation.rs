//! Two tenants never meet: each operation of the interface is called with the other tenant's ids.
//!
//! The cases stand in [`cases`]; a walk reads the operations from the interface's own description and fails for an operation
//! without a case, for an id in a path, body or query without a case, and for a case whose operation is gone. Each case runs
//! with one's own ids too, or a wrong address would pass for isolation.

use std::collections::{BTreeMap, BTreeSet};

use kv_store::Store;
use kv_store::jobs::Work;
use kv_store::webhooks::Attempt;
use kv_types::JobId;
use kv_types::webhooks::DeliveryState;
use serde_json::{Value, json};

use crate::cases::{Case, cases};
use crate::operations::{Operation, operations};
use crate::world::{Caller, Guard, World, faults};

/// One thing of each kind that a tenant has.
pub(crate) struct Holdings {
    customer: String,
    product: String,
    warehouse: String,
    reservation: String,
    order: String,
    /// A reservation that may end in part.
    part: String,
    /// An order of which one unit has left, and one has not.
    shipped: String,
    /// Another such order.
    closing: String,
    /// A further warehouse.
    far: String,
    receipt: String,
    adjustment: String,
    transfer: String,
    import: String,
    /// An export whose job is still to be done.
    export: String,
    /// An account besides the caller's.
    user: String,
    /// An API token of it.
    token: String,
    endpoint: String,
    /// Another one, which is deleted.
    doomed: String,
    delivery: String,
    /// A dead one.
    job: String,
}

impl Holdings {
    pub(crate) async fn of(store: &Store, caller: &Caller) -> Self {
        let hook = json!({"url": "https://example.com/hook"});
        let (endpoint, doomed) = (
            caller.post("/webhook-endpoints", &hook).await.made(),
            caller.post("/webhook-endpoints", &hook).await.made(),
        );
        let (product, warehouse) = caller.stocked("SKU", 1_000).await;
        let customer = caller.customer("C").await;
        let items = json!([{"product_id": product, "quantity": 1}]);
        let reservation = caller.post("/reservations", &json!({"items": items})).await.made();
        let order = caller.post("/orders", &json!({"customer_id": customer, "items": items})).await.made();
        let part = caller.post("/reservations", &json!({"items": items})).await.made();
        let two = json!({"customer_id": customer, "items": [{"product_id": product, "quantity": 2}]});
        let (shipped, closing) = (caller.post("/orders", &two).await.made(), caller.post("/orders", &two).await.made());
        for order in [&shipped, &closing] {
            caller.ask(&format!("POST /orders/{order}/confirm")).await.expect(200);
            caller.post(&format!("/orders/{order}/fulfill"), &json!({"items": items})).await.expect(200);
        }
        let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1});
        let receipt = caller.post("/stock-receipts", &json!({"items": [line]})).await.made();
        let line = json!({"product_id": product, "warehouse_id": warehouse, "delta": 1});
        let adjustment = caller.post("/stock-adjustments", &json!({"items": [line], "reason": "counted"})).await.made();
        let far = caller.warehouse("far", 200).await;
        let moved = json!({"from_warehouse_id": warehouse, "to_warehouse_id": far, "items": items});
        let transfer = caller.post("/stock-transfers", &moved).await.made();
        let import = caller.post("/imports", &json!({"kind": "customers"})).await.made();
        let export = caller.post("/export-files", &json!({"kind": "customers"})).await.expect(202);
        let export = export["id"].as_str().unwrap().to_owned();
        let (user, token) = Self::member_of(caller).await;
        let (delivery, job) = follow(store, caller, (&order, &endpoint)).await;
        Self {
            customer,
            product,
            warehouse,
            reservation,
            order,
            part,
            shipped,
            closing,
            far,
            receipt,
            adjustment,
            transfer,
            import,
            export,
            user,
            token,
            endpoint,
            doomed,
            delivery,
            job,
        }
    }

    /// A further account, and an API token that it has and that has done something.
    async fn member_of(caller: &Caller) -> (String, String) {
        let email = format!("{}@member.example", uuid::Uuid::now_v7());
        let new = json!({"email": email, "role": "manager", "password": "correct horse battery"});
        let user = caller.post("/users", &new).await.made();
        let log_in = json!({"email": email, "password": "correct horse battery"});
        let session = caller.nobody().post("/auth/login", &log_in).await.expect(200);
        let member = caller.with_token(session["token"].as_str().unwrap());
        let wanted = json!({"name": "n", "scopes": ["customers:write"]});
        let token = member.post("/api-tokens", &wanted).await.expect(201);
        member.with_token(token["token"].as_str().unwrap()).customer(&format!("of {user}")).await;
        (user, token["id"].as_str().unwrap().to_owned())
    }

    fn ids(&self) -> [(&'static str, &String); 20] {
        [
            ("customer", &self.customer),
            ("product", &self.product),
            ("warehouse", &self.warehouse),
            ("reservation", &self.reservation),
            ("order", &self.order),
            ("part", &self.part),
            ("shipped", &self.shipped),
            ("closing", &self.closing),
            ("far", &self.far),
            ("receipt", &self.receipt),
            ("adjustment", &self.adjustment),
            ("transfer", &self.transfer),
            ("import", &self.import),
            ("export", &self.export),
            ("user", &self.user),
            ("token", &self.token),
            ("endpoint", &self.endpoint),
            ("doomed", &self.doomed),
            ("delivery", &self.delivery),
            ("job", &self.job),
        ]
    }

    /// Everything that the tenant can see of its things.
    async fn snapshot(&self, caller: &Caller) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            "/customers",
            "/products",
            "/warehouses",
            "/stock-levels",
            "/orders",
            "/stock-receipts",
            "/stock-adjustments",
            "/stock-transfers",
            "/users",
            "/events",
            "/jobs",
            "/webhook-endpoints",
        ] {
            seen.push(caller.get(path).await.expect(200));
        }
        seen.push(caller.get(&format!("/reservations/{}", self.reservation)).await.expect(200));
        let movements = format!("/stock-movements?product_id={}&warehouse_id={}", self.product, self.warehouse);
        seen.push(caller.get(&movements).await.expect(200));
        seen
    }
}

/// What follows from an order: its confirmation, the event's delivery to an endpoint, which has succeeded, and a job that died.
async fn follow(store: &Store, caller: &Caller, (order, endpoint): (&str, &str)) -> (String, String) {
    store.place_events(1_000).await.unwrap();
    let jobs = caller.get("/jobs?limit=100").await.expect(200);
    let of_kind = |kind: &str| -> Vec<JobId> {
        let of_kind = jobs["data"].as_array().unwrap().iter().filter(|job| job["kind"] == kind);
        of_kind.map(|job| job["id"].as_str().unwrap().parse().unwrap()).collect()
    };
    let confirming = of_kind("send_order_confirmation");
    let work = Work::ConfirmOrder(order.parse().unwrap());
    store.end_job(caller.tenant, confirming[0], &work).await.unwrap();
    store.bury_job(caller.tenant, (confirming[1], 0), ("it was to die", 1)).await.unwrap();
    let sent = caller.get(&format!("/webhook-endpoints/{endpoint}/deliveries")).await.expect(200);
    let delivery = sent["data"][0]["id"].as_str().unwrap().to_owned();
    let attempt = Attempt {
        delivery: delivery.parse().unwrap(),
        endpoint: endpoint.parse().unwrap(),
        status: Some(200),
        error: None,
        answer: None,
        state: DeliveryState::Succeeded,
        was_sent: true,
        disables: None,
    };
    store.end_job(caller.tenant, of_kind("deliver_webhook")[0], &Work::Delivered(attempt)).await.unwrap();
    (delivery, confirming[1].to_string())
}

/// Puts ids into a template: `{its.product}` is the product of whoever the case is about, `{my.product}` the caller's.
pub(crate) fn fill(template: &str, its: &Holdings, my: &Holdings) -> String {
    let mut text = template.to_owned();
    for (whose, holdings) in [("its", its), ("my", my)] {
        for (kind, id) in holdings.ids() {
            text = text.replace(&format!("{{{whose}.{kind}}}"), id);
        }
    }
    text
}

#[tokio::test]
async fn no_operation_reaches_another_tenant() {
    walk(World::new().await).await;
}

#[tokio::test]
async fn the_statements_keep_tenants_apart_without_row_level_security() {
    walk(World::guarded_by(Guard::PredicatesAlone).await).await;
}

async fn walk(world: World) {
    let my = Holdings::of(&world.store, &world.one).await;
    let its = Holdings::of(&world.store, &world.two).await;
    let before = its.snapshot(&world.two).await;
    let mut cases = cases();
    for operation in operations(&world).await {
        let of_operation = cases.remove(operation.line.as_str()).unwrap_or_default();
        assert_covers(&operation, &of_operation);
        for case in &of_operation {
            try_case(&world, &operation, case, (&its, &my)).await;
        }
    }
    assert!(cases.is_empty(), "cases of operations that are gone: {:?}", cases.keys());
    assert_eq!(its.snapshot(&world.two).await, before, "the other tenant's things changed");
}

async fn try_case(world: &World, operation: &Operation, case: &Case, (its, my): (&Holdings, &Holdings)) {
    let caller = &world.one.with("if-match", "*");
    let (method, _) = operation.line.split_once(' ').unwrap();
    let what = format!("{} {case:?}", operation.line);
    match case {
        Case::Path(path, body) => {
            let line = format!("{method} {}", fill(path, its, my));
            let answer = caller.send(&line, &body.clone()).await;
            assert_eq!((answer.status, &answer.body["code"]), (404, &json!("not_found")), "{what}");
            let own = format!("{method} {}", fill(path, my, my));
            let answer = caller.send(&own, &body.clone()).await;
            assert!(answer.status != 404 && answer.status < 500, "with own ids: {what}: {:#}", answer.body);
        }
        Case::Body(pointer, body) => {
            let path = operation.line.split_once("/api/v1").unwrap().1;
            let theirs: Value = serde_json::from_str(&fill(body, its, my)).unwrap();
            let answer = caller.post(path, &theirs).await;
            assert_eq!(answer.status, 422, "{what}: {:#}", answer.body);
            let faults = faults(&answer.body);
            assert_eq!(faults.len(), 1, "{what}: {faults:?}");
            assert!(faults[0].starts_with(&format!("{pointer} unknown_")), "{what}: {faults:?}");
            let own: Value = serde_json::from_str(&fill(body, my, my)).unwrap();
            caller.post(path, &own).await.expect(201);
        }
        Case::BodyAt(path, pointer, body) => {
            let line = format!("{method} {}", fill(path, its, my));
            let theirs: Value = serde_json::from_str(&fill(body, its, my)).unwrap();
            let answer = caller.send(&line, &theirs).await;
            // Of what is not in the order or the reservation there is nothing, whoever's it is.
            assert_eq!(
                (answer.status, &answer.body["errors"][0]["available"]),
                (409, &json!(0)),
                "{what}: {:#}",
                answer.body
            );
            assert!(pointer.starts_with("/items/0/"), "{what}");
            assert_eq!(faults(&answer.body), ["/items/0/quantity quantity_exceeded"], "{what}");
            let own: Value = serde_json::from_str(&fill(body, my, my)).unwrap();
            caller.send(&line, &own).await.expect(200);
        }
        Case::List(path) => {
            let theirs = caller.get(&fill(path, its, my)).await.expect(200).to_string();
            for (kind, id) in its.ids() {
                assert!(!theirs.contains(id.as_str()), "{what} shows the other's {kind}");
            }
            let own = caller.get(&fill(path, my, my)).await.expect(200);
            assert_ne!(own["data"], json!([]), "with own ids: {what}");
        }
        Case::File(path) => {
            let file = caller.get(path).await.expect(200);
            let file = file.as_str().unwrap();
            for (kind, id) in its.ids() {
                assert!(!file.contains(id.as_str()), "{what} shows the other's {kind}");
            }
            assert!(my.ids().iter().any(|(_, id)| file.contains(id.as_str())), "{what} shows nothing");
        }
        Case::Lock => try_lock(world, method, &what).await,
        Case::Key => try_key(world, method, &what).await,
        Case::NoForeignId | Case::Anybody => {}
    }
}

/// A lock that the other tenant holds under the same name is neither seen nor touched.
async fn try_lock(world: &World, method: &str, what: &str) {
    let path = format!("/locks/walk:{method}");
    let lock = json!({"ttl_ms": 300_000});
    let held = world.two.post(&path, &lock).await.expect(201);
    let with_its_token = world.one.with("x-lock-token", held["token"].as_str().unwrap());
    match method {
        "GET" => assert_eq!(world.one.get(&path).await.expect(200)["held"], false, "{what}"),
        "POST" => drop(world.one.post(&path, &lock).await.expect(201)),
        "PATCH" | "DELETE" => {
            let answer = with_its_token.send(&format!("{method} {path}"), &lock).await;
            assert_eq!(answer.status, 409, "{what}: {:#}", answer.body);
            // With a lock of its own, too, the other's token is worth nothing.
            world.one.post(&path, &lock).await.expect(201);
            let answer = with_its_token.send(&format!("{method} {path}"), &lock).await;
            assert_eq!((answer.status, &answer.body["code"]), (409, &json!("lock_not_owner")), "{what}");
        }
        other => panic!("no lock case for {other}"),
    }
    let seen = world.two.get(&path).await.expect(200);
    assert_eq!((&seen["held"], &seen["fence"]), (&json!(true), &held["fence"]), "{what}");
}

/// A key that the other tenant used under the same name is neither seen nor touched.
async fn try_key(world: &World, method: &str, what: &str) {
    let path = format!("/idempotency/walk:{method}");
    let new = json!({"code": format!("walk:{method}"), "name": "N"});
    let keyed = world.two.with("idempotency-key", format!("walk:{method}"));
    let held = keyed.post("/warehouses", &new).await.made();
    let line = format!("{method} {path}");
    match method {
        "GET" => drop(world.one.ask(&line).await.refused(404, "not_found")),
        "DELETE" => assert_eq!(world.one.ask(&line).await.expect(200)["state"], "void", "{what}"),
        other => panic!("no key case for {other}"),
    }
    let seen = world.two.get(&path).await.expect(200);
    assert_eq!(
        (&seen["state"], &seen["location"]),
        (&json!("completed"), &json!(format!("/api/v1/warehouses/{held}")))
    );
    // What the walk began with must be there in the end.
    world.two.ask(&format!("DELETE /warehouses/{held}")).await.expect(204);
}

/// Every id that an operation takes must be the subject of one of its cases.
#[track_caller]
fn assert_covers(operation: &Operation, cases: &[Case]) {
    let line = &operation.line;
    assert!(!cases.is_empty(), "{line} has no case: add one to cases.rs");
    if line.contains(" /platform/") {
        // No tenant's: the platform knows all of them.
        return;
    }
    let (is_lock, is_key) = (line.contains("/locks/"), line.contains("/idempotency/"));
    if line.contains('{') {
        let is_covered = cases.iter().any(|case| match case {
            Case::Path(..) | Case::File(_) => true,
            Case::Lock => is_lock,
            Case::Key => is_key,
            _ => false,
        });
        assert!(is_covered, "{line} takes an id in its path, but no case gives it the other tenant's");
    } else if line.starts_with("GET ") {
        // What the proof shows of another tenant stands in its own test.
        let is_covered = cases.iter().any(|case| matches!(case, Case::List(_) | Case::Anybody))
            || line.ends_with("/auth/me")
            || line.ends_with("/admin/invariants");
        assert!(is_covered, "{line} shows something, but no case looks for the other tenant's rows");
    }
    let mut in_body = BTreeSet::new();
    operation.body.iter().for_each(|body| ids_of_body(body, "", &mut in_body));
    for pointer in in_body {
        let is_covered =
            cases.iter().any(|case| matches!(case, Case::Body(of, _) | Case::BodyAt(_, of, _) if *of == pointer));
        assert!(is_covered, "{line} takes an id at {pointer}, but no case gives it the other tenant's");
    }
    // A request's id is a word of its caller, and no tenant's.
    for name in operation.query.iter().filter(|name| name.ends_with("_id") && *name != "request_id") {
        let is_covered =
            cases.iter().any(|case| matches!(case, Case::List(path) if path.contains(&format!("{name}={{its."))));
        assert!(is_covered, "{line} filters by {name}, but no case gives it the other tenant's");
    }
}

/// The pointers of all ids in a body's schema; lists have one entry.
fn ids_of_body(schema: &Value, pointer: &str, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let pointer = format!("{pointer}/{name}");
        if name.ends_with("_id") {
            found.insert(pointer);
        } else if property["items"].is_object() {
            ids_of_body(&property["items"], &format!("{pointer}/0"), found);
        } else {
            ids_of_body(property, &pointer, found);
        }
    }
}

#[tokio::test]
async fn nobody_gets_nothing() {
    let world = World::new().await;
    let nobody = world.one.nobody();
    let mut open = BTreeSet::new();
    let cases: BTreeMap<_, _> = cases();
    for operation in operations(&world).await {
        if cases.get(operation.line.as_str()).is_some_and(|cases| matches!(cases[..], [Case::Anybody])) {
            open.insert(operation.line);
            continue;
        }
        let line = operation.line.replace(['{', '}'], "");
        for caller in
            [&nobody, &nobody.with("authorization", "Bearer kva_wrong"), &nobody.with("authorization", "Basic eDp5")]
        {
            let answer = caller.send(&line, &json!({})).await;
            assert_eq!(answer.status, 401, "{line}: {:#}", answer.body);
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert!(answer.headers.contains_key("www-authenticate"), "{line}");
        }
    }
    let allowed = ["GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz", "POST /api/v1/auth/login"];
    assert_eq!(open.iter().map(String::as_str).collect::<Vec<_>>(), allowed);
}

#[test]
fn an_operation_without_a_case_is_noticed() {
    let operation = |line: &str| Operation { line: line.to_owned(), query: Vec::new(), body: None };
    let misses = |operation: &Operation, cases: &[Case]| {
        let (operation, cases) = (std::panic::AssertUnwindSafe(operation), std::panic::AssertUnwindSafe(cases));
        std::panic::catch_unwind(|| assert_covers(&operation, &cases)).is_err()
    };
    assert!(misses(&operation("DELETE /api/v1/customers/{id}"), &[]));
    assert!(misses(&operation("DELETE /api/v1/customers/{id}"), &[Case::NoForeignId]));
    assert!(!misses(
        &operation("DELETE /api/v1/customers/{id}"),
        &[Case::Path("/customers/{its.customer}", Value::Null)]
    ));
    assert!(misses(&operation("GET /api/v1/customers"), &[Case::NoForeignId]));
    let filter = Operation { query: vec!["product_id".to_owned()], ..operation("GET /api/v1/stock-levels") };
    assert!(misses(&filter, &[Case::List("/stock-levels")]));
    let body = json!({"properties": {"items": {"items": {"properties": {"product_id": {}}}}}});
    let with_body = Operation { body: Some(body), ..operation("POST /api/v1/orders") };
    assert!(misses(&with_body, &[Case::NoForeignId]));
    assert!(!misses(&with_body, &[Case::Body("/items/0/product_id", "{}")]));
}
