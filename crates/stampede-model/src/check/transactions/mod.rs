//! Orders over several rows, and snapshots of them: all or nothing, none lost, and one order of all that everybody agrees on.
//!
//! Rows are held against their versions one by one (`rows`), orders against all of their rows (`whole`), and all transactions
//! against each other: the versions prove who comes before whom (`graph`), and nobody may come before himself (`cycle`). The
//! kinds are Adya's (1999): G0 and G1 are `write-cycle`, G-single and G2 of items `read-skew`; aborted and intermediate reads
//! show as `dirty-order`.
//! Invariants: a violation is one for every order of the transactions and every fate of those of unknown outcome.
//! Absent on purpose: predicates, and rows that change by anything but orders.

mod cycle;
mod graph;
mod rows;
#[cfg(test)]
mod tests;
mod typed;
mod whole;

use graph::{Edge, Why};
use rows::Row;
use typed::{Fate, Rows, Transaction};

use super::by_key::by_key;
use super::envelope::Spanned;
use super::{CheckReport, Finding, Findings, Strength};
use crate::history::{Heading, Operation};

/// Checks a history of the model transactions.
///
/// The heading's `initial` is what was available of each row at first; without it a snapshot before any order says so.
pub fn check(heading: &Heading, operations: &[Operation]) -> CheckReport {
    let mut findings = Findings::default();
    let initial = heading.settings.integer("initial").unwrap_or_else(|bad| {
        findings.doubt(Finding::new("bad-field", "", format!("the heading's {bad}")));
        None
    });
    let mut names = Rows::default();
    let groups = by_key(operations, &mut findings, |attempt| Transaction::read(attempt, &mut names));
    // The key of a transaction is no more than a label: rows are what they share.
    let is_readable = groups.groups.len() as u64 == groups.keys;
    let mut transactions: Vec<Transaction> = groups.groups.into_iter().flat_map(|group| group.ops).collect();
    if !is_readable {
        transactions.clear();
    }
    transactions.sort_by_key(|one| (one.call_ns, one.id));
    let rows = rows::rows(&transactions, &names, initial, &mut findings);
    for row in &rows {
        row.check(&mut findings);
    }
    whole::check_parts(&transactions, &rows, &mut findings);
    whole::check_refusals(&transactions, &rows, &mut findings);
    for circle in cycle::circles(&graph::graph(&transactions, &rows)) {
        findings.violation(in_words(&circle, &transactions, &rows));
    }
    let is_named = doubt_missing(&transactions, &rows, &mut findings);
    let (open, could_hide) = doubt_open(&transactions, &rows, &mut findings);
    let strength = if is_named { Strength::Witness } else { Strength::Rules };
    let report = findings.conclude("transactions", strength, operations.len() as u64, names.count() as u64);
    report.with_indeterminate(open, could_hide)
}

/// Lines without a version say nothing of the order.
fn doubt_missing(transactions: &[Transaction], rows: &[Row<'_>], findings: &mut Findings) -> bool {
    let lacks = |one: &&Transaction| {
        matches!(one.fate, Fate::Ordered | Fate::Seen) && one.lines.iter().any(|line| line.version.is_none())
    };
    let lacking: Vec<&Transaction> = transactions.iter().filter(lacks).collect();
    let Some(first) = lacking.first() else { return true };
    let name = first.lines.iter().find(|line| line.version.is_none()).map_or("", |line| rows[line.row as usize].name);
    let what = format!("{} answers lack the version of a row, the first of them that of `{name}`", lacking.len());
    findings.doubt(Finding::new("no-witness", name, what).by(lacking.iter().take(6).map(|one| one.id)));
    false
}

/// Orders of unknown outcome, unless each of their rows was seen at the end with every version accounted for.
fn doubt_open(transactions: &[Transaction], rows: &[Row<'_>], findings: &mut Findings) -> (u64, String) {
    let open: Vec<&Transaction> = transactions.iter().filter(|one| one.fate == Fate::Open).collect();
    let is_unsettled = |one: &&&Transaction| one.lines.iter().any(|line| !rows[line.row as usize].is_settled());
    let unsettled: Vec<&&Transaction> = open.iter().filter(is_unsettled).collect();
    let units: i64 = unsettled.iter().flat_map(|one| &one.lines).map(|line| line.units).sum();
    if unsettled.is_empty() {
        return (open.len() as u64, "nothing: the versions account for every one".to_owned());
    }
    let hides = format!("up to {units} units lost or taken twice could hide behind them");
    let what = format!("the outcome of {} orders is unknown: {hides}", unsettled.len());
    let finding = Finding::new("indeterminate", "", what).by(unsettled.iter().take(6).map(|one| one.id));
    findings.doubt(finding.allowed("asking the system for each by its key of idempotency"));
    (open.len() as u64, hides)
}

impl Row<'_> {
    /// Whether a snapshot after the last answered order named the last version, and every version is an answered order's.
    fn is_settled(&self) -> bool {
        let last = self.order.len() - 1;
        let ended_ns =
            self.touches.iter().filter(|touch| touch.fate == Fate::Ordered).map(Spanned::end_ns).max().unwrap_or(0);
        self.order.looks(last).iter().any(|&at| self.touches[at as usize].call_ns() > ended_ns)
            && self.order.missing_up_to(last) == 0
            && !self.order.may_begin_earlier()
    }
}

/// A circle as a finding.
fn in_words(circle: &[Edge], transactions: &[Transaction], rows: &[Row<'_>]) -> Finding {
    let missed = circle.iter().filter(|edge| edge.why == Why::Rw).count();
    let (rule, kind) = match missed {
        0 if circle.iter().all(|edge| edge.why == Why::Ww) => ("write-cycle", "G0"),
        0 => ("write-cycle", "G1c"),
        1 => ("read-skew", "G-single"),
        _ => ("read-skew", "G2-item"),
    };
    let one = |at: u32| {
        let transaction = &transactions[at as usize];
        format!("{} ({})", transaction.words(), transaction.id)
    };
    let steps = circle.iter().take(6).map(|edge| {
        let (name, version) = (rows[edge.row as usize].name, edge.version);
        match edge.why {
            Why::Ww => format!(
                "{} made version {version} of `{name}` before {} made a later one",
                one(edge.from),
                one(edge.to)
            ),
            Why::Wr => {
                format!("{} saw version {version} of `{name}`, or a later one, by {}", one(edge.to), one(edge.from))
            }
            Why::Rw => {
                format!("{} saw `{name}` at version {version}, without what {} made", one(edge.from), one(edge.to))
            }
        }
    });
    let steps: Vec<_> = steps.collect();
    let ids = circle.iter().take(6).map(|edge| transactions[edge.from as usize].id);
    let name = circle.first().map_or("", |edge| rows[edge.row as usize].name);
    Finding::new(
        rule,
        name,
        format!("each of these must come before the next, in a circle ({kind}): {}", steps.join("; ")),
    )
    .by(ids)
    .allowed("one order of all, in which each sees all of another or nothing")
}
