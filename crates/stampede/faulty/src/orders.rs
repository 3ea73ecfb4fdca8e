//! Orders: units of several products, all or none, shipped at once.

use std::collections::HashMap;

use http::Method;
use serde_json::{Value, json};

use crate::face::{Answer, Call, Reply};
use crate::products;
use crate::state::State;
use crate::stock::{Change, Step};

/// Orders listed for one key.
const LISTED_MAX: usize = 100;

/// All tenants' orders.
#[derive(Default)]
pub(crate) struct Orders {
    rows: HashMap<(String, String), Value>,
    by_key: HashMap<(String, String), Vec<String>>,
}

pub(crate) async fn route(state: &State, call: &Call, rest: &[&str]) -> Answer {
    state.pause().await;
    match (&call.method, rest) {
        (&Method::POST, []) => place(state, call).await,
        (&Method::GET, []) => Ok(list(state, call)),
        (&Method::GET, [id]) => {
            let orders = state.orders.borrow();
            orders.rows.get(&call.own(id)).map(|order| Reply::ok(order.clone())).ok_or_else(Reply::absent)
        }
        _ => Err(Reply::absent()),
    }
}

async fn place(state: &State, call: &Call) -> Answer {
    let (lines, text) = (call.lines()?, call.value("body")?);
    for (product, _) in &lines {
        products::owned(state, &call.tenant, product)?;
    }
    let change = Change::taking(lines, Step { available: -1, shipped: 1, ..Step::default() }).summed(state);
    let items = change.run(state).await?;
    let id = state.new_id("o", &call.tenant);
    let order = json!({"id": id, "items": items, "body": text});
    let orders = &mut *state.orders.borrow_mut();
    orders.rows.insert(call.own(&id), order);
    if let Some(key) = &call.idempotency_key {
        orders.by_key.entry(call.own(key)).or_default().push(id.clone());
    }
    Ok(Reply::created(json!({"id": id, "items": items})))
}

fn list(state: &State, call: &Call) -> Reply {
    let key = call.query("idempotency_key").unwrap_or_default();
    let orders = state.orders.borrow();
    let ids = orders.by_key.get(&call.own(&key)).into_iter().flatten().take(LISTED_MAX);
    Reply::ok(json!({"data": ids.map(|id| json!({"id": id})).collect::<Vec<_>>()}))
}
