//! What a key's refusal means to the caller of the catalogue: the schema's constraint names, mapped once.

use axum::http::StatusCode;
use kv_store::StoreError;
use kv_store::access::users::UserError;

use super::problem::{FieldFault, Problem};

/// The problem for an error of a catalogue's write.
pub fn of_catalogue(error: StoreError) -> Problem {
    let StoreError::Constraint { constraint } = &error else {
        return error.into();
    };
    match constraint.as_str() {
        "customers_code" | "warehouses_code" => duplicate("/code", "duplicate_code", "Another one has this code."),
        "users_email" => duplicate("/email", "duplicate_email", "Another account has this address."),
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

/// The problem for an error of a change of an account.
pub fn of_user(error: UserError) -> Problem {
    match error {
        UserError::Store(error) => of_catalogue(error),
        UserError::NotOwner => no_longer_owner(),
        UserError::LastOwner => {
            let detail = "This is the tenant's last active owner; make another account an owner first.";
            Problem::new(StatusCode::CONFLICT, "last_owner", detail)
        }
    }
}

/// 403: who asks was an owner when the request came in, and is none now.
pub fn no_longer_owner() -> Problem {
    let detail = "This takes the role owner, which the account has no more.";
    Problem::new(StatusCode::FORBIDDEN, "role_too_low", detail).with("required_role", "owner")
}

/// The problem for an error of the making of a tenant.
pub fn of_tenant(error: StoreError) -> Problem {
    match &error {
        StoreError::Constraint { constraint } if constraint == "tenants_slug_key" => {
            duplicate("/slug", "duplicate_slug", "Another tenant has this short name.")
        }
        StoreError::Constraint { constraint } if constraint == "users_email" => {
            duplicate("/owner_email", "duplicate_email", "Another account has this address.")
        }
        _ => error.into(),
    }
}
