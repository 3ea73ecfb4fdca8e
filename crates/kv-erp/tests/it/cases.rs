//! How each operation is called with another tenant's ids. A new route needs a line here, or the walk fails.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What must come of the other tenant's ids.
#[derive(Debug)]
pub(crate) enum Case {
    /// A path (below `/api/v1`) with its ids and a body that would do with one's own: 404.
    Path(&'static str, Value),
    /// Its id at this pointer of the body: 422 that points there.
    Body(&'static str, &'static str),
    /// The same of an operation on one's own thing at this path.
    BodyAt(&'static str, &'static str, &'static str),
    /// A list, perhaps filtered by its ids: nothing of it is shown.
    List(&'static str),
    /// A file with everything of a kind: nothing of it is shown.
    File(&'static str),
    /// A lock of the same name.
    Lock,
    /// An idempotency key of the same name.
    Key,
    /// The operation takes no id of a tenant's object.
    NoForeignId,
    /// The operation is for anybody, known or not.
    Anybody,
}

use Case::{Anybody, Body, BodyAt, File, Key, List, Lock, NoForeignId, Path};

/// The cases of each operation.
pub(crate) fn cases() -> BTreeMap<&'static str, Vec<Case>> {
    let batches = crate::batch_cases::cases();
    let rest = stock().into_iter().chain(documents()).chain(orders()).chain(following());
    open().into_iter().chain(batches).chain(catalogue()).chain(rest).collect()
}

pub(crate) type Cases = Vec<(&'static str, Vec<Case>)>;

fn open() -> Cases {
    vec![
        ("GET /healthz", vec![Anybody]),
        ("GET /readyz", vec![Anybody]),
        ("GET /metrics", vec![Anybody]),
        ("GET /openapi.json", vec![Anybody]),
        ("POST /api/v1/auth/login", vec![Anybody]),
        ("POST /api/v1/auth/logout", vec![NoForeignId]),
        ("GET /api/v1/auth/me", vec![NoForeignId]),
        ("POST /api/v1/auth/password", vec![NoForeignId]),
        ("GET /api/v1/users", vec![List("/users"), List("/users?sort=-email&count=exact")]),
        ("POST /api/v1/users", vec![NoForeignId]),
        ("GET /api/v1/users/{id}", vec![Path("/users/{its.user}", Value::Null)]),
        ("PUT /api/v1/users/{id}", vec![Path("/users/{its.user}", some_user())]),
        ("DELETE /api/v1/users/{id}", vec![Path("/users/{its.user}", Value::Null)]),
        (
            "POST /api/v1/users/{id}/password",
            vec![Path("/users/{its.user}/password", json!({"password": "another password"}))],
        ),
        ("GET /api/v1/api-tokens", vec![List("/api-tokens"), List("/api-tokens?user_id={its.user}")]),
        ("POST /api/v1/api-tokens", vec![NoForeignId]),
        ("DELETE /api/v1/api-tokens/{id}", vec![Path("/api-tokens/{its.token}", Value::Null)]),
        (
            "GET /api/v1/audit-log",
            vec![
                List("/audit-log?limit=100"),
                List("/audit-log?actor_id={its.user}"),
                List("/audit-log?token_id={its.token}"),
                List("/audit-log?object_id={its.user}"),
            ],
        ),
        ("GET /platform/v1/tenants", vec![NoForeignId]),
        ("POST /platform/v1/tenants", vec![NoForeignId]),
        ("POST /platform/v1/tenants/{id}/suspend", vec![NoForeignId]),
        ("POST /platform/v1/tenants/{id}/resume", vec![NoForeignId]),
        ("GET /api/v1/locks/{resource}", vec![Lock]),
        ("POST /api/v1/locks/{resource}", vec![Lock]),
        ("PATCH /api/v1/locks/{resource}", vec![Lock]),
        ("DELETE /api/v1/locks/{resource}", vec![Lock]),
        ("GET /api/v1/admin/invariants", vec![NoForeignId]),
        ("GET /api/v1/idempotency/{key}", vec![Key]),
        ("DELETE /api/v1/idempotency/{key}", vec![Key]),
        ("POST /api/v1/imports", vec![NoForeignId]),
        ("GET /api/v1/imports/{id}", vec![Path("/imports/{its.import}", Value::Null)]),
        ("GET /api/v1/imports/{id}/rejections", vec![Path("/imports/{its.import}/rejections", Value::Null)]),
        ("PUT /api/v1/imports/{id}/content", vec![Path("/imports/{its.import}/content", Value::Null)]),
        ("POST /api/v1/export-files", vec![NoForeignId]),
        ("GET /api/v1/export-files/{id}", vec![Path("/export-files/{its.export}", Value::Null)]),
        ("GET /api/v1/export-files/{id}/content", vec![Path("/export-files/{its.export}/content", Value::Null)]),
        (
            "GET /api/v1/exports/{kind}",
            vec![
                File("/exports/customers"),
                File("/exports/products"),
                File("/exports/warehouses"),
                File("/exports/stock-levels"),
                File("/exports/stock-movements"),
                File("/exports/orders"),
            ],
        ),
    ]
}

/// Another address for each, because it is unique over all tenants.
fn some_user() -> Value {
    json!({"email": "renamed@users.example", "role": "clerk", "active": true})
}

fn catalogue() -> Cases {
    let name = || json!({"name": "Renamed"});
    vec![
        ("GET /api/v1/customers", vec![List("/customers"), List("/customers?sort=-name&count=exact")]),
        ("POST /api/v1/customers", vec![NoForeignId]),
        ("GET /api/v1/customers/{id}", vec![Path("/customers/{its.customer}", Value::Null)]),
        ("PATCH /api/v1/customers/{id}", vec![Path("/customers/{its.customer}", name())]),
        ("DELETE /api/v1/customers/{id}", vec![Path("/customers/{its.customer}", Value::Null)]),
        ("GET /api/v1/products", vec![List("/products"), List("/products?sort=-name&count=exact")]),
        ("POST /api/v1/products", vec![NoForeignId]),
        ("GET /api/v1/products/{id}", vec![Path("/products/{its.product}", Value::Null)]),
        ("PATCH /api/v1/products/{id}", vec![Path("/products/{its.product}", name())]),
        ("DELETE /api/v1/products/{id}", vec![Path("/products/{its.product}", Value::Null)]),
        ("GET /api/v1/warehouses", vec![List("/warehouses"), List("/warehouses?sort=-name&count=exact")]),
        ("POST /api/v1/warehouses", vec![NoForeignId]),
        ("GET /api/v1/warehouses/{id}", vec![Path("/warehouses/{its.warehouse}", Value::Null)]),
        ("PATCH /api/v1/warehouses/{id}", vec![Path("/warehouses/{its.warehouse}", name())]),
        ("DELETE /api/v1/warehouses/{id}", vec![Path("/warehouses/{its.warehouse}", Value::Null)]),
    ]
}

fn stock() -> Cases {
    vec![
        (
            "GET /api/v1/stock-levels",
            vec![
                List("/stock-levels"),
                List("/stock-levels?product_id={its.product}"),
                List("/stock-levels?warehouse_id={its.warehouse}"),
                List("/stock-levels?product_id={its.product}&warehouse_id={its.warehouse}"),
            ],
        ),
        (
            "GET /api/v1/stock-levels/{product_id}/{warehouse_id}",
            vec![
                Path("/stock-levels/{its.product}/{its.warehouse}", Value::Null),
                Path("/stock-levels/{my.product}/{its.warehouse}", Value::Null),
                Path("/stock-levels/{its.product}/{my.warehouse}", Value::Null),
            ],
        ),
        (
            "PUT /api/v1/stock-levels/{product_id}/{warehouse_id}/backorder-limit",
            vec![
                Path("/stock-levels/{its.product}/{its.warehouse}/backorder-limit", json!({"limit": 5})),
                Path("/stock-levels/{my.product}/{its.warehouse}/backorder-limit", json!({"limit": 5})),
                Path("/stock-levels/{its.product}/{my.warehouse}/backorder-limit", json!({"limit": 5})),
            ],
        ),
        (
            "GET /api/v1/stock-movements",
            vec![
                List("/stock-movements?product_id={its.product}&warehouse_id={its.warehouse}"),
                List("/stock-movements?product_id={its.product}&warehouse_id={its.warehouse}&order_id={its.order}"),
                List(
                    "/stock-movements?product_id={its.product}&warehouse_id={its.warehouse}&reservation_id={its.reservation}",
                ),
            ],
        ),
        (
            "GET /api/v1/reservations",
            vec![
                List("/reservations"),
                List("/reservations?sort=-created_at"),
                List("/reservations?order_id={its.order}"),
            ],
        ),
        (
            "POST /api/v1/reservations",
            vec![
                Body("/items/0/product_id", LINE_OF_ITS_PRODUCT),
                Body("/items/0/product_id", r#"{"items": [{"product_id": "{its.product}", "quantity": 1}]}"#),
                Body("/items/0/warehouse_id", LINE_OF_ITS_WAREHOUSE),
            ],
        ),
        ("GET /api/v1/reservations/{id}", vec![Path("/reservations/{its.reservation}", Value::Null)]),
        ("POST /api/v1/reservations/{id}/release", vec![Path("/reservations/{its.reservation}/release", Value::Null)]),
        (
            "POST /api/v1/reservations/{id}/confirm",
            vec![
                Path("/reservations/{its.reservation}/confirm", Value::Null),
                BodyAt("/reservations/{my.part}/confirm", "/items/0/product_id", LINE_OF_ITS_PRODUCT),
                BodyAt("/reservations/{my.part}/confirm", "/items/0/warehouse_id", LINE_OF_ITS_WAREHOUSE),
            ],
        ),
        (
            "POST /api/v1/reservations/{id}/extend",
            vec![Path("/reservations/{its.reservation}/extend", json!({"ttl_seconds": 60}))],
        ),
    ]
}

fn documents() -> Cases {
    vec![
        (
            "POST /api/v1/stock-receipts",
            vec![
                Body("/items/0/product_id", LINE_OF_ITS_PRODUCT),
                Body("/items/0/warehouse_id", LINE_OF_ITS_WAREHOUSE),
            ],
        ),
        ("GET /api/v1/stock-receipts", vec![List("/stock-receipts")]),
        ("GET /api/v1/stock-receipts/{id}", vec![Path("/stock-receipts/{its.receipt}", Value::Null)]),
        (
            "POST /api/v1/stock-adjustments",
            vec![
                Body("/items/0/product_id", COUNT_OF_ITS_PRODUCT),
                Body("/items/0/warehouse_id", COUNT_OF_ITS_WAREHOUSE),
            ],
        ),
        ("GET /api/v1/stock-adjustments", vec![List("/stock-adjustments")]),
        ("GET /api/v1/stock-adjustments/{id}", vec![Path("/stock-adjustments/{its.adjustment}", Value::Null)]),
        (
            "POST /api/v1/stock-transfers",
            vec![
                Body("/items/0/product_id", MOVE_OF_ITS_PRODUCT),
                Body("/from_warehouse_id", MOVE_FROM_ITS_WAREHOUSE),
                Body("/to_warehouse_id", MOVE_TO_ITS_WAREHOUSE),
            ],
        ),
        ("GET /api/v1/stock-transfers", vec![List("/stock-transfers")]),
        ("GET /api/v1/stock-transfers/{id}", vec![Path("/stock-transfers/{its.transfer}", Value::Null)]),
    ]
}

const COUNT_OF_ITS_PRODUCT: &str = r#"{"reason": "counted",
    "items": [{"product_id": "{its.product}", "warehouse_id": "{my.warehouse}", "delta": 1}]}"#;
const COUNT_OF_ITS_WAREHOUSE: &str = r#"{"reason": "counted",
    "items": [{"product_id": "{my.product}", "warehouse_id": "{its.warehouse}", "delta": 1}]}"#;
const MOVE_OF_ITS_PRODUCT: &str = r#"{"from_warehouse_id": "{my.warehouse}", "to_warehouse_id": "{my.far}",
    "items": [{"product_id": "{its.product}", "quantity": 1}]}"#;
const MOVE_FROM_ITS_WAREHOUSE: &str = r#"{"from_warehouse_id": "{its.warehouse}", "to_warehouse_id": "{my.far}",
    "items": [{"product_id": "{my.product}", "quantity": 1}]}"#;
const MOVE_TO_ITS_WAREHOUSE: &str = r#"{"from_warehouse_id": "{my.warehouse}", "to_warehouse_id": "{its.far}",
    "items": [{"product_id": "{my.product}", "quantity": 1}]}"#;

