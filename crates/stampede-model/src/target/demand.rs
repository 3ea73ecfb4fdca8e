//! What a row demands, in words, computed from the numbers it is judged by.

use super::rows::{CheckedRow, ConcurrencyRow, ExclusiveRow, LoadRow, RateLimitRow, Row, StockRow};
use super::{Request, Target};
use crate::units::show_duration;

/// How much of a row is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As the row says.
    Full,
    /// The row's smaller load.
    Quick,
}

impl LoadRow {
    /// Rate per second and duration.
    pub fn size(&self, effort: Effort) -> (u32, std::time::Duration) {
        match effort {
            Effort::Full => (self.rate_per_s, self.lasts),
            Effort::Quick => (self.quick.rate_per_s, self.quick.lasts),
        }
    }
}

impl CheckedRow {
    /// Operations in all.
    pub fn size(&self, effort: Effort) -> u32 {
        match effort {
            Effort::Full => self.operations,
            Effort::Quick => self.quick,
        }
    }
}

impl Row<'_> {
    /// The table's second column: what is done.
    pub fn metric(&self, target: &Target, effort: Effort) -> String {
        match self {
            Self::Load(row) => load_metric(row, target.request.get(row.request.as_ref()), effort),
            Self::Stock(row) => {
                format!("{} simultaneous reservations of {} on {}", row.simultaneous, row.units, row.stock)
            }
            Self::Concurrency(row) => format!("{} simultaneous updates", row.reservations + row.receipts),
            Self::RateLimit(row) => format!("{} req/{}/user", row.limit, window_word(row)),
            Self::Lock(_) => "lock rules".to_owned(),
            Self::Exclusive(row) => format!("{} contenders for one lock", row.contenders),
            Self::Checked(row) => checked_metric(target, row, effort),
        }
    }

    /// The table's third column: what must come out.
    pub fn demand(&self) -> String {
        match self {
            Self::Load(row) => {
                row.thresholds.iter().map(|limit| limit.as_ref().as_str()).collect::<Vec<_>>().join(", ")
            }
            Self::Stock(row) => stock_demand(row),
            Self::Concurrency(ConcurrencyRow { ledger: Some(_), .. }) => "0 data corruption, by ledger".to_owned(),
            Self::Concurrency(_) => "0 data corruption".to_owned(),
            Self::RateLimit(row) => {
                format!(
                    "of {}: exactly {} pass, {} refused; honest headers",
                    row.calls,
                    row.limit,
                    row.calls - row.limit
                )
            }
            Self::Lock(_) => "acquire, refuse, release, expire, execute, tenants, strangers".to_owned(),
            Self::Exclusive(ExclusiveRow { .. }) => "never two holders, fences increase, all served".to_owned(),
            Self::Checked(_) => "every answer explained, by witness or exactly".to_owned(),
        }
    }
}

fn load_metric(row: &LoadRow, request: Option<&Request>, effort: Effort) -> String {
    let (rate, lasts) = row.size(effort);
    let lasts = show_duration(lasts);
    match request {
        Some(request) => format!("{} {} {rate} req/s, {lasts}", request.method.as_str(), request.path.as_ref()),
        None => format!("{rate} req/s, {lasts}"),
    }
}

fn checked_metric(target: &Target, row: &CheckedRow, effort: Effort) -> String {
    let Some(workload) = target.workload_of(row, effort) else { return row.workload.as_ref().clone() };
    let (model, clients) = (workload.model.as_ref(), workload.clients);
    format!("{model}: {} operations of {clients} clients", crate::units::thousands(u64::from(workload.operations)))
}

fn stock_demand(row: &StockRow) -> String {
    let affordable = row.affordable();
    let taken = affordable * row.units;
    match row.simultaneous - affordable {
        0 => format!("all {affordable} succeed, {} left, {taken} reserved", row.stock - taken),
        refused => format!("{affordable} succeed, {refused} refused, {} left, {taken} reserved", row.stock - taken),
    }
}

fn window_word(row: &RateLimitRow) -> String {
    if row.window.as_secs() == 60 { "min".to_owned() } else { show_duration(row.window) }
}
