//! A stock level: units that are available, and those that are reserved.
//!
//! Changes commute, so the set of those that took effect is the state. What nobody saw is not tracked: a level whose reserved
//! units no answer tells has none, and then a confirmation is no operation.
//! A version is used when every change tells its own and none is in doubt: it rises with each change, and a read tells the last.
//! Absent on purpose: which reservation a release ends.

use super::{Blame, Subject, bad_field, effective, kept, observed, unknown_word};
use crate::check::search::{Call, Duty, SequentialModel};
use crate::check::{Finding, Findings};
use crate::history::{BadField, Fields, Heading, Operation, Outcome};

/// A level before its first version was seen.
const NO_VERSION: i64 = i64::MIN;

/// What an answer told of the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Units that could be reserved.
    pub available: Option<i64>,
    /// Units that were.
    pub reserved: Option<i64>,
    /// The level's version.
    pub version: Option<i64>,
}

/// One answered call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StockOp {
    /// It took effect; `seen` is the level afterwards.
    Change {
        /// What it added to the available units.
        available: i64,
        /// What it added to the reserved units.
        reserved: i64,
        /// The level afterwards.
        seen: Seen,
    },
    /// So many units were too many.
    Insufficient {
        /// How many.
        units: i64,
    },
    /// The level was read.
    Read {
        /// What was read.
        seen: Seen,
    },
}

/// Between two calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level {
    /// Units that can be reserved.
    pub available: i64,
    /// Units that are.
    pub reserved: i64,
    version: i64,
}

/// A stock level that begins with so many units.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stock {
    /// Units at the start, all available.
    pub initial: i64,
}

impl Level {
    fn shows(&self, seen: Seen) -> bool {
        seen.available.is_none_or(|available| available == self.available)
            && seen.reserved.is_none_or(|reserved| reserved == self.reserved)
    }
}

impl SequentialModel for Stock {
    type State = Level;
    type Op = StockOp;

    const COMMUTES: bool = true;

    fn initial(&self) -> Level {
        Level { available: self.initial, reserved: 0, version: NO_VERSION }
    }

    fn step(&self, level: &Level, op: &StockOp) -> Option<Level> {
        match op {
            StockOp::Change { available, reserved, seen } => {
                let after = Level {
                    available: level.available.checked_add(*available)?,
                    reserved: level.reserved.checked_add(*reserved)?,
                    version: seen.version.unwrap_or(level.version),
                };
                let is_there = *available >= 0 || after.available >= 0;
                let is_newer = seen.version.is_none_or(|version| version > level.version);
                (is_there && is_newer && after.shows(*seen)).then_some(after)
            }
            StockOp::Insufficient { units } => (level.available < *units).then_some(*level),
            StockOp::Read { seen } => {
                // Before the first change nobody has told the version.
                let is_last =
                    level.version == NO_VERSION || seen.version.is_none_or(|version| version == level.version);
                (is_last && level.shows(*seen)).then_some(*level)
            }
        }
    }

    fn is_no_op(&self, op: &StockOp) -> bool {
        match op {
            StockOp::Change { available: 0, reserved: 0, seen } => seen.version.is_none(),
            StockOp::Change { .. } => false,
            StockOp::Insufficient { .. } | StockOp::Read { .. } => true,
        }
    }
}

impl Subject for Stock {
    fn read(heading: &Heading, operations: &[&Operation], doubts: &mut Findings) -> Option<(Self, Vec<Call<StockOp>>)> {
        let initial = match heading.settings.integer("initial") {
            Ok(initial) => initial.unwrap_or(0),
            Err(bad) => {
                let key = operations.first().map_or("", |operation| &operation.key);
                doubts.doubt(Finding::new("bad-field", key, format!("the heading's settings: {bad}")));
                return None;
            }
        };
        let mut calls = kept(operations, doubts, call_of);
        project(&mut calls);
        Some((Self { initial }, calls))
    }

    fn blame(&self, word: &str, op: &StockOp, levels: &[Level]) -> Blame {
        let most = levels.iter().map(|level| level.available).max().unwrap_or(0);
        match op {
            StockOp::Insufficient { .. } => Blame::Rule("refused-without-cause"),
            StockOp::Change { available, .. } if most.saturating_add(*available) < 0 => {
                Blame::Rule(if word == "adjust" { "negative-stock" } else { "oversold" })
            }
            // The units were there, and what the answer tells of them is not what was left.
            StockOp::Change { .. } => Blame::Rule("lost-update"),
            StockOp::Read { seen: Seen { available: Some(available), .. } } if *available < 0 => {
                Blame::Rule("negative-stock")
            }
            StockOp::Read { seen: Seen { available: Some(available), .. } } if *available > most => {
                Blame::Reading("units-made")
            }
            StockOp::Read { seen: Seen { available: Some(available), .. } }
                if levels.iter().all(|level| *available < level.available) =>
            {
                Blame::Reading("units-lost")
            }
            StockOp::Read { .. } => Blame::Reading("not-linearizable"),
        }
    }