const LINE_OF_ITS_PRODUCT: &str =
    r#"{"items": [{"product_id": "{its.product}", "warehouse_id": "{my.warehouse}", "quantity": 1}]}"#;
const LINE_OF_ITS_WAREHOUSE: &str =
    r#"{"items": [{"product_id": "{my.product}", "warehouse_id": "{its.warehouse}", "quantity": 1}]}"#;

/// Of nobody's stock.
fn some_return() -> Value {
    let id = "018f0000-0000-7000-8000-000000000000";
    json!({"items": [{"product_id": id, "warehouse_id": id, "quantity": 1}], "reason": "broken"})
}

fn orders() -> Cases {
    vec![
        (
            "GET /api/v1/orders",
            vec![List("/orders"), List("/orders?sort=total"), List("/orders?customer_id={its.customer}")],
        ),
        (
            "POST /api/v1/orders",
            vec![
                Body(
                    "/customer_id",
                    r#"{"customer_id": "{its.customer}", "items": [{"product_id": "{my.product}", "quantity": 1}]}"#,
                ),
                Body(
                    "/items/0/product_id",
                    r#"{"customer_id": "{my.customer}", "items": [{"product_id": "{its.product}", "quantity": 1}]}"#,
                ),
            ],
        ),
        ("GET /api/v1/orders/{id}", vec![Path("/orders/{its.order}", Value::Null)]),
        ("POST /api/v1/orders/{id}/confirm", vec![Path("/orders/{its.order}/confirm", Value::Null)]),
        (
            "POST /api/v1/orders/{id}/fulfill",
            vec![
                Path("/orders/{its.order}/fulfill", Value::Null),
                BodyAt(
                    "/orders/{my.shipped}/fulfill",
                    "/items/0/product_id",
                    r#"{"items": [{"product_id": "{its.product}", "quantity": 1}]}"#,
                ),
            ],
        ),
        (
            "POST /api/v1/orders/{id}/returns",
            vec![
                Path("/orders/{its.shipped}/returns", some_return()),
                BodyAt("/orders/{my.shipped}/returns", "/items/0/product_id", RETURN_OF_ITS_PRODUCT),
                BodyAt("/orders/{my.shipped}/returns", "/items/0/warehouse_id", RETURN_TO_ITS_WAREHOUSE),
            ],
        ),
        ("POST /api/v1/orders/{id}/close", vec![Path("/orders/{its.closing}/close", Value::Null)]),
        ("POST /api/v1/orders/{id}/cancel", vec![Path("/orders/{its.order}/cancel", Value::Null)]),
    ]
}

