//! What a key's refusal means to the caller of the catalogue: the schema's constraint names, mapped once.

use axum::http::StatusCode;
use kv_store::StoreError;

use super::problem::{FieldFault, Problem};

/// The problem for an error of a catalogue's write.
pub fn of_catalogue(error: StoreError) -> Problem {
    let StoreError::Constraint { constraint } = &error else {
        return error.into();
    };
    match constraint.as_str() {
        "customers_code" | "warehouses_code" => duplicate("/code", "duplicate_code", "Another one has this code."),
        "products_sku" => duplicate("/sku", "duplicate_sku", "Another product has this SKU."),
        "orders_customer" => in_use("The customer has orders, so it cannot be deleted."),
        "stock_levels_product" | "order_items_product" => {
            in_use("The product was stocked or ordered, so it cannot be deleted; set active to false instead.")
        }
        "stock_levels_warehouse" => {
            in_use("Stock lay in the warehouse, so it cannot be deleted; set active to false instead.")
        }
        _ => error.into(),
    }
}

/// The problem of an item of a batch whose code is taken, perhaps by another item.
pub fn taken_code(by: Option<usize>) -> Problem {
    taken("/code", "duplicate_code", by, "Another one has this code.")
}

/// The same of a SKU.
pub fn taken_sku(by: Option<usize>) -> Problem {
    taken("/sku", "duplicate_sku", by, "Another product has this SKU.")
}

fn taken(pointer: &'static str, code: &'static str, by: Option<usize>, detail: &'static str) -> Problem {
    let Some(by) = by else { return duplicate(pointer, code, detail) };
    let detail = format!("The item at /items/{by} of the same batch has it.");
    let fault = FieldFault::new(pointer, code, detail.clone()).with("index", by);
    Problem::new(StatusCode::CONFLICT, code, detail).with_errors(vec![fault])
}

fn duplicate(pointer: &'static str, code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail).with_errors(vec![FieldFault::new(pointer, code, detail)])
}

fn in_use(detail: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "in_use", detail)
}
