//! One stock level under simultaneous updates: no unit sold twice, no update lost, no refusal without cause.
//!
//! An unresolved call (timeout, 5xx) may or may not have counted; the checks then allow for both, and what remains open is a doubt.

use super::bounds;
use super::ledger;
use super::{Findings, Ruling};
use crate::row::{Effect, Level, Outcome, StockCall, StockHistory, StockOperation};

/// How many reservations must succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockDemand {
    /// Exactly so many, the others refused.
    Exactly(u32),
    /// As many as the stock allows at each one's time.
    AsStockAllows,
}

/// Units and calls by what is known of their effect.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) reserved: i64,
    pub(super) reserved_unclear: i64,
    pub(super) received: i64,
    pub(super) received_unclear: i64,
    pub(super) done: i64,
    pub(super) unclear: i64,
}

impl Tally {
    fn of(calls: &[StockCall]) -> Self {
        let mut tally = Self::default();
        for call in calls {
            let (units, count) = match (call.operation, call.outcome.effect()) {
                (_, Effect::None) => continue,
                (StockOperation::Reserve, Effect::Done) => (&mut tally.reserved, &mut tally.done),
                (StockOperation::Reserve, Effect::Unclear) => (&mut tally.reserved_unclear, &mut tally.unclear),
                (StockOperation::Receive, Effect::Done) => (&mut tally.received, &mut tally.done),
                (StockOperation::Receive, Effect::Unclear) => (&mut tally.received_unclear, &mut tally.unclear),
            };
            *units += call.units;
            *count += 1;
        }
        tally
    }
}

/// Judges a level's history.
pub fn judge_stock(history: &StockHistory, demand: StockDemand, skew_us: u64) -> Ruling {
    let mut findings = Findings::default();
    let tally = Tally::of(&history.calls);
    check_start(history, &mut findings);
    check_oversell(history, tally, &mut findings);
    check_lost_updates(history, tally, &mut findings);
    check_conservation(&history.after, &mut findings);
    check_versions(history, tally, &mut findings);
    bounds::check(history, &mut findings);
    if let Some(movements) = &history.ledger {
        ledger::check(history, movements, tally.unclear, &mut findings);
    }
    check_demand(history, demand, &mut findings);
    check_outcomes(&history.calls, &mut findings);
    findings.conclude(figure(history, skew_us))
}

fn check_start(history: &StockHistory, findings: &mut Findings) {
    let Level { available, reserved, .. } = history.before;
    if available != history.stock || reserved != 0 {
        findings.violation(format!(
            "wrong level before the test: {} units were received, {available} are available and {reserved} reserved",
            history.stock
        ));
    }
}

fn check_oversell(history: &StockHistory, tally: Tally, findings: &mut Findings) {
    let most = history.stock + tally.received + tally.received_unclear;
    if tally.reserved > most {
        findings.violation(format!("oversold: {} units were promised, {most} were there", tally.reserved));
    }
    if history.after.available < 0 {
        findings.violation(format!("oversold: the level shows {} available", history.after.available));
    }
}

fn check_lost_updates(history: &StockHistory, tally: Tally, findings: &mut Findings) {
    let after = history.after;
    let least = history.stock - tally.reserved - tally.reserved_unclear + tally.received;
    let most = history.stock - tally.reserved + tally.received + tally.received_unclear;
    let available_fits = (least..=most).contains(&after.available);
    let reserved_fits = (tally.reserved..=tally.reserved + tally.reserved_unclear).contains(&after.reserved);
    if !available_fits || !reserved_fits {
        findings.violation(format!(
            "lost update: the answers account for {} available and {} reserved, the level shows {} and {}",
            range(least, most),
            range(tally.reserved, tally.reserved + tally.reserved_unclear),
            after.available,
            after.reserved
        ));
    }
}

fn check_conservation(level: &Level, findings: &mut Findings) {
    let Some(received) = level.received else { return };
    let accounted = level.available + level.reserved + level.shipped.unwrap_or(0);
    if accounted != received {
        findings
            .violation(format!("units not conserved: {received} received, {accounted} available, reserved or shipped"));
    }
}

