//! What the calls' intervals alone rule out: units oversold, refusals without cause, figures that nothing explains.
//!
//! Invariants: a figure is compared with the least and the most that it can have been between call and answer; a read while
//! nothing is pending is thereby exact. Time O(n log n), one pass per figure that anybody shows.
//! Absent on purpose: an error that another pending or unresolved call could explain. Versions, or a read at the end, find it.

use super::misses::{Miss, Misses, ended_units};
use super::typed::{Fate, Figure, Kind, Level, StockOp};
use crate::check::envelope::{Change, Reach, Watch, by_end, sweep};
use crate::check::words::units;
use crate::check::{Finding, Findings};

/// Impossible answers of a level that are named; a report keeps fewer, and each takes a look at the whole level.
const KEPT_MISSES: usize = 64;

/// Holds a level against the bounds.
pub(super) fn check(level: &Level, findings: &mut Findings) {
    let ended = by_end(level.ops());
    let mut misses = Misses::default();
    for figure in Figure::ALL {
        let is_shown = figure == Figure::Available || level.ops().iter().any(|op| op.figures().get(figure).is_some());
        let Some(start) = level.base().get(figure).filter(|_| is_shown) else { continue };
        let mut pass = Pass { level, figure, misses: &mut misses, findings, recent: Recent::default(), is_over: false };
        sweep(level.ops(), &ended, start, &mut pass);
    }
    misses.name(level, findings);
}

/// One figure's pass.
struct Pass<'a> {
    level: &'a Level,
    figure: Figure,
    misses: &'a mut Misses,
    findings: &'a mut Findings,
    recent: Recent,
    /// Whether the figure is below zero for good reason already told.
    is_over: bool,
}

/// The updates that ended last: they stand in a finding beside the impossible answer.
#[derive(Default)]
struct Recent {
    ids: [Option<u64>; 4],
    next: usize,
}

impl Recent {
    fn add(&mut self, id: u64) {
        self.ids[self.next] = Some(id);
        self.next = (self.next + 1) % self.ids.len();
    }

    fn ids(&self) -> impl Iterator<Item = u64> {
        let (newer, older) = self.ids.split_at(self.next);
        older.iter().chain(newer).rev().filter_map(|id| *id)
    }
}

impl Watch<StockOp> for Pass<'_> {
    fn change(&self, op: &StockOp) -> Change {
        match op.fate() {
            Fate::Done => Change::Sure(op.delta(self.figure)),
            Fate::Unknown => Change::Perhaps(op.delta(self.figure)),
            Fate::Insufficient | Fate::Gone => Change::None,
        }
    }

    fn asks(&self, op: &StockOp) -> bool {
        match op.fate() {
            Fate::Done => op.figures().get(self.figure).is_some(),
            Fate::Insufficient => self.figure == Figure::Available,
            Fate::Unknown | Fate::Gone => false,
        }
    }

    fn reached(&mut self, at: usize, reach: Reach) {
        let op = &self.level.ops()[at];
        if op.fate() == Fate::Insufficient {
            self.check_refusal(op, reach);
            return;
        }
        let Some(shown) = op.figures().get(self.figure) else { return };
        // Its own change is in its answer.
        let own = op.delta(self.figure);
        let (least, most) = (reach.least + own.max(0), reach.most + own.min(0));
        if !(least..=most).contains(&shown) {
            if self.misses.len() < KEPT_MISSES {
                let beside = self.recent.ids().collect();
                self.misses.add(Miss { at, figure: self.figure, least, most, shown, beside });
            }
        } else if least == most && op.kind() == Kind::Read {
            self.misses.fits_exactly(op);
        }
    }

    fn ended(&mut self, at: usize, most: i64) {
        let op = &self.level.ops()[at];
        let (own, is_done) = (op.delta(self.figure), op.is_done_update());
        if is_done && most < 0 && own < 0 && !self.is_over {
            self.is_over = true;
            self.findings.violation(self.below_zero(op, most));
        }
        if is_done && own != 0 {
            self.recent.add(op.id());
        }
    }
}

impl Pass<'_> {
    fn check_refusal(&mut self, op: &StockOp, reach: Reach) {
        let wanted = if op.kind() == Kind::Adjust { -op.units() } else { op.units() };
        if reach.least < wanted {
            return;
        }
        let what = format!(
            "{} was refused for want of units, but at least {} were available all the time from its call to its answer",
            op.words(),
            reach.least
        );
        // Whether units that should have come back by themselves are those that it was refused.
        let is_kept = ended_units(self.level, op, Kind::Expire) > reach.least - wanted;
        let rule = if is_kept { "never-expired" } else { "refused-without-cause" };
        let finding = Finding::new(rule, self.level.key(), what)
            .by(std::iter::once(op.id()).chain(self.recent.ids()))
            .allowed(format!("success: {wanted} of {} units", reach.least));
        self.findings.violation(finding);
    }

    fn below_zero(&self, op: &StockOp, most: i64) -> Finding {
        let start = self.level.base().get(self.figure).unwrap_or(0);
        let name = self.figure.as_str();
        let (rule, what) = match self.figure {
            Figure::Available => (
                "oversold",
                format!(
                    "when {} was answered, {} more had been promised than there can have been, of {start} at first",
                    op.words(),
                    units(-most)
                ),
            ),
            _ => (
                "units-made",
                format!(
                    "when {} was answered, {} more had left `{name}` than can have been in it",
                    op.words(),
                    units(-most)
                ),
            ),
        };
        let ids = std::iter::once(op.id()).chain(self.recent.ids());
        Finding::new(rule, self.level.key(), what).by(ids).allowed("a refusal of one of these")
    }
}
