//! The ledger, read after the run, against the answers and against what a read showed.
//!
//! Invariants: rows before the first version that the history knows are somebody else's; a row that no answer claims needs a
//! call of unknown outcome with the same change.
//! Absent on purpose: the order of the rows' times. A ledger is known by its versions alone.

use super::typed::{Bumps, Figure, Figures, Level, Row, StockOp};
use crate::check::envelope::Spanned;
use crate::check::{Finding, Findings};

/// Holds the rows of a level against its history. Answers whether they account for every unresolved call.
pub(super) fn check(level: &Level, findings: &mut Findings) -> bool {
    let rows = level.rows.as_slice();
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return false };
    let is_gapless = check_versions(level, findings);
    for row in rows {
        check_sum(level, row, findings);
    }
    let mut named: Vec<&StockOp> =
        level.ops().iter().filter(|op| op.is_done_update() && op.version().is_some()).collect();
    named.sort_by_key(|op| op.version());
    for op in &named {
        check_answer(level, op, (first.version, last.version), findings);
    }
    let Some(begin) = level.base_version.or_else(|| begin_of(level, &named)) else { return false };
    let unclaimed = check_unclaimed(level, &named, begin, findings);
    let is_balanced = is_all_booked(level, unclaimed) && check_reads(level, begin, findings);
    is_gapless && is_balanced && first.version <= begin.saturating_add(1)
}

/// The version before the first answered one, when nothing can have come before.
fn begin_of(level: &Level, named: &[&StockOp]) -> Option<i64> {
    let is_any_unnamed = level.ops().iter().any(StockOp::is_unnamed);
    named.first().filter(|_| !is_any_unnamed)?.version()?.checked_sub(1)
}

fn check_versions(level: &Level, findings: &mut Findings) -> bool {
    let mut is_gapless = true;
    for pair in level.rows.windows(2) {
        let (one, next) = (pair[0].version, pair[1].version);
        if one.checked_add(1) == Some(next) {
            continue;
        }
        is_gapless = false;
        let what = if one == next {
            format!("the ledger has two rows with version {one}: one update overwrote the other")
        } else {
            format!("the ledger goes from version {one} to {next}: updates between are not booked")
        };
        let allowed = format!("version {} after version {one}", one.saturating_add(1));
        findings
            .violation(Finding::new("lost-update", level.key(), what).by([pair[0].id, pair[1].id]).allowed(allowed));
    }
    is_gapless
}

fn check_sum(level: &Level, row: &Row, findings: &mut Findings) {
    let [Some(available), Some(reserved), Some(shipped), Some(received)] =
        Figure::ALL.map(|figure| row.deltas.get(figure))
    else {
        return;
    };
    let sum = available + reserved + shipped;
    if sum != received {
        let rule = if sum > received { "units-made" } else { "units-lost" };
        let what = format!(
            "the ledger's version {} books {available:+} available, {reserved:+} reserved and {shipped:+} shipped for {received:+} received",
            row.version
        );
        findings.violation(Finding::new(rule, level.key(), what).by([row.id]).allowed("changes that add up"));
    }
}

fn row_of(level: &Level, version: i64) -> Option<&Row> {
    let at = level.rows.partition_point(|row| row.version < version);
    level.rows.get(at).filter(|row| row.version == version)
}

fn agrees(deltas: &Figures, op: &StockOp) -> bool {
    Figure::ALL.into_iter().all(|figure| deltas.get(figure).is_none_or(|delta| delta == op.delta(figure)))
}

