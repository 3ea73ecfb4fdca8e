//! Single values: registers with compare and set, and counters.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bugs::Flaw;
use crate::face::{Answer, Call, Reply};
use crate::state::State;

/// How long a process that caches believes what it has read.
const CACHED: Duration = Duration::from_millis(20);
/// How long a write takes that nobody waits for.
const LATE: Duration = Duration::from_millis(10);
/// What a counter's step is at most.
const STEP_MAX: i64 = 1_000_000;

/// All registers and counters by tenant and path.
#[derive(Default)]
pub(crate) struct Registers {
    rows: HashMap<(String, String), Written>,
    cache: HashMap<(usize, String, String), (Instant, Cell)>,
}

#[derive(Clone, Default)]
struct Cell {
    value: Value,
    version: u64,
}

/// The last write of a row, and what stands there until it is done.
struct Written {
    before: Cell,
    after: Cell,
    done: Instant,
}

impl Cell {
    fn shown(&self) -> Value {
        json!({"value": self.value, "version": self.version})
    }
}

/// A row and how it is locked.
struct Row<'a> {
    state: &'a State,
    key: (String, String),
}

impl Row<'_> {
    fn read(&self) -> Cell {
        let registers = self.state.registers.borrow();
        let Some(written) = registers.rows.get(&self.key) else { return Cell::default() };
        if written.done <= Instant::now() { written.after.clone() } else { written.before.clone() }
    }

    fn write(&self, value: Value, before: Cell) -> u64 {
        let version = before.version + 1;
        let late = if self.state.has(Flaw::WriteAckedEarly) { LATE } else { Duration::ZERO };
        let written = Written { before, after: Cell { value, version }, done: Instant::now() + late };
        self.state.registers.borrow_mut().rows.insert(self.key.clone(), written);
        version
    }

    fn lock(&self) -> [String; 1] {
        [format!("value/{}/{}", self.key.0, self.key.1)]
    }
}

pub(crate) async fn route(state: &State, call: &Call, parts: &[&str]) -> Answer {
    let id = parts.get(1).ok_or_else(Reply::absent)?;
    let row = Row { state, key: call.own(&format!("{}/{id}", parts[0])) };
    state.pause().await;
    match (&call.method, parts) {
        (&Method::GET, ["registers", _]) => Ok(read(state, call, &row)),
        (&Method::PUT, ["registers", _]) => write(state, call, &row).await,
        (&Method::POST, ["registers", _, "cas"]) => compare_and_set(state, call, &row).await,
        (&Method::GET, ["counters", _]) => Ok(count(&row)),
        (&Method::POST, ["counters", _]) => increment(state, call, &row).await,
        _ => Err(Reply::absent()),
    }
}

fn read(state: &State, call: &Call, row: &Row<'_>) -> Reply {
    let now = Instant::now();
    let fresh = row.read();
    if !state.has(Flaw::RegisterCachedRead) {
        return Reply::ok(fresh.shown());
    }
    let registers = &mut *state.registers.borrow_mut();
    let key = (call.process, row.key.0.clone(), row.key.1.clone());
    let seen = registers.cache.entry(key).or_insert_with(|| (now, fresh.clone()));
    if seen.0 + CACHED < now {
        *seen = (now, fresh);
    }
    Reply::ok(seen.1.shown())
}

async fn write(state: &State, call: &Call, row: &Row<'_>) -> Answer {
    let value = call.value("value")?;
    let _held = state.rows.lock(&row.lock()).await?;
    let before = row.read();
    state.pause().await;
    Ok(Reply::ok(json!({"version": row.write(value, before)})))
}

async fn compare_and_set(state: &State, call: &Call, row: &Row<'_>) -> Answer {
    let (from, to) = (call.value("from")?, call.value("to")?);
    let lock = row.lock();
    let keys = if state.has(Flaw::CasNotAtomic) { &[] } else { lock.as_slice() };
    let _held = state.rows.lock(keys).await?;
    let before = row.read();
    if before.value != from {
        return Err(Reply::conflict("conflict"));
    }
    state.pause().await;
    Ok(Reply::ok(json!({"version": row.write(to, before)})))
}

fn count(row: &Row<'_>) -> Reply {
    let cell = row.read();
    Reply::ok(json!({"value": cell.value.as_i64().unwrap_or(0), "version": cell.version}))
}

async fn increment(state: &State, call: &Call, row: &Row<'_>) -> Answer {
    let by = call.int("by", -STEP_MAX, STEP_MAX)?;
    let lock = row.lock();
    let keys = if state.has(Flaw::CounterLostUpdate) { &[] } else { lock.as_slice() };
    let _held = state.rows.lock(keys).await?;
    let before = row.read();
    state.pause().await;
    let value = before.value.as_i64().unwrap_or(0).saturating_add(by);
    let version = row.write(json!(value), before);
    Ok(Reply::ok(json!({"value": value, "version": version})))
}
