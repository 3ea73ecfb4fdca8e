//! Names for figures outside their bounds: which rule was broken, and by which operations.
//!
//! That a figure is impossible is proven before; the name is the plainest explanation that fits, no more.

use super::typed::{Fate, Figure, Kind, Level, StockOp};
use crate::check::envelope::Spanned;
use crate::check::words::range;
use crate::check::{Finding, Findings};

/// One figure that cannot have been.
#[derive(Clone, Debug)]
pub(super) struct Miss {
    pub(super) at: usize,
    pub(super) figure: Figure,
    pub(super) least: i64,
    pub(super) most: i64,
    pub(super) shown: i64,
    /// Updates that had ended shortly before.
    pub(super) beside: Vec<u64>,
}

impl Miss {
    /// How far it lies outside, with its sign.
    fn off(&self) -> i64 {
        if self.shown > self.most { self.shown - self.most } else { self.shown - self.least }
    }
}

/// All of them, and the last read that was exact and right.
#[derive(Debug, Default)]
pub(super) struct Misses {
    all: Vec<Miss>,
    last_exact_call_ns: Option<u64>,
}

impl Misses {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn add(&mut self, miss: Miss) {
        self.all.push(miss);
    }

    /// A read showed the only possible figure.
    pub(super) fn fits_exactly(&mut self, op: &StockOp) {
        self.last_exact_call_ns = self.last_exact_call_ns.max(Some(op.call_ns()));
    }

    /// Adds a finding for each operation.
    pub(super) fn name(mut self, level: &Level, findings: &mut Findings) {
        self.all.sort_by_key(|miss| (level.ops()[miss.at].end_ns(), miss.at));
        let mut rest = self.all.as_slice();
        while let Some(first) = rest.first() {
            let (of_one, others) = rest.split_at(rest.iter().take_while(|miss| miss.at == first.at).count());
            findings.violation(self.finding(level, of_one));
            rest = others;
        }
    }

    fn finding(&self, level: &Level, of_one: &[Miss]) -> Finding {
        let op = &level.ops()[of_one[0].at];
        let shown: Vec<_> = of_one.iter().map(|miss| format!("{} {}", miss.shown, miss.figure.as_str())).collect();
        let allowed: Vec<_> = of_one
            .iter()
            .map(|miss| format!("{} {}", range(miss.least.max(0).min(miss.most), miss.most), miss.figure.as_str()))
            .collect();
        let rule = self.rule(level, op, of_one);
        let why = match rule {
            "stale-read" => "a later read is right again, so this one showed an old state",
            "lost-update" => "updates that were answered are not in it",
            "never-expired" => "the units of reservations that had expired were not given back",
            "units-made" => "units are there that nobody brought",
            _ => "units are missing that nobody took",
        };
        let what = format!("{} answered {}: {why}", op.words(), shown.join(" and "));
        Finding::new(rule, level.key(), what)
            .by(std::iter::once(op.id()).chain(of_one[0].beside.iter().copied()))
            .allowed(allowed.join(" and "))
    }

    fn rule(&self, level: &Level, op: &StockOp, of_one: &[Miss]) -> &'static str {
        if op.kind() == Kind::Read && self.last_exact_call_ns.is_some_and(|call_ns| call_ns > op.end_ns()) {
            return "stale-read";
        }
        let off = |figure| of_one.iter().find(|miss| miss.figure == figure).map_or(0, Miss::off);
        let (available, reserved) = (off(Figure::Available), off(Figure::Reserved));
        let all: i64 = [available, reserved, off(Figure::Shipped)].iter().sum();
        let shows_reserved = op.figures().get(Figure::Reserved).is_some();
        if available < 0 && (reserved > 0 || !shows_reserved) && ended_units(level, op, Kind::Expire) >= -available {
            return "never-expired";
        }
        let is_moved = if shows_reserved { all == 0 } else { answered(level, op, available) };
        match all {
            _ if is_moved => "lost-update",
            1.. => "units-made",
            _ if off(Figure::Received) > 0 => "units-made",
            _ => "units-lost",
        }
    }
}

/// Whether the updates that had ended before `op` move as many units as it is `off`, the other way.
fn answered(level: &Level, op: &StockOp, off: i64) -> bool {
    let before = level.ops().iter().filter(|one| one.is_done_update() && one.end_ns() < op.call_ns());
    let moved: i64 =
        before.map(|one| one.delta(Figure::Available)).filter(|delta| delta.signum() == -off.signum()).sum();
    off != 0 && moved.abs() >= off.abs()
}

pub(super) fn ended_units(level: &Level, op: &StockOp, kind: Kind) -> i64 {
    let of_kind = level.ops().iter().filter(|one| one.kind() == kind && one.fate() == Fate::Done);
    of_kind.filter(|one| one.end_ns() < op.call_ns()).map(StockOp::units).sum()
}
