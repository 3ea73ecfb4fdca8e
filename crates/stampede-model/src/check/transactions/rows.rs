//! Each row by itself: its versions, and its units from version to version.

use super::typed::{Fate, Line, RowId, Rows, Transaction};
use crate::check::envelope::Spanned;
use crate::check::order::{Gap, Order, Role, Versioned};
use crate::check::{Finding, Findings};

/// A transaction as one row sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    /// The transaction's number.
    pub(super) at: u32,
    id: u64,
    call_ns: u64,
    end_ns: u64,
    pub(super) fate: Fate,
    pub(super) line: Line,
}

impl Spanned for Touch {
    fn call_ns(&self) -> u64 {
        self.call_ns
    }

    fn end_ns(&self) -> u64 {
        self.end_ns
    }
}

impl Versioned for Touch {
    fn id(&self) -> u64 {
        self.id
    }

    fn role(&self) -> Role {
        match (self.fate, self.line.version) {
            (Fate::Ordered, Some(version)) => Role::Update(version),
            (Fate::Seen, Some(version)) => Role::Look(version),
            (Fate::Ordered, None) | (Fate::Open, _) => Role::Filler,
            (Fate::Seen | Fate::Insufficient | Fate::Failed, _) => Role::Other,
        }
    }
}

/// One row: who touched it, in which order, and what it had at first.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) touches: Vec<Touch>,
    pub(super) order: Order,
    /// Units available before the first order, when they are known.
    pub(super) base: Option<i64>,
}

/// All rows of a history, with what their versions alone refute.
pub(super) fn rows<'a>(
    transactions: &[Transaction],
    names: &'a Rows,
    initial: Option<i64>,
    findings: &mut Findings,
) -> Vec<Row<'a>> {
    let mut touches: Vec<Vec<Touch>> = vec![Vec::new(); names.count()];
    for (at, one) in transactions.iter().enumerate() {
        for &line in &one.lines {
            let (id, call_ns, end_ns, fate) = (one.id, one.call_ns, one.end_ns, one.fate);
            touches[line.row as usize].push(Touch { at: at as u32, id, call_ns, end_ns, fate, line });
        }
    }
    let mut rows = Vec::with_capacity(touches.len());
    for (row, touches) in touches.into_iter().enumerate() {
        let name = names.name(row as RowId);
        let order = Order::build(&touches, name, findings);
        let base = initial.or_else(|| first_seen(&touches));
        rows.push(Row { name, touches, order, base });
    }
    rows
}

/// What a snapshot before any order showed.
fn first_seen(touches: &[Touch]) -> Option<i64> {
    let may_have_ordered = |touch: &&Touch| matches!(touch.fate, Fate::Ordered | Fate::Open);
    let first_ns = touches.iter().filter(may_have_ordered).map(|touch| touch.call_ns).min().unwrap_or(u64::MAX);
    let before = touches.iter().filter(|touch| touch.fate == Fate::Seen && touch.end_ns < first_ns);
    before.min_by_key(|touch| touch.end_ns)?.line.available
}