/// Versions named by the answers: each once, without a gap, and in an order real time allows.
fn check_versions(history: &StockHistory, tally: Tally, findings: &mut Findings) {
    let mut witnessed: Vec<(i64, &StockCall)> = history
        .calls
        .iter()
        .filter(|call| call.outcome.effect() == Effect::Done)
        .filter_map(|call| call.version.map(|version| (version, call)))
        .collect();
    witnessed.sort_by_key(|(version, _)| *version);
    for pair in witnessed.windows(2) {
        if pair[0].0 == pair[1].0 {
            findings.violation(format!("lost update: two answers name version {}", pair[0].0));
        }
    }
    let mut latest_call = None;
    for (version, call) in &witnessed {
        if let Some((earlier, called_ns)) = latest_call
            && call.interval.return_ns < called_ns
        {
            findings
                .violation(format!("out of order: version {version} had answered before version {earlier} was called"));
        }
        if latest_call.is_none_or(|(_, called_ns)| call.interval.call_ns > called_ns) {
            latest_call = Some((*version, call.interval.call_ns));
        }
    }
    if let (Some(before), Some(after)) = (history.before.version, history.after.version) {
        let steps = after - before;
        if !(tally.done..=tally.done + tally.unclear).contains(&steps) {
            let told = range(tally.done, tally.done + tally.unclear);
            findings.violation(format!("lost update: {told} updates succeeded, the level's version rose by {steps}"));
        }
        if let Some((version, _)) = witnessed.iter().find(|(version, _)| *version <= before || *version > after) {
            findings.violation(format!("an answer names version {version}, the level went from {before} to {after}"));
        }
    }
}

fn check_demand(history: &StockHistory, demand: StockDemand, findings: &mut Findings) {
    let StockDemand::Exactly(wanted) = demand else { return };
    let wanted = wanted as usize;
    let (accepted, _, unclear) = counts(history, StockOperation::Reserve);
    if accepted > wanted {
        findings.violation(format!("oversold: {accepted} reservations succeeded, {wanted} were possible"));
    } else if accepted + unclear < wanted {
        findings.violation(format!("refused without cause: {accepted} of {wanted} possible reservations succeeded"));
    } else if accepted < wanted {
        findings.doubt(format!("{accepted} of {wanted} reservations surely succeeded, {unclear} gave no clear answer"));
    }
}

fn check_outcomes(calls: &[StockCall], findings: &mut Findings) {
    for call in calls {
        match &call.outcome {
            Outcome::Accepted { .. } | Outcome::Refused { .. } => {}
            Outcome::Unexpected { .. } | Outcome::Malformed { .. } => {
                findings.violation(format!("a call answered {}", call.outcome));
            }
            Outcome::NoAnswer { .. } => findings.doubt(format!("a call got {}", call.outcome)),
        }
    }
}

/// Accepted, refused, unclear.
fn counts(history: &StockHistory, operation: StockOperation) -> (usize, usize, usize) {
    let of = |effect| {
        history.calls.iter().filter(|call| call.operation == operation && call.outcome.effect() == effect).count()
    };
    (of(Effect::Done), of(Effect::None), of(Effect::Unclear))
}

fn figure(history: &StockHistory, skew_us: u64) -> String {
    let (reserved, refused, unclear) = counts(history, StockOperation::Reserve);
    let (received, ..) = counts(history, StockOperation::Receive);
    let mut parts = Vec::new();
    match received {
        0 => parts.push(format!("{reserved} succeeded, {refused} refused")),
        _ => parts.push(format!("{reserved} reserved, {refused} refused, {received} received")),
    }
    if unclear > 0 {
        parts.push(format!("{unclear} unclear"));
    }
    parts.push(format!("{} left, {} reserved", history.after.available, history.after.reserved));
    if let Some(movements) = &history.ledger {
        parts.push(format!("{} movements", movements.len()));
    }
    format!("{} (skew {skew_us} µs)", parts.join("; "))
}

pub(super) fn range(least: i64, most: i64) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

#[cfg(test)]
#[path = "stock_tests.rs"]
mod tests;
