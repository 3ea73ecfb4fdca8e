//! Rows that others hold or change at the same time: 503 with a time to ask again, and nothing written.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::json;
use tower::ServiceExt as _;

use crate::service::header;
use crate::world::World;

#[tokio::test]
async fn what_met_others_each_time_may_be_asked_again() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 5).await;
    let superuser = world.database.connect().await.unwrap();
    let refuse = "create function refuse() returns trigger language plpgsql
            as $$ begin raise exception 'met others' using errcode = '40001'; end $$;
        create trigger refuse before insert on customers for each row execute function refuse();
        create trigger refuse before update on stock_levels for each row execute function refuse();";
    superuser.batch_execute(refuse).await.unwrap();
    let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1});
    let writes = [
        ("/customers", json!({"code": "C", "name": "C"})),
        ("/reservations", json!({"items": [line]})),
        ("/stock-receipts", json!({"items": [line]})),
    ];
    for (path, body) in &writes {
        for caller in [caller.clone(), caller.with("idempotency-key", format!("k{path}"))] {
            let answer = caller.post(path, body).await;
            assert_eq!(header(&answer, "retry-after"), "1");
            assert_eq!(answer.refused(503, "conflict_retry")["retryable"], true);
        }
    }
    let request = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    let metrics = world.router.clone().oneshot(request).await.unwrap();
    let metrics = to_bytes(metrics.into_body(), usize::MAX).await.unwrap();
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    // Three tries more of each of the six.
    let line = r#"kv_database_retries_total{code="40001"} 18"#;
    assert!(metrics.lines().any(|found| found == line), "{line} in\n{metrics}");
    superuser.batch_execute("drop function refuse() cascade").await.unwrap();
    for (path, body) in &writes {
        caller.with("idempotency-key", format!("k{path}")).post(path, body).await.expect(201);
    }
    assert_eq!(world.store.audit_stock(caller.tenant).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_row_that_is_held_for_too_long_may_be_asked_for_again() {
    let world = World::new().await;
    let caller = &world.one;
    let (product, warehouse) = caller.stocked("SKU", 5).await;
    let customer = caller.customer("C").await;
    let holder = world.database.connect().await.unwrap();
    holder.batch_execute("begin; select from stock_levels for update; select from customers for update").await.unwrap();
    let line = json!({"product_id": product, "warehouse_id": warehouse, "quantity": 1});
    let (reserve, patch) = (json!({"items": [line]}), json!({"name": "New"}));
    let (rename, editor) = (format!("PATCH /customers/{customer}"), caller.with("if-match", "*"));
    let (held, changed) = tokio::join!(caller.post("/reservations", &reserve), editor.send(&rename, &patch));
    for answer in [held, changed] {
        assert_eq!(header(&answer, "retry-after"), "1");
        assert_eq!(answer.refused(503, "lock_timeout")["retryable"], true);
    }
    holder.batch_execute("rollback").await.unwrap();
    caller.post("/reservations", &reserve).await.expect(201);
    assert_eq!(editor.send(&rename, &patch).await.expect(200)["version"], 2);
}
