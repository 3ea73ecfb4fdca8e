//! Calls of unknown outcome: how many, and an error of how many units could hide behind them.

use super::typed::{Figure, Kind, Level, StockOp};
use crate::check::{Finding, Findings};

/// Those of all levels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Open {
    count: u64,
    /// Of these, how many nothing accounts for.
    unsettled: u64,
    /// Units that they may have taken.
    takes: i64,
    /// Units that they may have given.
    gives: i64,
}

impl Open {
    /// Counts a level's, and doubts when nothing accounts for them.
    pub(super) fn add(&mut self, level: &Level, is_settled: bool, findings: &mut Findings) {
        let open: Vec<&StockOp> = level.ops().iter().filter(|op| op.is_open()).collect();
        self.count += open.len() as u64;
        if open.is_empty() || is_settled {
            return;
        }
        let deltas = || open.iter().map(|op| op.delta(Figure::Available));
        let takes: i64 = deltas().map(|delta| delta.min(0).abs()).sum();
        let gives: i64 = deltas().map(|delta| delta.max(0)).sum();
        self.unsettled += open.len() as u64;
        self.takes += takes;
        self.gives += gives;
        let shipped: i64 = open.iter().filter(|op| op.kind() == Kind::Confirm).map(|op| op.units()).sum();
        let shipped = if shipped > 0 { format!("; {shipped} units may be reserved or shipped") } else { String::new() };
        let what = format!("the outcome of {} updates is unknown: {}{shipped}", open.len(), hidden(takes, gives));
        let finding = Finding::new("indeterminate", level.key(), what).by(open.iter().take(6).map(|op| op.id()));
        findings.doubt(finding.allowed("asking the system for each by its key of idempotency, or reading its ledger"));
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// In words, what stays open.
    pub(super) fn could_hide(&self) -> String {
        match (self.count, self.unsettled) {
            (0, _) => String::new(),
            (_, 0) => "nothing: versions or ledger account for every one".to_owned(),
            _ => hidden(self.takes, self.gives),
        }
    }
}

fn hidden(takes: i64, gives: i64) -> String {
    match (takes, gives) {
        (0, 0) => "they change nothing that is available".to_owned(),
        (_, 0) => format!("up to {takes} units lost or taken twice could hide behind them"),
        (0, _) => format!("up to {gives} units made or sold twice could hide behind them"),
        _ => format!("up to {takes} units lost, or {gives} made or sold twice, could hide behind them"),
    }
}