    fn instead(&self, op: &StockOp) -> &'static str {
        match op {
            StockOp::Insufficient { .. } => "success",
            StockOp::Change { available, .. } if *available < 0 => {
                "a refusal as insufficient, or what these levels leave"
            }
            StockOp::Change { .. } => "what follows from these levels",
            StockOp::Read { .. } => "one of these levels",
        }
    }

    fn size(&self, op: &StockOp) -> (u64, &'static str) {
        match op {
            StockOp::Change { available, reserved, .. } => {
                (available.unsigned_abs().max(reserved.unsigned_abs()), "units")
            }
            StockOp::Insufficient { .. } | StockOp::Read { .. } => (0, "units"),
        }
    }

    fn say(&self, level: &Level) -> String {
        let Level { available, reserved, .. } = level;
        if *reserved == 0 {
            format!("{available} available")
        } else {
            format!("{available} available, {reserved} reserved")
        }
    }
}

fn call_of(operation: &Operation) -> Result<Option<Call<StockOp>>, Finding> {
    read_call(operation).map_err(|bad| bad.map_or_else(|| unknown_word(operation), |bad| bad_field(operation, &bad)))
}

/// `Err(None)` is a word that the model does not have.
fn read_call(operation: &Operation) -> Result<Option<Call<StockOp>>, Option<BadField>> {
    let (available, reserved) = match operation.op.as_str() {
        "read" => {
            let seen = if operation.outcome == Outcome::Ok { seen(&operation.output)? } else { Seen::default() };
            if operation.outcome == Outcome::Ok && seen.available.is_none() {
                operation.output.need_integer("available")?;
            }
            return Ok(observed(operation, StockOp::Read { seen }).filter(|_| operation.outcome == Outcome::Ok));
        }
        // Deltas of the ledger, read after the run: they have no interval.
        "movement" => return Ok(None),
        "reserve" => (-units(operation)?, units(operation)?),
        "release" | "expire" => (units(operation)?, -units(operation)?),
        "confirm" => (0, -units(operation)?),
        "receive" => (units(operation)?, 0),
        "adjust" => (operation.input.need_integer("delta")?, 0),
        _ => return Err(None),
    };
    if operation.is_refused() {
        let is_short = operation.refused.as_deref() == Some("insufficient") && available < 0;
        let refusal = StockOp::Insufficient { units: available.saturating_neg() };
        return Ok(observed(operation, refusal).filter(|_| is_short));
    }
    let seen = if operation.outcome == Outcome::Ok { seen(&operation.output)? } else { Seen::default() };
    Ok(effective(operation, StockOp::Change { available, reserved, seen }))
}

fn units(operation: &Operation) -> Result<i64, BadField> {
    let units = operation.input.need_integer("units")?;
    if units >= 0 {
        return Ok(units);
    }
    Err(BadField::Type { name: "units".to_owned(), found: units.to_string(), wanted: "not negative" })
}

fn seen(output: &Fields) -> Result<Seen, BadField> {
    Ok(Seen {
        available: output.integer("available")?,
        reserved: output.integer("reserved")?,
        version: output.integer("version")?,
    })
}

/// Leaves out what nobody saw.
fn project(calls: &mut Vec<Call<StockOp>>) {
    let seen_of = |call: &Call<StockOp>| match call.op {
        StockOp::Change { seen, .. } | StockOp::Read { seen } => seen,
        StockOp::Insufficient { .. } => Seen::default(),
    };
    let tells_reserved = calls.iter().any(|call| seen_of(call).reserved.is_some());
    let changes = || calls.iter().filter(|call| matches!(call.op, StockOp::Change { .. }));
    let tells_versions = changes().all(|call| call.duty == Duty::Must && seen_of(call).version.is_some());
    for call in calls.iter_mut() {
        if let StockOp::Change { reserved, .. } = &mut call.op
            && !tells_reserved
        {
            *reserved = 0;
        }
        if let StockOp::Change { seen, .. } | StockOp::Read { seen } = &mut call.op
            && !tells_versions
        {
            seen.version = None;
        }
    }
    let nothing =
        |op: &StockOp| matches!(op, StockOp::Change { available: 0, reserved: 0, seen } if *seen == Seen::default());
    calls.retain(|call| !nothing(&call.op));
}
