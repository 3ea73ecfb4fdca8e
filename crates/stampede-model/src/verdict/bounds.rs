//! Bounds on the available units at every instant, from the calls' intervals alone.
//!
//! At an instant no more units can be available than if every receipt called by then had happened and of the reservations only
//! those that had returned; no fewer than if every reservation called by then had happened and of the receipts only those returned.
//! A reservation accepted where even the upper bound was too small is an oversell; one refused where even the lower bound was
//! enough all the time was refused without cause. Both are proofs, whatever order the target chose.

use super::Findings;
use crate::interval::Interval;
use crate::row::{Effect, Outcome, StockCall, StockHistory, StockOperation};

/// A step function: value from each instant on, instants ascending.
struct Steps(Vec<(u64, i64)>);

impl Steps {
    fn new(start: i64, mut changes: Vec<(u64, i64)>) -> Self {
        changes.sort_unstable();
        let mut value = start;
        let mut steps = vec![(0, start)];
        for (at_ns, change) in changes {
            value += change;
            match steps.last_mut() {
                Some(last) if last.0 == at_ns => last.1 = value,
                _ => steps.push((at_ns, value)),
            }
        }
        Self(steps)
    }

    /// The values it takes during an interval.
    fn during(&self, interval: Interval) -> impl Iterator<Item = i64> {
        let first = self.0.partition_point(|(at_ns, _)| *at_ns <= interval.call_ns).saturating_sub(1);
        self.0[first..].iter().take_while(move |(at_ns, _)| *at_ns <= interval.return_ns).map(|(_, value)| *value)
    }
}

pub(super) fn check(history: &StockHistory, findings: &mut Findings) {
    let upper = Steps::new(history.stock, changes(&history.calls, StockOperation::Receive, StockOperation::Reserve));
    let lower = Steps::new(history.stock, changes(&history.calls, StockOperation::Reserve, StockOperation::Receive));
    for call in history.calls.iter().filter(|call| call.operation == StockOperation::Reserve) {
        match call.outcome {
            Outcome::Accepted { .. } => {
                let most = upper.during(call.interval).max().unwrap_or(history.stock);
                if most < call.units {
                    findings.violation(format!(
                        "oversold: a reservation of {} succeeded when at most {most} were left",
                        call.units
                    ));
                }
            }
            Outcome::Refused { status } => {
                let least = lower.during(call.interval).min().unwrap_or(history.stock);
                if least >= call.units {
                    findings.violation(format!(
                        "refused without cause: a reservation of {} was refused with {status} while at least {least} were left",
                        call.units
                    ));
                }
            }
            _ => {}
        }
    }
}

/// The bound that counts `early` operations from their call on, whether they surely happened or not, and `late` ones only once they
/// had surely happened, which is after their return.
fn changes(calls: &[StockCall], early: StockOperation, late: StockOperation) -> Vec<(u64, i64)> {
    let mut changes = Vec::new();
    for call in calls {
        let signed = match call.operation {
            StockOperation::Reserve => -call.units,
            StockOperation::Receive => call.units,
        };
        match call.outcome.effect() {
            Effect::Done | Effect::Unclear if call.operation == early => changes.push((call.interval.call_ns, signed)),
            Effect::Done if call.operation == late => changes.push((call.interval.return_ns + 1, signed)),
            _ => {}
        }
    }
    changes
}
