//! What became of each reservation: it ends once, by release, confirmation or expiry, with no more units than it had.
//!
//! Invariants: only ends that surely took effect count; a reservation that the history does not show is not judged when a call
//! of unknown outcome, or one whose answer names none, can have made it.

use super::typed::{Fate, Figure, Kind, Level, StockOp};
use crate::check::envelope::Spanned;
use crate::check::{Finding, Findings};

/// Looks at every reservation of a level.
pub(super) fn check(level: &Level, findings: &mut Findings) {
    let mut named: Vec<(u32, u32)> =
        level.ops().iter().enumerate().filter_map(|(at, op)| Some((op.reservation()?, at as u32))).collect();
    named.sort_unstable();
    let surroundings = Surroundings::of(level);
    for life in named.chunk_by(|one, other| one.0 == other.0) {
        let ops: Vec<&StockOp> = life.iter().map(|(_, at)| &level.ops()[*at as usize]).collect();
        check_ends(level, &ops, &surroundings, findings);
        check_refusals(level, &ops, &surroundings, findings);
    }
}

/// What the rest of the level leaves open.
struct Surroundings {
    /// Every reservation was made within the history, by a call whose answer named it.
    are_all_made_here: bool,
    /// No end of a reservation leaves out which.
    are_all_ends_named: bool,
}

impl Surroundings {
    fn of(level: &Level) -> Self {
        let mut reserves =
            level.ops().iter().filter(|op| op.kind() == Kind::Reserve && op.fate() != Fate::Insufficient);
        let mut ends = level.ops().iter().filter(|op| is_end(op) && op.fate() != Fate::Gone);
        Self {
            are_all_made_here: level.base().get(Figure::Reserved) == Some(0)
                && reserves.all(|op| op.fate() == Fate::Done && op.reservation().is_some()),
            are_all_ends_named: ends.all(|op| op.reservation().is_some()),
        }
    }
}

fn is_end(op: &StockOp) -> bool {
    matches!(op.kind(), Kind::Release | Kind::Confirm | Kind::Expire)
}

fn check_ends(level: &Level, ops: &[&StockOp], surroundings: &Surroundings, findings: &mut Findings) {
    let ends: Vec<&StockOp> = ops.iter().copied().filter(|op| is_end(op) && op.fate() == Fate::Done).collect();
    let ended: i64 = ends.iter().map(|op| op.units()).sum();
    let made: Vec<&StockOp> =
        ops.iter().copied().filter(|op| op.kind() == Kind::Reserve && op.fate() != Fate::Insufficient).collect();
    let had: i64 = made.iter().map(|op| op.units()).sum();
    let ids = made.iter().take(2).chain(ends.iter().take(4)).map(|op| op.id());
    let Some(end) = ends.first().filter(|_| ended > had) else { return };
    if made.is_empty() {
        if surroundings.are_all_made_here {
            let what = format!("{} was accepted for a reservation that nobody was ever given", end.words());
            findings.violation(Finding::new("units-made", level.key(), what).by(ids).allowed("a refusal"));
        }
        return;
    }
    let has = |kind| ends.iter().any(|op| op.kind() == kind);
    let rule = if has(Kind::Expire) && has(Kind::Confirm) { "expired-confirmed" } else { "ended-twice" };
    let words: Vec<_> = ends.iter().take(4).map(|op| op.words()).collect();
    let what = format!("a reservation of {had} ended with {ended} units: {}", words.join(", "));
    findings.violation(Finding::new(rule, level.key(), what).by(ids).allowed("one end, and a refusal for the others"));
}

/// A reservation that was there and that nobody can have ended may not be gone.
fn check_refusals(level: &Level, ops: &[&StockOp], surroundings: &Surroundings, findings: &mut Findings) {
    if !surroundings.are_all_ends_named {
        return;
    }
    for refused in ops.iter().filter(|op| op.fate() == Fate::Gone) {
        let made = ops
            .iter()
            .find(|op| op.kind() == Kind::Reserve && op.fate() == Fate::Done && op.end_ns() < refused.call_ns());
        let may_have_ended =
            ops.iter().any(|op| is_end(op) && op.fate() != Fate::Gone && op.call_ns() <= refused.end_ns());
        if let (Some(made), false) = (made, may_have_ended) {
            let what =
                format!("{} was refused because the reservation was over, but nothing had ended it", refused.words());
            let ids = [refused.id(), made.id()];
            findings.violation(Finding::new("refused-without-cause", level.key(), what).by(ids).allowed("success"));
        }
    }
}
