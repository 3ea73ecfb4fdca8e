//! One transaction: an order over several rows, or a snapshot of them.

use std::collections::HashMap;

use serde_json::Value;

use crate::check::attempts::Attempt;
use crate::check::by_key::unknown_word;
use crate::history::{BadField, Fields, Outcome};

/// A row's number.
pub(super) type RowId = u32;

/// What a transaction does, and how it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// An order that took effect.
    Ordered,
    /// An order of which nobody knows.
    Open,
    /// An order refused because a row had too few units.
    Insufficient,
    /// An order that failed, surely without effect.
    Failed,
    /// A snapshot that was seen.
    Seen,
}

/// One row of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) row: RowId,
    /// Units taken; 0 in a snapshot.
    pub(super) units: i64,
    /// The version that it made or saw.
    pub(super) version: Option<i64>,
    /// What was available then.
    pub(super) available: Option<i64>,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) id: u64,
    pub(super) call_ns: u64,
    pub(super) end_ns: u64,
    pub(super) fate: Fate,
    /// One line for each row, by row.
    pub(super) lines: Vec<Line>,
}

/// The rows of a history, each with a number.
#[derive(Debug, Default)]
pub(super) struct Rows {
    numbers: HashMap<String, RowId>,
    names: Vec<String>,
}

impl Rows {
    fn number(&mut self, name: String) -> RowId {
        let next = self.names.len() as RowId;
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }

    pub(super) fn name(&self, row: RowId) -> &str {
        &self.names[row as usize]
    }

    pub(super) fn count(&self) -> usize {
        self.names.len()
    }
}

impl Transaction {
    pub(super) fn read(attempt: &Attempt<'_>, rows: &mut Rows) -> Result<Option<Self>, BadField> {
        let operation = attempt.operation;
        let fate = match (operation.op.as_str(), operation.outcome) {
            ("order", Outcome::Ok) => Fate::Ordered,
            ("order", Outcome::Info) => Fate::Open,
            ("order", Outcome::Fail) if operation.refused.as_deref() == Some("insufficient") => Fate::Insufficient,
            ("order", Outcome::Fail) => Fate::Failed,
            ("snapshot", Outcome::Ok) => Fate::Seen,
            ("snapshot", _) => return Ok(None),
            (other, _) => return Err(unknown_word(other)),
        };
        let mut lines: Vec<Line> = Vec::new();
        if fate != Fate::Seen {
            for fields in lines_of(&operation.input)? {
                let (row, units) = (rows.number(fields.need_text("key")?), fields.need_integer("units")?);
                add(&mut lines, Line { row, units, version: None, available: None });
            }
        }
        if matches!(fate, Fate::Ordered | Fate::Seen) {
            for fields in lines_of(&operation.output)? {
                let row = rows.number(fields.need_text("key")?);
                let (version, available) = (fields.integer("version")?, fields.integer("available")?);
                if lines.iter().any(|line| line.row == row && line.version.is_some() && line.version != version) {
                    return Err(bad_lines("two versions of one row"));
                }
                add(&mut lines, Line { row, units: 0, version, available });
            }
        }
        lines.sort_by_key(|line| line.row);
        Ok(Some(Self { id: operation.id, call_ns: attempt.call_ns, end_ns: attempt.end_ns, fate, lines }))
    }

    pub(super) fn words(&self) -> &'static str {
        if self.fate == Fate::Seen { "a snapshot" } else { "an order" }
    }
}

/// Lines of one row are one: units add up, and what is answered stands.
fn add(lines: &mut Vec<Line>, line: Line) {
    match lines.iter_mut().find(|one| one.row == line.row) {
        Some(one) => {
            one.units = one.units.saturating_add(line.units);
            (one.version, one.available) = (one.version.or(line.version), one.available.or(line.available));
        }
        None => lines.push(line),
    }
}

fn lines_of(fields: &Fields) -> Result<Vec<Fields>, BadField> {
    let Some(lines) = fields.get("lines") else {
        return Err(BadField::Missing { name: "lines".to_owned(), wanted: LINES });
    };
    let read = |line: &Value| serde_json::from_value(line.clone()).ok();
    let all: Option<Vec<Fields>> = lines.as_array().and_then(|lines| lines.iter().map(read).collect());
    all.ok_or_else(|| bad_lines("something else"))
}

const LINES: &str = "a list of objects, one for each `key`";

fn bad_lines(found: &str) -> BadField {
    BadField::Type { name: "lines".to_owned(), found: found.to_owned(), wanted: LINES }
}
