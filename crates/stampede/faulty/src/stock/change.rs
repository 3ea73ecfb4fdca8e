//! The one way a level changes: lock, read, check, write, all lines or none.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::level::Figures;
use crate::bugs::Flaw;
use crate::face::Reply;
use crate::rows::Held;
use crate::state::State;

/// How long a mark of being sold out counts.
const MARK: Duration = Duration::from_millis(250);
/// Every so manieth movement is the one that is forgotten.
const FORGOTTEN: u64 = 5;

/// Units of one product.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) product: String,
    pub(crate) units: i64,
}

/// What one unit of a line does to each figure of its level.
#[derive(Clone, Copy, Default)]
pub(crate) struct Step {
    pub(crate) available: i64,
    pub(crate) reserved: i64,
    pub(crate) shipped: i64,
    pub(crate) received: i64,
}

/// A change of some levels.
pub(crate) struct Change {
    pub(crate) lines: Vec<Line>,
    pub(crate) step: Step,
    /// Whether it is refused when units would be missing.
    pub(crate) checked: bool,
}

impl Change {
    /// A change of one level that cannot be refused.
    pub(crate) fn unchecked(product: &str, units: i64, step: Step) -> Self {
        let lines = vec![Line { product: product.to_owned(), units }];
        Self { lines, step, checked: false }
    }

    /// A change that takes units of the lines as they were asked for.
    pub(crate) fn taking(lines: Vec<(String, i64)>, step: Step) -> Self {
        let lines = lines.into_iter().map(|(product, units)| Line { product, units }).collect();
        Self { lines, step, checked: true }
    }

    /// Adds lines of one product up, so that they are checked together.
    pub(crate) fn summed(mut self, state: &State) -> Self {
        if state.has(Flaw::LinesCheckedApart) {
            return self;
        }
        let mut sums: Vec<Line> = Vec::new();
        for line in self.lines {
            match sums.iter_mut().find(|sum| sum.product == line.product) {
                Some(sum) => sum.units += line.units,
                None => sums.push(line),
            }
        }
        self.lines = sums;
        self
    }

    /// Does it in one step; answers each level as it then is.
    pub(crate) async fn run(&self, state: &State) -> Result<Vec<Value>, Reply> {
        let each = if state.has(Flaw::LinesLockedInTurn) { 1 } else { self.lines.len().max(1) };
        let mut done = Vec::new();
        for lines in self.lines.chunks(each) {
            self.marked(lines, state)?;
            let seen = read(lines, state);
            state.pause().await;
            let _held = lock(lines, state).await?;
            let seen = if state.has(Flaw::CheckOutsideLock) { seen } else { read(lines, state) };
            done.extend(self.under_lock(lines, &seen, state).await?);
        }
        Ok(done)
    }

    /// The rest of it, for whoever holds the rows already.
    pub(crate) async fn run_locked(&self, state: &State) -> Result<Vec<Value>, Reply> {
        self.under_lock(&self.lines, &read(&self.lines, state), state).await
    }

    /// `seen` is what the check goes by.
    async fn under_lock(&self, lines: &[Line], seen: &[Figures], state: &State) -> Result<Vec<Value>, Reply> {
        let each = if state.has(Flaw::PartialOrder) { 1 } else { lines.len().max(1) };
        let mut done = Vec::new();
        for (lines, seen) in lines.chunks(each).zip(seen.chunks(each)) {
            let rows = read(lines, state);
            self.check(lines, seen, state)?;
            state.pause().await;
            done.extend(self.write(lines, &rows, state));
        }
        Ok(done)
    }

    fn check(&self, lines: &[Line], seen: &[Figures], state: &State) -> Result<(), Reply> {
        let short = lines.iter().zip(seen).find(|(line, seen)| {
            let after = seen.available + line.units * self.step.available;
            let spare = i64::from(state.has(Flaw::OffByOneLastUnit)) - i64::from(state.has(Flaw::SoldOneTooMany));
            self.checked && after < spare
        });
        let Some((line, seen)) = short else { return Ok(()) };
        if seen.available == 0 {
            state.stock.borrow_mut().level(&line.product).sold_out = Some(Instant::now());
        }
        Err(insufficient(&line.product, seen.available))
    }

    /// Refuses at once what is marked as sold out.
    fn marked(&self, lines: &[Line], state: &State) -> Result<(), Reply> {
        let mut stock = state.stock.borrow_mut();
        let sold_out = |line: &&Line| stock.level(&line.product).sold_out.is_some_and(|since| since.elapsed() < MARK);
        let takes = self.checked && self.step.available < 0;
        let marked = if takes { lines.iter().find(sold_out) } else { None };
        marked.map_or(Ok(()), |line| Err(insufficient(&line.product, 0)))
    }

    fn write(&self, lines: &[Line], rows: &[Figures], state: &State) -> Vec<Value> {
        let mut stock = state.stock.borrow_mut();
        let mut done = Vec::new();
        for (index, (line, row)) in lines.iter().zip(rows).enumerate() {
            // A second line of one product goes on where the first one stopped.
            let again = lines[..index].iter().any(|before| before.product == line.product);
            let level = stock.level(&line.product);
            let row = if again { level.now } else { *row };
            let by = |unit: i64| unit * line.units;
            let (available, reserved) = (by(self.step.available), by(self.step.reserved));
            let (shipped, received) = (by(self.step.shipped), by(self.step.received));
            let movement = Figures { available, reserved, shipped, received, version: row.version + 1 };
            let after = sum(row, movement);
            level.write(after);
            if !state.has(Flaw::RefusedWhileFree) {
                level.sold_out = None;
            }
            if !(after.version.is_multiple_of(FORGOTTEN) && state.has(Flaw::MovementMissing)) {
                level.ledger.push(movement);
            }
            done.push(json!({
                "product_id": line.product, "version": after.version,
                "available": after.available, "reserved": after.reserved,
            }));
        }
        done
    }
}

/// The row after a movement.
fn sum(row: Figures, movement: Figures) -> Figures {
    Figures {
        available: row.available + movement.available,
        reserved: row.reserved + movement.reserved,
        shipped: row.shipped + movement.shipped,
        received: row.received + movement.received,
        version: movement.version,
    }
}

fn read(lines: &[Line], state: &State) -> Vec<Figures> {
    let mut stock = state.stock.borrow_mut();
    lines.iter().map(|line| stock.level(&line.product).now).collect()
}

/// Locks the rows of these lines, in one order for everybody.
pub(super) async fn lock<'a>(lines: &[Line], state: &'a State) -> Result<Held<'a>, Reply> {
    let mut rows: Vec<String> = Vec::new();
    for line in lines {
        let row = format!("stock/{}", line.product);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    if !state.has(Flaw::UnsortedLocking) {
        rows.sort();
    }
    if state.has(Flaw::LostUpdate) {
        rows.clear();
    }
    state.rows.lock(&rows).await
}

fn insufficient(product: &str, available: i64) -> Reply {
    let body = json!({"code": "insufficient", "product_id": product, "available": available});
    Reply::new(StatusCode::CONFLICT, body)
}