fn following() -> Cases {
    vec![
        ("GET /api/v1/events", vec![List("/events"), List("/events?type=order.created")]),
        ("GET /api/v1/jobs", vec![List("/jobs"), List("/jobs?state=dead")]),
        ("GET /api/v1/jobs/{id}", vec![Path("/jobs/{its.job}", Value::Null)]),
        ("POST /api/v1/jobs/{id}/replay", vec![Path("/jobs/{its.job}/replay", Value::Null)]),
        ("GET /api/v1/orders/{id}/confirmation", vec![Path("/orders/{its.order}/confirmation", Value::Null)]),
        ("GET /api/v1/webhook-endpoints", vec![List("/webhook-endpoints")]),
        ("POST /api/v1/webhook-endpoints", vec![NoForeignId]),
        ("GET /api/v1/webhook-endpoints/{id}", vec![Path("/webhook-endpoints/{its.endpoint}", Value::Null)]),
        (
            "PATCH /api/v1/webhook-endpoints/{id}",
            vec![Path("/webhook-endpoints/{its.endpoint}", json!({"description": "D"}))],
        ),
        ("DELETE /api/v1/webhook-endpoints/{id}", vec![Path("/webhook-endpoints/{its.doomed}", Value::Null)]),
        (
            "GET /api/v1/webhook-endpoints/{id}/deliveries",
            vec![Path("/webhook-endpoints/{its.endpoint}/deliveries", Value::Null)],
        ),
        (
            "POST /api/v1/webhook-endpoints/{id}/deliveries/{delivery_id}/redeliver",
            vec![
                Path(REDELIVER, Value::Null),
                Path("/webhook-endpoints/{its.endpoint}/deliveries/{my.delivery}/redeliver", Value::Null),
                Path("/webhook-endpoints/{my.endpoint}/deliveries/{its.delivery}/redeliver", Value::Null),
            ],
        ),
        (
            "GET /api/v1/stock-levels/{product_id}/{warehouse_id}/reorder-point",
            vec![
                Path("/stock-levels/{its.product}/{its.warehouse}/reorder-point", Value::Null),
                Path("/stock-levels/{my.product}/{its.warehouse}/reorder-point", Value::Null),
                Path("/stock-levels/{its.product}/{my.warehouse}/reorder-point", Value::Null),
            ],
        ),
        (
            "PUT /api/v1/stock-levels/{product_id}/{warehouse_id}/reorder-point",
            vec![
                Path("/stock-levels/{its.product}/{its.warehouse}/reorder-point", json!({"reorder_point": 5})),
                Path("/stock-levels/{my.product}/{its.warehouse}/reorder-point", json!({"reorder_point": 5})),
                Path("/stock-levels/{its.product}/{my.warehouse}/reorder-point", json!({"reorder_point": 5})),
            ],
        ),
    ]
}

const REDELIVER: &str = "/webhook-endpoints/{its.endpoint}/deliveries/{its.delivery}/redeliver";

const RETURN_OF_ITS_PRODUCT: &str = r#"{"reason": "broken",
    "items": [{"product_id": "{its.product}", "warehouse_id": "{my.warehouse}", "quantity": 1}]}"#;
const RETURN_TO_ITS_WAREHOUSE: &str = r#"{"reason": "broken",
    "items": [{"product_id": "{my.product}", "warehouse_id": "{its.warehouse}", "quantity": 1}]}"#;
