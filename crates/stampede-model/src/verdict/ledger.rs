//! The level's ledger against the level and against the answers.

use std::collections::BTreeMap;

use super::Findings;
use super::stock::range;
use crate::row::{Effect, Movement, StockHistory, StockOperation};

pub(super) fn check(history: &StockHistory, movements: &[Movement], unclear: i64, findings: &mut Findings) {
    check_numbers(movements, findings);
    check_sums(history, movements, findings);
    check_answers(history, movements, unclear, findings);
}

/// Every version from 1 on, once each and in order.
fn check_numbers(movements: &[Movement], findings: &mut Findings) {
    for (movement, expected) in movements.iter().zip(1..) {
        if movement.version != expected {
            findings.violation(format!(
                "ledger: version {expected} expected, {} found: one is missing or twice there",
                movement.version
            ));
            return;
        }
    }
}

/// Each movement is balanced, its running totals are what it says, and the end is the level.
fn check_sums(history: &StockHistory, movements: &[Movement], findings: &mut Findings) {
    let (mut available, mut reserved) = (0, 0);
    for movement in movements {
        available += movement.available;
        reserved += movement.reserved;
        let version = movement.version;
        if let Some(received) = movement.received
            && movement.available + movement.reserved + movement.shipped.unwrap_or(0) != received
        {
            findings.violation(format!("ledger: movement {version} makes or loses units"));
        }
        if available < 0 || reserved < 0 {
            findings.violation(format!(
                "oversold: after movement {version} {available} are available and {reserved} reserved"
            ));
        }
        for (told, summed, what) in
            [(movement.available_after, available, "available"), (movement.reserved_after, reserved, "reserved")]
        {
            if told.is_some_and(|told| told != summed) {
                findings.violation(format!(
                    "ledger: movement {version} says {} {what}, its sum is {summed}",
                    told.unwrap_or_default()
                ));
            }
        }
    }
    let after = history.after;
    if (available, reserved) != (after.available, after.reserved) {
        findings.violation(format!(
            "ledger and level disagree: {available} available and {reserved} reserved by the ledger, {} and {} by the level",
            after.available, after.reserved
        ));
    }
    let last = movements.last().map_or(0, |movement| movement.version);
    if after.version.is_some_and(|version| version != last) {
        findings.violation(format!(
            "ledger ends at version {last}, the level stands at {}",
            after.version.unwrap_or_default()
        ));
    }
}

/// Each answer's movement is there and says what the answer said; there is none that nobody asked for.
fn check_answers(history: &StockHistory, movements: &[Movement], unclear: i64, findings: &mut Findings) {
    let by_version: BTreeMap<i64, &Movement> = movements.iter().map(|movement| (movement.version, movement)).collect();
    let done: Vec<_> = history.calls.iter().filter(|call| call.outcome.effect() == Effect::Done).collect();
    for call in &done {
        let Some(version) = call.version else { continue };
        let Some(movement) = by_version.get(&version) else {
            findings.violation(format!("lost update: an answer names version {version}, which is not in the ledger"));
            continue;
        };
        let expected = match call.operation {
            StockOperation::Reserve => (-call.units, call.units),
            StockOperation::Receive => (call.units, 0),
        };
        if (movement.available, movement.reserved) != expected {
            findings.violation(format!(
                "ledger: movement {version} changes {} available and {} reserved, its answer said {} and {}",
                movement.available, movement.reserved, expected.0, expected.1
            ));
        }
    }
    if let Some(before) = history.before.version {
        let made = movements.len() as i64 - before;
        let told = done.len() as i64;
        if !(told..=told + unclear).contains(&made) {
            let told = range(told, told + unclear);
            findings
                .violation(format!("lost update: {told} updates succeeded, the ledger has {made} movements of them"));
        }
    }
}
