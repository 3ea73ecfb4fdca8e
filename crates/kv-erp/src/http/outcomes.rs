//! How the result of a change of stock is shown, now and to a repeat.

use axum::response::Response;
use kv_store::idempotency::Answer;
use kv_store::stock::{Command, Outcome};
use kv_types::TenantId;

use super::answers::BASE;
use super::problem::Problem;
use super::shown::{Shown, respond};
use crate::app::App;

/// Does a change of stock and answers with what `show` makes of its result.
pub(super) async fn run(
    app: &App,
    tenant: TenantId,
    command: Command,
    show: fn(&Outcome) -> Shown,
) -> Result<Response, Problem> {
    #[cfg(feature = "wrong-strategies")]
    let _lease = crate::wrong::lease(app, tenant).await;
    respond(app.store().stock().run(tenant, command).await?, show)
}

/// 201 with what was made.
pub(super) fn made(outcome: &Outcome) -> Shown {
    match outcome {
        Outcome::Reservation(held) => Shown::created(format!("{BASE}/reservations/{}", held.id), held),
        Outcome::Receipt(receipt) => Shown::created(format!("{BASE}/stock-receipts/{}", receipt.id), receipt),
        Outcome::Adjustment(adjustment) => {
            Shown::created(format!("{BASE}/stock-adjustments/{}", adjustment.id), adjustment)
        }
        Outcome::Transfer(transfer) => Shown::created(format!("{BASE}/stock-transfers/{}", transfer.id), transfer),
        // A level is never made by itself.
        Outcome::Level(level) => Shown::revised(level),
        Outcome::Order(order) => Shown::created(format!("{BASE}/orders/{}", order.id), order).tagged(order),
        Outcome::Group(outcomes) => super::batches::answer::made_all(outcomes),
    }
}

/// 200 with the thing as it is now.
pub(super) fn changed(outcome: &Outcome) -> Shown {
    match outcome {
        Outcome::Reservation(held) => Shown::changed(held),
        Outcome::Receipt(receipt) => Shown::changed(receipt),
        Outcome::Adjustment(adjustment) => Shown::changed(adjustment),
        Outcome::Transfer(transfer) => Shown::changed(transfer),
        Outcome::Level(level) => Shown::revised(level),
        Outcome::Order(order) => Shown::revised(order),
        Outcome::Group(outcomes) => super::batches::answer::made_all(outcomes),
    }
}

/// How an order's number stands in an answer as long as it is not drawn. A quote within a JSON string has a backslash before
/// it, so no text of a caller's can look like this.
const NO_NUMBER: &[u8] = b"\"order_number\":0,";

/// [`made`], to be kept. A new order's number is drawn when its row is written; until then its place in the body is left open.
pub(super) fn seal_made(outcome: &Outcome) -> Answer {
    let mut answer = made(outcome).seal();
    if !lacks_a_number(outcome) {
        return answer;
    }
    let mut open = Vec::with_capacity(answer.body.len());
    let mut rest = answer.body.as_slice();
    while let Some(at) = rest.windows(NO_NUMBER.len()).position(|bytes| bytes == NO_NUMBER) {
        let zero = at + NO_NUMBER.len() - b"0,".len();
        open.extend_from_slice(&rest[..zero]);
        answer.numbers_at.push(open.len());
        rest = &rest[zero + 1..];
    }
    open.extend_from_slice(rest);
    answer.body = open;
    answer
}

fn lacks_a_number(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Order(order) => order.order_number == 0,
        Outcome::Group(outcomes) => outcomes.iter().any(lacks_a_number),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kv_types::order::{Order, OrderStatus};
    use kv_types::{CustomerId, OrderId};
    use uuid::Uuid;

    use super::*;

    fn order(order_number: i64) -> Outcome {
        Outcome::Order(Order {
            id: OrderId::from_uuid(Uuid::from_u128(1)),
            order_number,
            customer_id: CustomerId::from_uuid(Uuid::from_u128(2)),
            status: OrderStatus::Pending,
            currency: "EUR".to_owned(),
            total_minor: 0,
            reference: Some("\"order_number\":0,".to_owned()),
            reservation_id: None,
            items: Vec::new(),
            version: 1,
            expires_at: None,
            created_at: Timestamp::UNIX_EPOCH,
        })
    }

    #[test]
    fn a_number_that_is_drawn_later_fits_into_the_place_left_for_it() {
        let open = seal_made(&order(0));
        let [at] = open.numbers_at[..] else { panic!("its place is left open: {open:?}") };
        let filled = [&open.body[..at], b"100017", &open.body[at..]].concat();
        let known = seal_made(&order(100_017));
        assert_eq!((known.numbers_at, &known.head), (Vec::new(), &open.head));
        assert_eq!(String::from_utf8(filled).unwrap(), String::from_utf8(known.body).unwrap());
    }

    #[test]
    fn each_order_of_a_group_has_a_place_for_its_number() {
        let group = |numbers: [i64; 3]| Outcome::Group(numbers.map(order).to_vec());
        let open = seal_made(&group([0, 0, 0]));
        let (mut filled, mut from) = (Vec::new(), 0);
        for (at, number) in open.numbers_at.iter().zip(["7", "100018", "19"]) {
            filled.extend_from_slice(&open.body[from..*at]);
            filled.extend_from_slice(number.as_bytes());
            from = *at;
        }
        filled.extend_from_slice(&open.body[from..]);
        let known = seal_made(&group([7, 100_018, 19]));
        assert_eq!(String::from_utf8(filled).unwrap(), String::from_utf8(known.body).unwrap());
    }
}
