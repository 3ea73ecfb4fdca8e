//! From the operations of a history to the levels of a check, one by one; what cannot be read is a doubt.
//!
//! Invariants: an update that may have taken effect and cannot be read spoils its level, because every sum would be wrong; a
//! read that cannot be read is left out.

use std::collections::HashMap;

use super::typed::{Fate, Figure, Figures, Kind, Level, Row, StockOp};
use crate::check::attempts::attempts;
use crate::check::{Finding, Findings};
use crate::history::{BadField, Fields, Heading, Operation, Outcome};

/// What came of a history.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) levels: Vec<Level>,
    /// How many objects were touched, also those that could not be judged.
    pub(super) keys: u64,
}

#[derive(Debug, Default)]
struct Draft {
    ops: Vec<StockOp>,
    rows: Vec<Row>,
    is_spoiled: bool,
}

/// What one line is.
enum Line {
    Op(StockOp),
    Row(Row),
    /// It says nothing of the state.
    Silent,
}

/// Numbers for names of reservations.
#[derive(Default)]
struct Names(HashMap<String, u32>);

impl Names {
    fn number(&mut self, name: Option<String>) -> u32 {
        let next = self.0.len() as u32 + 1;
        name.map_or(0, |name| *self.0.entry(name).or_insert(next))
    }
}

/// Sorts a history into its levels.
pub(super) fn convert(heading: &Heading, operations: &[Operation], findings: &mut Findings) -> Converted {
    let initial = heading.settings.integer("initial").unwrap_or_else(|bad| {
        findings.doubt(Finding::new("bad-field", "", format!("the heading's {bad}")));
        None
    });
    let mut order: Vec<&str> = Vec::new();
    let mut drafts: HashMap<&str, Draft> = HashMap::new();
    let mut names = Names::default();
    for attempt in attempts(operations) {
        let operation = attempt.operation;
        let draft = drafts.entry(&operation.key).or_insert_with(|| {
            order.push(&operation.key);
            Draft::default()
        });
        let mut bad = Vec::new();
        match line(operation, (attempt.call_ns, attempt.end_ns), &mut names, &mut bad) {
            Ok(Line::Op(op)) => draft.ops.push(op),
            Ok(Line::Row(row)) => draft.rows.push(row),
            Ok(Line::Silent) => {}
            Err(why) => {
                draft.is_spoiled |=
                    operation.op != "read" && operation.op != "movement" && operation.outcome != Outcome::Fail;
                bad.push(why);
            }
        }
        for why in bad {
            let what = format!("operation {} ({}): {why}", operation.id, operation.op);
            findings.doubt(Finding::new("bad-field", &operation.key, what).by([operation.id]));
        }
    }
    let keys = order.len() as u64;
    let levels = order.into_iter().filter_map(|key| {
        let draft = drafts.remove(key).filter(|draft| !draft.is_spoiled)?;
        Some(Level::new(key, initial, draft.ops, draft.rows))
    });
    Converted { levels: levels.collect(), keys }
}

/// Reads one operation. What is wrong in an answer goes to `bad` and is as good as not shown.
fn line(operation: &Operation, span: (u64, u64), names: &mut Names, bad: &mut Vec<String>) -> Result<Line, String> {
    let kind = match operation.op.as_str() {
        "reserve" => Kind::Reserve,
        "release" => Kind::Release,
        "confirm" => Kind::Confirm,
        "receive" => Kind::Receive,
        "adjust" => Kind::Adjust,
        "expire" => Kind::Expire,
        "read" => Kind::Read,
        "movement" => return row(operation).map(Line::Row),
        other => return Err(format!("`{other}` is no operation of the model stock")),
    };
    let refused = operation.refused.as_deref();
    let fate = match (operation.outcome, refused) {
        (Outcome::Ok, _) => Fate::Done,
        (Outcome::Info, _) if kind == Kind::Read => return Ok(Line::Silent),
        (Outcome::Info, _) => Fate::Unknown,
        (Outcome::Fail, Some("insufficient")) if matches!(kind, Kind::Reserve | Kind::Adjust) => Fate::Insufficient,
        (Outcome::Fail, Some("gone")) if matches!(kind, Kind::Release | Kind::Confirm) => Fate::Gone,
        (Outcome::Fail, _) => return Ok(Line::Silent),
    };
    let units = units(kind, &operation.input).map_err(|why| why.to_string())?;
    if !is_kept(units) {
        return Err(format!("{units} units are more than the {} that are checked", StockOp::MAX_UNITS));
    }
    let of_input = noted(operation.input.text("reservation"), bad);
    let of_output = noted(operation.output.text("reservation"), bad);
    let mut op =
        StockOp::new(operation.id, kind, units, span).came_out(fate).about(names.number(of_input.or(of_output)));
    if fate == Fate::Done {
        op = op.at_version(noted(operation.output.integer("version"), bad));
        op = op.showing(figures(&operation.output, bad));
        if kind == Kind::Read && op.figures().get(Figure::Available).is_none() {
            return Err("`available` is missing; it should be a whole number".to_owned());
        }
    }
    Ok(Line::Op(op))
}

fn noted<T>(field: Result<Option<T>, BadField>, bad: &mut Vec<String>) -> Option<T> {
    field.unwrap_or_else(|why| {
        bad.push(why.to_string());
        None
    })
}

fn is_kept(value: i64) -> bool {
    (-StockOp::MAX_UNITS..=StockOp::MAX_UNITS).contains(&value)
}

fn units(kind: Kind, input: &Fields) -> Result<i64, BadField> {
    let name = match kind {
        Kind::Read => return Ok(0),
        Kind::Adjust => "delta",
        _ => "units",
    };
    let units = input.need_integer(name)?;
    // Whether a count that finds nothing makes a version, nobody can tell.
    let is_change = if kind == Kind::Adjust { units != 0 } else { units > 0 };
    if !is_change {
        let wanted = if kind == Kind::Adjust { "a whole number other than 0" } else { "a whole number from 1" };
        return Err(BadField::Type { name: name.to_owned(), found: units.to_string(), wanted });
    }
    Ok(units)
}

fn figures(output: &Fields, bad: &mut Vec<String>) -> Figures {
    let mut figures = Figures::NONE;
    for figure in Figure::ALL {
        match output.integer(figure.as_str()) {
            Ok(None) => {}
            Ok(Some(value)) if is_kept(value) => figures = figures.with(figure, value),
            Ok(Some(value)) => bad.push(format!("{value} {} is more than what is checked", figure.as_str())),
            Err(why) => bad.push(why.to_string()),
        }
    }
    figures
}

fn row(operation: &Operation) -> Result<Row, String> {
    let fields = if operation.output.get("version").is_some() { &operation.output } else { &operation.input };
    let version = fields.need_integer("version").map_err(|why| why.to_string())?;
    let mut bad = Vec::new();
    let deltas = figures(fields, &mut bad);
    match bad.pop() {
        Some(why) => Err(why),
        None => Ok(Row { id: operation.id, version, deltas }),
    }
}