fn booked(deltas: &Figures) -> String {
    let parts = Figure::ALL.into_iter().filter_map(|figure| Some((deltas.get(figure)?, figure.as_str())));
    let parts: Vec<_> =
        parts.filter(|(delta, _)| *delta != 0).map(|(delta, name)| format!("{delta:+} {name}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// How the units that a row books differ from those of an operation; without one, from nothing.
fn off(deltas: &Figures, op: Option<&StockOp>) -> i64 {
    let inside = [Figure::Available, Figure::Reserved, Figure::Shipped].into_iter();
    inside.filter_map(|figure| Some(deltas.get(figure)? - op.map_or(0, |op| op.delta(figure)))).sum()
}

fn check_answer(level: &Level, op: &StockOp, (first, last): (i64, i64), findings: &mut Findings) {
    let Some(version) = op.version().filter(|version| *version >= first) else { return };
    match row_of(level, version) {
        None if version > last => {
            let what = format!("{} was answered with version {version}, but the ledger ends at {last}", op.words());
            let finding = Finding::new("lost-update", level.key(), what).by([op.id()]);
            findings.violation(finding.allowed(format!("a row with version {version}")));
        }
        // A gap of the ledger has been told.
        None => {}
        Some(row) if agrees(&row.deltas, op) => {}
        Some(row) => {
            let rule = match off(&row.deltas, Some(op)) {
                0 => "lost-update",
                1.. => "units-made",
                _ => "units-lost",
            };
            let what = format!(
                "{} was answered with version {version}, which the ledger books as {}",
                op.words(),
                booked(&row.deltas)
            );
            findings.violation(
                Finding::new(rule, level.key(), what).by([op.id(), row.id]).allowed("the same change in both"),
            );
        }
    }
}

/// Whether no change can be missing in the ledger for want of a version, when so many rows belong to no answer.
fn is_all_booked(level: &Level, unclaimed: usize) -> bool {
    let unnamed = level.ops().iter().filter(|op| op.is_unnamed());
    let are_all_done = unnamed.clone().all(StockOp::is_done_update);
    let is_any_quiet = unnamed.clone().any(|op| op.bumps() == Bumps::Perhaps);
    !is_any_quiet || (are_all_done && unclaimed == unnamed.count())
}

/// Each row that no answer claims takes a call of unknown outcome with its change. Answers how many such rows there are.
fn check_unclaimed(level: &Level, named: &[&StockOp], begin: i64, findings: &mut Findings) -> usize {
    let mut unclaimed = 0;
    let mut able: Vec<&StockOp> = level.ops().iter().filter(|op| op.is_unnamed()).collect();
    // When rows show different figures, which call a row takes is no longer told by the row alone.
    let shown = |row: &Row| Figure::ALL.map(|figure| row.deltas.get(figure).is_some());
    let is_uniform = level.rows.windows(2).all(|pair| shown(&pair[0]) == shown(&pair[1]));
    for row in level.rows.iter().filter(|row| row.version > begin) {
        if named.binary_search_by_key(&Some(row.version), |op| op.version()).is_ok() {
            continue;
        }
        unclaimed += 1;
        if let Some(found) = able.iter().position(|op| agrees(&row.deltas, op)) {
            if is_uniform {
                able.swap_remove(found);
            }
            continue;
        }
        let rule = if off(&row.deltas, None) < 0 || row.deltas.get(Figure::Available).unwrap_or(0) < 0 {
            "units-lost"
        } else {
            "units-made"
        };
        let what =
            format!("the ledger's version {} books {}, which nobody asked for", row.version, booked(&row.deltas));
        findings.violation(
            Finding::new(rule, level.key(), what).by([row.id]).allowed("a row for each update that was asked for"),
        );
    }
    unclaimed
}

/// The figures at the beginning and the rows up to a read's version give what it showed. Answers whether the last read did.
fn check_reads(level: &Level, begin: i64, findings: &mut Findings) -> bool {
    let Some(read) = level.last_read() else { return false };
    // A call of unknown outcome may have come after a read that does not say by its version what it saw.
    if read.version().is_none() && level.ops().iter().any(StockOp::is_open) {
        return false;
    }
    let rows =
        level.rows.iter().filter(|row| row.version > begin && read.version().is_none_or(|last| row.version <= last));
    let rows: Vec<&Row> = rows.collect();
    for figure in Figure::ALL {
        let (Some(start), Some(shown)) = (level.base().get(figure), read.figures().get(figure)) else { continue };
        let Some(sum) = rows.iter().map(|row| row.deltas.get(figure)).sum::<Option<i64>>() else { continue };
        if start + sum != shown {
            let rule = if shown > start + sum { "units-made" } else { "units-lost" };
            let what = format!(
                "a read after the last update shows {shown} {}, but the ledger leaves {} of {start}",
                figure.as_str(),
                start + sum
            );
            let finding = Finding::new(rule, level.key(), what)
                .by(std::iter::once(read.id()).chain(rows.last().map(|row| row.id)));
            findings.violation(finding.allowed(format!("{} {}", start + sum, figure.as_str())));
            return false;
        }
    }
    read.version().is_none_or(|version| level.rows.last().is_some_and(|row| row.version >= version))
}

impl Level {
    /// The last read that began after every answered update had been.
    pub(super) fn last_read(&self) -> Option<&StockOp> {
        let ended_ns = self.ops.iter().filter(|op| op.is_done_update()).map(Spanned::end_ns).max();
        self.ops.iter().rev().find(|op| !op.is_update() && ended_ns.is_none_or(|ended_ns| op.call_ns() > ended_ns))
    }
}
