//! The answers to batches.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use kv_store::idempotency::Answer;
use kv_store::stock::Outcome;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::faults;
use crate::http::outcomes::made;
use crate::http::problem::{FieldFault, Problem};
use crate::http::shown::Shown;

/// Most faults of one item that an answer lists.
const MAX_FAULTS_PER_ITEM: usize = 10;

/// What a batch made that is all or none, in the order of its items.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Made<T: ToSchema> {
    /// The things made, each as the single request shows it.
    pub(super) results: Vec<T>,
}

/// What came of a batch whose items are each for themselves.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Results {
    /// A result for each item, in the order of the items.
    results: Vec<ItemResult>,
}

/// What came of one item: as the single request would have been answered.
#[derive(Serialize, ToSchema)]
pub(super) struct ItemResult {
    /// The item's place, from 0.
    index: usize,
    /// The status of the single request.
    #[schema(minimum = 200, maximum = 599, example = 201)]
    status: u16,
    /// Whether this was done by an earlier request with the same `Idempotency-Key`.
    replayed: bool,
    /// What was made, or a problem whose pointers begin at the item.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
}

impl ItemResult {
    fn new(index: usize, status: StatusCode, body: Vec<u8>) -> Self {
        let text = String::from_utf8(body).unwrap_or_default();
        let body = RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { index, status: status.as_u16(), replayed: false, body }
    }

    /// It was done now.
    pub(super) fn now(index: usize, shown: Shown) -> Self {
        let (status, body) = shown.into_parts();
        Self::new(index, status, body)
    }

    /// It had been done.
    pub(super) fn before(index: usize, answer: Answer) -> Self {
        let Some(shown) = Shown::unseal(answer) else {
            tracing::error!("a kept answer does not read as this program writes it");
            return Self::problem(index, &faults::internal());
        };
        Self { replayed: true, ..Self::now(index, shown) }
    }

    /// It was refused.
    pub(super) fn problem(index: usize, problem: &Problem) -> Self {
        Self::new(index, problem.status(), problem.body(None))
    }
}

/// 207 with a result for each item.
pub(super) fn each(results: Vec<ItemResult>) -> Response {
    (StatusCode::MULTI_STATUS, Json(Results { results })).into_response()
}

/// 201 with all that was made.
pub(in crate::http) fn made_all(outcomes: &[Outcome]) -> Shown {
    let mut body = br#"{"results":["#.to_vec();
    for (place, outcome) in outcomes.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend(made(outcome).into_parts().1);
    }
    body.extend_from_slice(b"]}");
    Shown::made_of(body)
}

/// 422 `validation_failed`: the faults of items that cannot be read.
pub(super) fn invalid(faulty: &[(usize, Problem)]) -> Problem {
    let detail = format!("{} of the items are not valid; nothing was written.", faulty.len());
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", detail).with_errors(below_items(faulty))
}

/// `batch_refused`: why items of a batch that is all or none cannot be done. 422 when one of them can never be, else 409.
pub(in crate::http) fn refused(problems: &[(usize, Problem)]) -> Problem {
    let is_invalid = |(_, problem): &(usize, Problem)| problem.status() == StatusCode::UNPROCESSABLE_ENTITY;
    let status = if problems.iter().any(is_invalid) { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::CONFLICT };
    let detail = format!("{} of the items cannot be done; nothing was written.", problems.len());
    Problem::new(status, "batch_refused", detail).with_errors(below_items(problems))
}

/// Every item's faults, their pointers below the item. A problem without faults is one of the item itself.
fn below_items(problems: &[(usize, Problem)]) -> Vec<FieldFault> {
    let mut errors = Vec::new();
    for (place, problem) in problems {
        if problem.errors().is_empty() {
            errors.push(FieldFault::new(format!("/items/{place}"), problem.code(), problem.detail().to_owned()));
        }
        errors.extend(
            problem
                .errors()
                .iter()
                .take(MAX_FAULTS_PER_ITEM)
                .map(|fault| FieldFault { pointer: format!("/items/{place}{}", fault.pointer), ..fault.clone() }),
        );
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_item_is_named_and_the_gravest_gives_the_status() {
        let short = Problem::new(StatusCode::CONFLICT, "insufficient_stock", "Short.")
            .with_errors(vec![FieldFault::new("/items/1/quantity", "insufficient_stock", "1 asked for, 0 available.")]);
        let mixed = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "mixed_currency", "Two currencies.");
        let told: Value = serde_json::from_slice(&refused(&[(2, short.clone()), (7, mixed)]).body(None)).unwrap();
        assert_eq!((&told["status"], &told["code"]), (&json!(422), &json!("batch_refused")));
        let pointers: Vec<_> = told["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        assert_eq!(pointers, ["/items/2/items/1/quantity", "/items/7"]);
        assert_eq!(refused(&[(0, short)]).status(), StatusCode::CONFLICT);
    }
}
