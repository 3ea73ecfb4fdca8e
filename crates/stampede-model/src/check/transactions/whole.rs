//! All or nothing: an order that took effect on one row did so on all, and a refused one was short of something.
//!
//! Invariants: an order of unknown outcome counts as done on a row only when nothing else can have made a version there.

use super::rows::Row;
use super::typed::{Fate, Transaction};
use crate::check::envelope::Spanned;
use crate::check::order::{Role, Versioned};
use crate::check::{Finding, Findings};

/// Looks at orders of unknown outcome that are in one row and not in another.
pub(super) fn check_parts(transactions: &[Transaction], rows: &[Row<'_>], findings: &mut Findings) {
    for row in rows {
        let last = row.order.len() - 1;
        let Some(slot) = (1..=last).rev().find(|&slot| row.order.missing_before(slot) > 0) else { continue };
        let until_ns = row.order.latest_ns(slot);
        if row.order.missing_up_to(slot) != row.order.fillers_until(until_ns) {
            continue;
        }
        // As many versions as calls: each of these took effect, at the latest then.
        for touch in row.touches.iter().filter(|touch| touch.role() == Role::Filler && touch.call_ns() <= until_ns) {
            for line in transactions[touch.at as usize].lines.iter().filter(|line| line.row != touch.line.row) {
                let other = &rows[line.row as usize];
                let Some(witness) = other.is_without_any(until_ns) else { continue };
                let what = format!(
                    "an order of unknown outcome took units of `{}`, as a version there shows, but none of `{}`, whose versions are all others'",
                    row.name, other.name
                );
                let ids = [Some(touch.id()), Some(witness), row.order.update(slot).map(|at| row.touches[at].id())];
                let finding = Finding::new("dirty-order", other.name, what).by(ids.into_iter().flatten());
                findings.violation(finding.allowed("units of every line, or of none"));
            }
        }
    }
}

impl Row<'_> {
    /// Who saw, after `since_ns`, that every version so far belongs to an answered order.
    fn is_without_any(&self, since_ns: u64) -> Option<u64> {
        let whole = (1..self.order.len()).take_while(|&slot| self.order.missing_before(slot) == 0).last().unwrap_or(0);
        if self.order.may_begin_earlier() {
            return None;
        }
        (0..=whole).rev().find_map(|slot| {
            let touching =
                self.order.update(slot).into_iter().chain(self.order.looks(slot).iter().map(|&at| at as usize));
            touching.map(|at| &self.touches[at]).find(|touch| touch.call_ns() > since_ns).map(Versioned::id)
        })
    }
}

/// A refused order needs one row that can have had too few units until its answer: orders only take.
pub(super) fn check_refusals(transactions: &[Transaction], rows: &[Row<'_>], findings: &mut Findings) {
    let taken: Vec<Vec<(u64, i64)>> = rows.iter().map(taken).collect();
    for order in transactions.iter().filter(|one| one.fate == Fate::Insufficient) {
        let mut least = Vec::with_capacity(order.lines.len());
        for line in &order.lines {
            let Some(base) = rows[line.row as usize].base else { break };
            let taken = &taken[line.row as usize];
            let until = taken.partition_point(|(call_ns, _)| *call_ns <= order.end_ns);
            let most = until.checked_sub(1).map_or(0, |at| taken[at].1);
            if base.saturating_sub(most) < line.units {
                break;
            }
            least.push(format!("at least {} of `{}`", base - most, rows[line.row as usize].name));
        }
        if !order.lines.is_empty() && least.len() == order.lines.len() {
            let what = format!("an order was refused for want of units, but there were {}", least.join(" and "));
            let name = rows[order.lines[0].row as usize].name;
            findings.violation(Finding::new("refused-without-cause", name, what).by([order.id]).allowed("success"));
        }
    }
}

/// What orders may have taken of a row up to each call.
fn taken(row: &Row<'_>) -> Vec<(u64, i64)> {
    let may_take = row.touches.iter().filter(|touch| matches!(touch.fate, Fate::Ordered | Fate::Open));
    let mut calls: Vec<(u64, i64)> = may_take.map(|touch| (touch.call_ns(), touch.line.units)).collect();
    calls.sort_unstable();
    let mut sum = 0_i64;
    for (_, units) in &mut calls {
        sum = sum.saturating_add(*units);
        *units = sum;
    }
    calls
}
