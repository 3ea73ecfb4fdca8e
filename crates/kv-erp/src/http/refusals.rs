//! Why the ledger refused, as a [`Problem`].

use axum::http::StatusCode;
use kv_store::stock::{Mismatch, OrderStep, Reference, Refusal, Shortage, UnknownReference};
use kv_types::order::OrderStatus;

use super::etag;
use super::problem::{FieldFault, Problem};

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let conflict = |code, detail: String| Self::new(StatusCode::CONFLICT, code, detail);
        let invalid = |code, detail: String| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        match refusal {
            Refusal::Short(_)
            | Refusal::BelowZero(_)
            | Refusal::Mismatched(_)
            | Refusal::Exceeds(_)
            | Refusal::NotOnHand(_) => of_lines(&refusal),
            Refusal::Unknown(references) => references_problem(&references, unknown_code, "names nothing that exists"),
            Refusal::Inactive(references) => references_problem(&references, inactive_code, "is switched off"),
            Refusal::MixedCurrency => {
                invalid("mixed_currency", "The products have prices in different currencies.".into())
            }
            Refusal::NotFound(thing) => Self::not_found(thing.as_str()),
            Refusal::AlreadyFulfilled => {
                conflict("reservation_already_fulfilled", "The reserved stock has already left.".into())
            }
            Refusal::AlreadyReleased => {
                conflict("reservation_released", "The reserved stock was already given back.".into())
            }
            Refusal::Expired => {
                conflict("reservation_expired", "The reservation's time was over; its stock was given back.".into())
            }
            Refusal::Promised { promised } => {
                let detail =
                    format!("{promised} units are promised beyond those that are there; the limit cannot be lower.");
                conflict("backorders_outstanding", detail).with("promised", promised)
            }
            Refusal::BelongsToOrder(order) => {
                let detail = format!("The reservation belongs to order {order} and changes only with it.");
                conflict("reservation_belongs_to_order", detail).with("order_id", order.to_string())
            }
            Refusal::OrderState(status, step) => {
                let (code, what) = order_code(step);
                let hint = order_hint(status, step);
                let detail = format!("The order is {}, so it cannot be {what}{hint}.", status.as_str());
                conflict(code, detail).with("order_status", status.as_str())
            }
            Refusal::Changed { current } => etag::mismatch(current),
            Refusal::FenceStale { resource } => {
                let detail = format!("The lock on {resource} was lost: a later holder has written already.");
                conflict("lock_lost", detail).with("resource", resource)
            }
            Refusal::Key(fault) => fault.into(),
            Refusal::Group(refused) => {
                let problems: Vec<_> = refused.into_iter().map(|(place, refusal)| (place, refusal.into())).collect();
                super::batches::answer::refused(&problems)
            }
            Refusal::Overflow => invalid("out_of_range", "The stock level would leave its range.".into()),
        }
    }
}

/// Lines that ask for what there is not, or not any more.
fn of_lines(refusal: &Refusal) -> Problem {
    let (code, what, errors): (_, _, Vec<FieldFault>) = match refusal {
        Refusal::Short(lines) => {
            let errors = lines.iter().map(|short| shortage(short, "quantity")).collect();
            ("insufficient_stock", "ask for more than is available", errors)
        }
        Refusal::BelowZero(lines) => {
            let what = "would take away more than there is to take: what is available and what the level may promise beyond it, \
                        and never more than is on hand";
            ("insufficient_stock", what, lines.iter().map(|short| shortage(short, "delta")).collect())
        }
        Refusal::Mismatched(lines) => ("quantity_mismatch", "expect another quantity", lines.iter().map(mismatch).collect()),
        Refusal::NotOnHand(lines) => {
            ("not_on_hand", "are promised but not on the shelf", lines.iter().map(not_on_hand).collect())
        }
        Refusal::Exceeds(lines) => {
            ("quantity_exceeded", "name more than there is of it", lines.iter().map(excess).collect())
        }
        other => unreachable!("{other:?} is not about lines"),
    };
    let detail = format!("{} of the lines {what}; nothing was written.", errors.len());
    Problem::new(StatusCode::CONFLICT, code, detail).with_errors(errors)
}

/// `field` is the one that asks for too much.
fn shortage(short: &Shortage, field: &str) -> FieldFault {
    let detail = format!("{} asked for, {} available.", short.requested, short.available);
    let fault = FieldFault::new(format!("/items/{}/{field}", short.line), "insufficient_stock", detail)
        .with("product_id", short.product.to_string())
        .with("requested", short.requested)
        .with("available", short.available);
    match short.warehouse {
        Some(warehouse) => fault.with("warehouse_id", warehouse.to_string()),
        None => fault,
    }
}

const fn order_code(step: OrderStep) -> (&'static str, &'static str) {
    match step {
        OrderStep::Confirm => ("order_not_confirmable", "confirmed"),
        OrderStep::Fulfill => ("order_not_fulfillable", "fulfilled"),
        OrderStep::Return => ("order_not_returnable", "returned"),
        OrderStep::Close => ("order_not_closable", "closed"),
        OrderStep::Cancel => ("order_not_cancellable", "cancelled"),
    }
}