impl Row<'_> {
    /// Holds the row's gaps and figures against its orders.
    pub(super) fn check(&self, findings: &mut Findings) {
        for gap in self.order.unfilled() {
            findings.violation(self.gap(gap));
        }
        for touch in &self.touches {
            if let Some(available) = touch.line.available.filter(|available| *available < 0) {
                let what = format!("{} shows {available} available", words(touch));
                findings.violation(Finding::new("negative-stock", self.name, what).by([touch.id]).allowed("0 or more"));
            }
        }
        self.check_total(findings);
        self.replay(findings);
    }

    /// Versions that no order can have made: half of a failed order, or an update that was lost.
    fn gap(&self, gap: Gap) -> Finding {
        let (from_ns, until_ns) = (self.order.begins_ns(gap.slot - 1), self.order.latest_ns(gap.slot));
        let is_failed = |touch: &&Touch| matches!(touch.fate, Fate::Insufficient | Fate::Failed);
        let failed = self.touches.iter().filter(is_failed);
        let failed = failed.filter(|touch| touch.call_ns <= until_ns && touch.end_ns >= from_ns);
        let mut ids: Vec<u64> = self.who(gap.slot).into_iter().chain(self.who(gap.slot - 1)).collect();
        let around = ids.len();
        ids.extend(failed.take(4).map(|touch| touch.id));
        let (before, after) = (self.order.version(gap.slot - 1), self.order.version(gap.slot));
        let (rule, why) = if ids.len() > around {
            ("dirty-order", "an order that failed meanwhile left a part behind")
        } else {
            ("lost-update", "an update overwrote another, or was never answered")
        };
        let what = format!(
            "{} versions after {before} and up to {after} belong to no order that can have taken effect: {why}",
            gap.missing
        );
        Finding::new(rule, self.name, what)
            .by(ids)
            .allowed(format!("version {} right after {before}", before.saturating_add(1)))
    }

    /// All answered orders together cannot take more than there was.
    fn check_total(&self, findings: &mut Findings) {
        let Some(base) = self.base else { return };
        let mut taken = 0_i64;
        let mut orders: Vec<&Touch> = self.touches.iter().filter(|touch| touch.fate == Fate::Ordered).collect();
        orders.sort_by_key(|touch| (touch.end_ns, touch.id));
        for (at, touch) in orders.iter().enumerate() {
            taken = taken.saturating_add(touch.line.units);
            if taken > base {
                let what = format!("orders of together {taken} units were accepted, of {base} that were there");
                let last = orders[..=at].iter().rev().take(5).map(|touch| touch.id);
                findings
                    .violation(Finding::new("oversold", self.name, what).by(last).allowed("a refusal of one of these"));
                return;
            }
        }
    }

    fn replay(&self, findings: &mut Findings) {
        let mut known = if self.order.may_begin_earlier() { None } else { self.base };
        for slot in 0..self.order.len() {
            let update = self.order.update(slot).map(|at| &self.touches[at]);
            let units = update.map_or(0, |touch| touch.line.units);
            let mut expected = known.map(|known| known.saturating_sub(units));
            if self.order.missing_before(slot) > 0 {
                self.check_gap(slot, expected, findings);
                expected = None;
            }
            let looks = self.order.looks(slot).iter().map(|&at| &self.touches[at as usize]);
            for touch in update.into_iter().chain(looks) {
                let Some(shown) = touch.line.available else { continue };
                if let Some(expected) = expected.filter(|expected| *expected != shown) {
                    findings.violation(self.wrong(slot, touch, (expected, shown)));
                }
                expected = expected.or(Some(shown));
            }
            known = update.and_then(|touch| touch.line.available).or(expected);
        }
    }

    /// What was taken in a gap must be what calls of unknown outcome can have taken.
    fn check_gap(&self, slot: usize, expected: Option<i64>, findings: &mut Findings) {
        let shown = self.touch(slot).and_then(|touch| Some((touch, touch.line.available?)));
        let (Some(expected), Some((touch, shown))) = (expected, shown) else { return };
        let until_ns = self.order.latest_ns(slot);
        let able = self.touches.iter().filter(|one| one.role() == Role::Filler && one.call_ns <= until_ns);
        let most: i64 = able.map(|one| one.line.units).sum();
        if !(expected - most..=expected).contains(&shown) {
            findings.violation(self.wrong(slot, touch, (expected, shown)));
        }
    }

    fn wrong(&self, slot: usize, touch: &Touch, (expected, shown): (i64, i64)) -> Finding {
        let off = shown - expected;
        let is_part = |one: &&Touch| matches!(one.fate, Fate::Insufficient | Fate::Failed) && one.line.units == -off;
        let failed = self.touches.iter().filter(is_part).find(|one| one.call_ns <= touch.end_ns);
        let maker = self.touch(slot).filter(|maker| maker.id != touch.id);
        let before = maker.or_else(|| slot.checked_sub(1).and_then(|slot| self.touch(slot)));
        let rule = match (failed, before) {
            (Some(_), _) => "dirty-order",
            (None, Some(before)) if off == before.line.units && off != 0 => "lost-update",
            _ if off > 0 => "units-made",
            _ => "units-lost",
        };
        let version = self.order.version(slot);
        let what = format!(
            "{} shows {shown} available at version {version}, but the orders up to it leave {expected}",
            words(touch)
        );
        let ids = std::iter::once(touch.id).chain(failed.map(|one| one.id)).chain(before.map(|one| one.id));
        Finding::new(rule, self.name, what).by(ids).allowed(format!("{expected} available"))
    }

    fn touch(&self, slot: usize) -> Option<&Touch> {
        let at = self.order.update(slot).or_else(|| self.order.looks(slot).first().map(|&at| at as usize))?;
        Some(&self.touches[at])
    }

    fn who(&self, slot: usize) -> Option<u64> {
        self.touch(slot).map(|touch| touch.id)
    }
}

fn words(touch: &Touch) -> &'static str {
    if touch.fate == Fate::Seen { "a snapshot" } else { "an order" }
}
