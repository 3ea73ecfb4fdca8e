//! The stock rows: one fresh level, updated by everybody at once.

use serde_json::Value;
use stampede_model::row::{Level, Movement, StockCall, StockHistory, StockOperation};
use stampede_model::target::{ConcurrencyRow, Ledger, Pointer, Ref, StockRow};
use stampede_model::verdict::{Ruling, StockDemand, judge_stock};

use super::caller::{Bench, Caller};
use super::error::RowError;
use super::exchange::{Line, Prepared};
use super::together::{Released, together};

/// A level the row made itself has no more movements than this.
const MAX_MOVEMENTS: usize = 100_000;

pub(super) async fn run_stock(bench: &Bench<'_>, row: &StockRow) -> Result<Ruling, RowError> {
    let (mut line, level) = fresh_level(bench, row.stock, (&row.user, &row.setup)).await?;
    let updates = vec![(StockOperation::Reserve, &row.reserve); row.simultaneous as usize];
    let before = read_level(bench, &mut line, &row.level, &level).await?;
    let released = update_together(bench, &level, row.units, &updates).await?;
    let after = read_level(bench, &mut line, &row.level, &level).await?;
    let history = StockHistory { stock: row.stock.into(), before, calls: released.results, after, ledger: None };
    Ok(judge_stock(&history, StockDemand::Exactly(row.affordable()), released.skew_us))
}

pub(super) async fn run_concurrency(bench: &Bench<'_>, row: &ConcurrencyRow) -> Result<Ruling, RowError> {
    let (mut line, level) = fresh_level(bench, row.stock, (&row.user, &row.setup)).await?;
    let updates = mixed(row);
    let before = read_level(bench, &mut line, &row.level, &level).await?;
    let released = update_together(bench, &level, row.units, &updates).await?;
    let after = read_level(bench, &mut line, &row.level, &level).await?;
    let ledger = match &row.ledger {
        Some(ledger) => Some(read_ledger(bench, &mut line, ledger, &level).await?),
        None => None,
    };
    let history = StockHistory { stock: row.stock.into(), before, calls: released.results, after, ledger };
    Ok(judge_stock(&history, StockDemand::AsStockAllows, released.skew_us))
}

async fn fresh_level(bench: &Bench<'_>, stock: u32, (user, setup): (&Ref, &[Ref])) -> Result<(Line, Caller), RowError> {
    let mut line = bench.open_line().await?;
    let caller = bench.caller(user).await?.with("units", stock);
    let level = bench.set_up(&mut line, setup, caller).await?;
    Ok((line, level))
}

/// Reservations and receipts in turn, so that neither kind has the start to itself.
fn mixed(row: &ConcurrencyRow) -> Vec<(StockOperation, &Ref)> {
    let (mut reservations, mut receipts) = (row.reservations, row.receipts);
    let mut updates = Vec::new();
    while reservations + receipts > 0 {
        if reservations > 0 {
            updates.push((StockOperation::Reserve, &row.reserve));
            reservations -= 1;
        }
        if receipts > 0 {
            updates.push((StockOperation::Receive, &row.receive));
            receipts -= 1;
        }
    }
    updates
}

async fn update_together(
    bench: &Bench<'_>,
    level: &Caller,
    units: u32,
    updates: &[(StockOperation, &Ref)],
) -> Result<Released<StockCall>, RowError> {
    let caller = level.with("units", units);
    let prepared: Vec<(StockOperation, Prepared<'_>)> = updates
        .iter()
        .map(|(operation, request)| Ok((*operation, bench.prepare(request, &caller)?)))
        .collect::<Result<_, RowError>>()?;
    together(bench, prepared, |mut line, (operation, prepared)| async move {
        let answered = line.call(&prepared).await;
        let version = answered.integer("version");
        let call = StockCall {
            interval: answered.interval,
            operation,
            units: units.into(),
            outcome: answered.outcome,
            version,
        };
        (call.interval.call_ns, call)
    })
    .await
}

async fn read_level(bench: &Bench<'_>, line: &mut Line, request: &Ref, level: &Caller) -> Result<Level, RowError> {
    let answered = bench.step(line, request, level).await?;
    let demanded = |field: &str| {
        answered.integer(field).ok_or_else(|| RowError::NoNumber {
            request: request.as_ref().clone(),
            field: field.to_owned(),
            seen: answered.taken.get(field).map_or_else(|| "nothing".to_owned(), ToString::to_string),
        })
    };
    let optional = |field: &str| answered.taken.get(field).map(|_| demanded(field)).transpose();
    Ok(Level {
        available: demanded("available")?,
        reserved: demanded("reserved")?,
        shipped: optional("shipped")?,
        received: optional("received")?,
        version: optional("version")?,
    })
}

/// Reads the ledger page by page until a page is empty.
pub(super) async fn read_ledger(
    bench: &Bench<'_>,
    line: &mut Line,
    ledger: &Ledger,
    level: &Caller,
) -> Result<Vec<Movement>, RowError> {
    let mut movements: Vec<Movement> = Vec::new();
    loop {
        let after = movements.last().map_or(0, |movement| movement.version);
        let answered = bench.step(line, &ledger.request, &level.with("after", after)).await?;
        let page: Value = serde_json::from_slice(&answered.body).unwrap_or(Value::Null);
        let rows = ledger.rows.find(&page).and_then(Value::as_array).ok_or_else(|| RowError::NoNumber {
            request: ledger.request.as_ref().clone(),
            field: ledger.rows.as_str().to_owned(),
            seen: "no array is there".to_owned(),
        })?;
        if rows.is_empty() {
            return Ok(movements);
        }
        for row in rows {
            movements.push(read_movement(ledger, row)?);
        }
        if movements.len() > MAX_MOVEMENTS {
            return Err(RowError::EndlessLedger { most: MAX_MOVEMENTS });
        }
    }
}

fn read_movement(ledger: &Ledger, row: &Value) -> Result<Movement, RowError> {
    let number = |pointer: &Pointer| {
        let seen = pointer.find(row);
        seen.and_then(Value::as_i64).ok_or_else(|| RowError::NoNumber {
            request: ledger.request.as_ref().clone(),
            field: pointer.as_str().to_owned(),
            seen: seen.map_or_else(|| "nothing".to_owned(), ToString::to_string),
        })
    };
    let optional = |pointer: &Option<Pointer>| pointer.as_ref().map(number).transpose();
    Ok(Movement {
        version: number(&ledger.version)?,
        available: number(&ledger.delta.available)?,
        reserved: number(&ledger.delta.reserved)?,
        shipped: optional(&ledger.delta.shipped)?,
        received: optional(&ledger.delta.received)?,
        available_after: optional(&ledger.available_after)?,
        reserved_after: optional(&ledger.reserved_after)?,
    })
}