/// What to do instead, where there is something.
const fn order_hint(status: OrderStatus, step: OrderStep) -> &'static str {
    match (step, status) {
        (OrderStep::Close, OrderStatus::Pending | OrderStatus::Confirmed) => ": nothing of it has left; cancel it",
        (OrderStep::Close, OrderStatus::Fulfilled) => ": all of it has left",
        (OrderStep::Fulfill, OrderStatus::Fulfilled) => ": nothing of it is left",
        (OrderStep::Cancel, OrderStatus::PartiallyFulfilled) => ": a part of it has left; close it",
        _ => "",
    }
}

fn excess(line: &Shortage) -> FieldFault {
    FieldFault { code: "quantity_exceeded", ..shortage(line, "quantity") }
}

fn not_on_hand(line: &Shortage) -> FieldFault {
    FieldFault { code: "not_on_hand", ..shortage(line, "quantity") }
}

fn mismatch(line: &Mismatch) -> FieldFault {
    let detail = format!("{} expected, {} available.", line.expected, line.available);
    FieldFault::new(format!("/items/{}/expected_quantity", line.line), "quantity_mismatch", detail)
        .with("product_id", line.product.to_string())
        .with("warehouse_id", line.warehouse.to_string())
        .with("expected", line.expected)
        .with("available", line.available)
}

fn references_problem(references: &[UnknownReference], code: fn(Reference) -> &'static str, fault: &str) -> Problem {
    let errors: Vec<FieldFault> = references
        .iter()
        .map(|reference| {
            let field = field_of(reference.field);
            let pointer = reference.line.map_or_else(|| format!("/{field}"), |line| format!("/items/{line}/{field}"));
            FieldFault::new(pointer, code(reference.field), fault.to_owned())
        })
        .collect();
    let first = references.first().map_or("unknown_reference", |reference| code(reference.field));
    let detail = match errors.as_slice() {
        [one] => format!("{} {fault}.", one.pointer),
        several => format!("{} references: each {fault}; see errors.", several.len()),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, first, detail).with_errors(errors)
}

const fn field_of(reference: Reference) -> &'static str {
    match reference {
        Reference::Customer => "customer_id",
        Reference::Product => "product_id",
        Reference::Warehouse => "warehouse_id",
        Reference::FromWarehouse => "from_warehouse_id",
        Reference::ToWarehouse => "to_warehouse_id",
    }
}

const fn unknown_code(reference: Reference) -> &'static str {
    match reference {
        Reference::Customer => "unknown_customer",
        Reference::Product => "unknown_product",
        Reference::Warehouse | Reference::FromWarehouse | Reference::ToWarehouse => "unknown_warehouse",
    }
}

const fn inactive_code(reference: Reference) -> &'static str {
    match reference {
        Reference::Customer => "inactive_customer",
        Reference::Product => "inactive_product",
        Reference::Warehouse | Reference::FromWarehouse | Reference::ToWarehouse => "inactive_warehouse",
    }
}

#[cfg(test)]
mod tests {
    use kv_types::{ProductId, WarehouseId};
    use serde_json::{Value, json};

    use super::*;

    fn body(problem: impl Into<Problem>) -> Value {
        serde_json::from_slice(&problem.into().body(None)).unwrap()
    }

    #[test]
    fn a_shortage_lists_every_short_line() {
        let product = ProductId::from_uuid(uuid::Uuid::from_u128(1));
        let warehouse = Some(WarehouseId::from_uuid(uuid::Uuid::from_u128(2)));
        let short = |line, warehouse| Shortage { line, product, warehouse, requested: 5, available: 3 };
        let body = body(Refusal::Short(vec![short(0, None), short(4, warehouse)]));
        assert_eq!((&body["status"], &body["code"]), (&json!(409), &json!("insufficient_stock")));
        assert_eq!(body["errors"][0]["pointer"], "/items/0/quantity");
        assert_eq!(body["errors"][0].get("warehouse_id"), None);
        assert_eq!(body["errors"][1]["pointer"], "/items/4/quantity");
        assert_eq!(body["errors"][1]["warehouse_id"], "00000000-0000-0000-0000-000000000002");
        assert_eq!((&body["errors"][1]["requested"], &body["errors"][1]["available"]), (&json!(5), &json!(3)));
    }

    #[test]
    fn unknown_references_point_at_their_fields() {
        let references = vec![
            UnknownReference { line: None, field: Reference::Customer },
            UnknownReference { line: Some(2), field: Reference::Product },
        ];
        let body = body(Refusal::Unknown(references));
        assert_eq!((&body["status"], &body["code"]), (&json!(422), &json!("unknown_customer")));
        assert_eq!(body["errors"][0]["pointer"], "/customer_id");
        assert_eq!(body["errors"][1]["pointer"], "/items/2/product_id");
        assert_eq!(body["errors"][1]["code"], "unknown_product");
    }
}
