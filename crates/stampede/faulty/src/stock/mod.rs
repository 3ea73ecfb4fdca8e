//! Stock: levels with a ledger, and reservations that end.
//!
//! Invariants of the sound twin: `available + reserved + shipped = received`, none of them below zero; each change of a
//! level raises its version by one and leaves one movement; a change of several levels is done in one step, under the
//! locks of all of them.

mod change;
mod level;
mod reservation;

use std::collections::{BTreeSet, HashMap};

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) use change::{Change, Step};
pub(crate) use reservation::{route as route_reservations, sweep};

use crate::bugs::Flaw;
use crate::face::{Answer, Call, Reply};
use crate::products;
use crate::state::State;

use level::{Figures, Level};
use reservation::Reservation;

/// Rows of the largest page of movements.
const MOVEMENTS_MAX: usize = 1_000;
/// Levels in one snapshot.
const SNAPSHOT_MAX: usize = 20;

/// All levels and reservations.
#[derive(Default)]
pub(crate) struct Stock {
    levels: HashMap<String, Level>,
    reservations: HashMap<String, Reservation>,
    /// Those whose time is limited and that still stand, by its end.
    due: BTreeSet<(Instant, String)>,
}

impl Stock {
    fn level(&mut self, product: &str) -> &mut Level {
        self.levels.entry(product.to_owned()).or_default()
    }
}

pub(crate) async fn route(state: &State, call: &Call, rest: &[&str]) -> Answer {
    if let (&Method::GET, [""] | []) = (&call.method, rest) {
        return snapshot(state, call).await;
    }
    let (&product, rest) = rest.split_first().ok_or_else(Reply::absent)?;
    products::owned(state, &call.tenant, product)?;
    state.pause().await;
    match (&call.method, rest) {
        (&Method::POST, ["receipts"]) => receive(state, call, product).await,
        (&Method::POST, ["adjustments"]) => adjust(state, call, product).await,
        (&Method::GET, []) => Ok(show(state, product)),
        (&Method::GET, ["movements"]) => Ok(movements(state, call, product)),
        _ => Err(Reply::absent()),
    }
}

async fn receive(state: &State, call: &Call, product: &str) -> Answer {
    let units = call.units("units")?;
    let step = Step { available: 1, received: 1, ..Step::default() };
    moved(state, &Change::unchecked(product, units, step)).await
}

async fn adjust(state: &State, call: &Call, product: &str) -> Answer {
    let units = call.delta("delta")?;
    let step = Step { available: 1, received: 1, ..Step::default() };
    let mut change = Change::unchecked(product, units, step);
    change.checked = !state.has(Flaw::AdjustmentUnchecked);
    moved(state, &change).await
}

async fn moved(state: &State, change: &Change) -> Answer {
    let mut rows = change.run(state).await?;
    Ok(Reply::created(rows.pop().unwrap_or_default()))
}

fn show(state: &State, product: &str) -> Reply {
    let stock = &mut *state.stock.borrow_mut();
    let level = stock.level(product);
    let seen = if state.has(Flaw::StaleReplicaRead) { level.replica(Instant::now()) } else { level.now };
    Reply::ok(seen.shown())
}

fn movements(state: &State, call: &Call, product: &str) -> Reply {
    let after = call.query_int("after").unwrap_or(0);
    let limit = call.query_int("limit").map_or(MOVEMENTS_MAX, |limit| (limit as usize).clamp(1, MOVEMENTS_MAX));
    let stock = &mut *state.stock.borrow_mut();
    let ledger = &stock.level(product).ledger;
    let rows = ledger.iter().filter(|row| row.version > after).take(limit).map(Figures::shown);
    Reply::ok(json!({"data": rows.collect::<Vec<_>>()}))
}

/// Several levels at one instant: `GET /stock?ids=a,b`.
async fn snapshot(state: &State, call: &Call) -> Answer {
    let ids = call.query("ids").unwrap_or_default();
    let ids: Vec<&str> = ids.split(',').filter(|id| !id.is_empty()).take(SNAPSHOT_MAX).collect();
    for id in &ids {
        products::owned(state, &call.tenant, id)?;
    }
    state.pause().await;
    let mut seen: Vec<Value> = Vec::new();
    for id in ids {
        let level = state.stock.borrow_mut().level(id).now;
        seen.push(json!({"product_id": id, "version": level.version, "available": level.available}));
        if state.has(Flaw::SnapshotTorn) {
            state.pause().await;
        }
    }
    Ok(Reply::ok(json!({"data": seen})))
}
