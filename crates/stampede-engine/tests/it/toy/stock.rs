//! Stock levels with a ledger.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Answer, Fault, ROUND_TRIP, State, respond};

/// All levels by product and warehouse.
#[derive(Default)]
pub(crate) struct Stock {
    levels: HashMap<(String, String), Level>,
}

#[derive(Clone, Default)]
struct Level {
    available: i64,
    reserved: i64,
    received: i64,
    version: i64,
    movements: Vec<Value>,
}

impl Level {
    fn moved(&mut self, available: i64, reserved: i64, received: i64) {
        self.available += available;
        self.reserved += reserved;
        self.received += received;
        self.version += 1;
        self.movements.push(json!({
            "version": self.version, "d_quantity": available, "d_reserved": reserved, "d_shipped": 0,
            "d_received": received, "quantity_after": self.available, "reserved_after": self.reserved,
        }));
    }
}

struct Line {
    key: (String, String),
    units: i64,
}

fn line(body: &Value) -> Line {
    let item = &body["items"][0];
    let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
    Line { key: (text("product_id"), text("warehouse_id")), units: item["quantity"].as_i64().unwrap_or(0) }
}

pub(crate) async fn receive(state: &State, body: &Value) -> Answer {
    let line = line(body);
    let version = change(state, &line, |level, units| level.moved(units, 0, units)).await;
    respond(StatusCode::CREATED, &json!({"items": [{"version": version}]}))
}

pub(crate) async fn reserve(state: &State, body: &Value) -> Answer {
    let line = line(body);
    let available = state.stock.borrow().levels.get(&line.key).map_or(0, |level| level.available);
    if state.fault == Fault::Oversell {
        sleep(ROUND_TRIP).await;
    }
    if available < line.units {
        return respond(StatusCode::CONFLICT, &json!({"code": "insufficient_stock"}));
    }
    let version = change(state, &line, |level, units| level.moved(-units, units, 0)).await;
    respond(StatusCode::CREATED, &json!({"items": [{"version": version}]}))
}

/// Changes a level in one step, or with a wait between reading and writing.
async fn change(state: &State, line: &Line, step: impl Fn(&mut Level, i64)) -> i64 {
    let mut level = state.stock.borrow().levels.get(&line.key).cloned().unwrap_or_default();
    if state.fault == Fault::LostUpdate {
        sleep(ROUND_TRIP).await;
    }
    step(&mut level, line.units);
    if state.fault == Fault::ForgetfulLedger && level.version % 7 == 0 {
        level.movements.pop();
    }
    let version = level.version;
    state.stock.borrow_mut().levels.insert(line.key.clone(), level);
    version
}

pub(crate) fn level(state: &State, (product, warehouse): (&str, &str)) -> Answer {
    let stock = state.stock.borrow();
    let Some(level) = stock.levels.get(&(product.to_owned(), warehouse.to_owned())) else {
        return respond(StatusCode::NOT_FOUND, &json!({"code": "not_found"}));
    };
    let body = json!({
        "quantity": level.available, "reserved_quantity": level.reserved, "shipped_quantity": 0,
        "received_quantity": level.received, "version": level.version,
    });
    respond(StatusCode::OK, &body)
}

pub(crate) fn movements(state: &State, query: &str) -> Answer {
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let after: i64 = value("after").parse().unwrap_or(0);
    let limit: usize = value("limit").parse().unwrap_or(20);
    let stock = state.stock.borrow();
    let level = stock.levels.get(&(value("product_id"), value("warehouse_id")));
    let rows: Vec<&Value> = level
        .into_iter()
        .flat_map(|level| &level.movements)
        .filter(|movement| movement["version"].as_i64().is_some_and(|version| version > after))
        .take(limit)
        .collect();
    respond(StatusCode::OK, &json!({"data": rows, "next_cursor": null}))
}
