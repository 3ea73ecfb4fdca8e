//! The cases of [`crate::cases`] for batches: the other tenant's ids within an item.

use crate::cases::Case::{Body, NoForeignId};
use crate::cases::Cases;

pub(crate) fn cases() -> Cases {
    vec![
        ("POST /api/v1/customers/batch", vec![NoForeignId]),
        ("POST /api/v1/products/batch", vec![NoForeignId]),
        ("POST /api/v1/warehouses/batch", vec![NoForeignId]),
        (
            "POST /api/v1/reservations/batch",
            vec![
                Body("/items/0/items/0/product_id", LINE_OF_ITS_PRODUCT),
                Body("/items/0/items/0/warehouse_id", LINE_OF_ITS_WAREHOUSE),
            ],
        ),
        (
            "POST /api/v1/stock-receipts/batch",
            vec![
                Body("/items/0/items/0/product_id", LINE_OF_ITS_PRODUCT),
                Body("/items/0/items/0/warehouse_id", LINE_OF_ITS_WAREHOUSE),
            ],
        ),
        (
            "POST /api/v1/stock-adjustments/batch",
            vec![
                Body("/items/0/items/0/product_id", COUNT_OF_ITS_PRODUCT),
                Body("/items/0/items/0/warehouse_id", COUNT_OF_ITS_WAREHOUSE),
            ],
        ),
        (
            "POST /api/v1/orders/batch",
            vec![
                Body("/items/0/customer_id", ORDER_OF_ITS_CUSTOMER),
                Body("/items/0/items/0/product_id", ORDER_OF_ITS_PRODUCT),
            ],
        ),
    ]
}

const LINE_OF_ITS_PRODUCT: &str = r#"{"mode": "atomic", "items": [{"items":
    [{"product_id": "{its.product}", "warehouse_id": "{my.warehouse}", "quantity": 1}]}]}"#;
const LINE_OF_ITS_WAREHOUSE: &str = r#"{"mode": "atomic", "items": [{"items":
    [{"product_id": "{my.product}", "warehouse_id": "{its.warehouse}", "quantity": 1}]}]}"#;
const COUNT_OF_ITS_PRODUCT: &str = r#"{"mode": "atomic", "items": [{"reason": "counted", "items":
    [{"product_id": "{its.product}", "warehouse_id": "{my.warehouse}", "delta": 1}]}]}"#;
const COUNT_OF_ITS_WAREHOUSE: &str = r#"{"mode": "atomic", "items": [{"reason": "counted", "items":
    [{"product_id": "{my.product}", "warehouse_id": "{its.warehouse}", "delta": 1}]}]}"#;
const ORDER_OF_ITS_CUSTOMER: &str = r#"{"mode": "atomic", "items": [{"customer_id": "{its.customer}", "items":
    [{"product_id": "{my.product}", "quantity": 1}]}]}"#;
const ORDER_OF_ITS_PRODUCT: &str = r#"{"mode": "atomic", "items": [{"customer_id": "{my.customer}", "items":
    [{"product_id": "{its.product}", "quantity": 1}]}]}"#;
