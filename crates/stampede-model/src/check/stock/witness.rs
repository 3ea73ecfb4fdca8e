//! The versions' own order, replayed: every answer must show what the replay has, and every refusal must find a state for it.
//!
//! Invariants: between two versions nothing can have happened but what nobody learned a version of; where such a call may
//! stand, only what it cannot explain is a violation. The replay goes on with what was shown, so that one fault is one finding.
//! Absent on purpose: a guess at which unresolved call filled a gap, beyond whether one can have.

use super::replay::{Replay, State};
use super::typed::{Bumps, Fate, Figure, Figures, Kind, Level, StockOp};
use crate::check::envelope::Spanned;
use crate::check::order::{Misplaced, Order, Visit, place};
use crate::check::words::range;
use crate::check::{Finding, Findings};

/// What the versions prove, besides what they refute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// Every update that was answered named its version, and the replay explains every answer.
    pub(super) is_whole: bool,
    /// Every version is accounted for up to a read after the last answered update: what is unresolved hides nothing.
    pub(super) is_settled: bool,
    /// The figures after the last answered update were seen.
    pub(super) is_end_seen: bool,
}

impl Proof {
    const NONE: Self = Self { is_whole: false, is_settled: false, is_end_seen: false };
}

/// Replays a level in the order of its versions.
pub(super) fn check(level: &Level, findings: &mut Findings) -> Proof {
    let done = level.ops().iter().filter(|op| op.is_done_update());
    let (named, unnamed) = done.fold((0_u64, 0_u64), |(named, unnamed), op| match op.version() {
        Some(_) => (named + 1, unnamed),
        None => (named, unnamed + 1),
    });
    if named == 0 && unnamed > 0 {
        return Proof::NONE;
    }
    doubt_missing(level, findings);
    let order = Order::build(level.ops(), level.key(), findings);
    let quiet = quiet(level, order.check_gaps(level.ops(), level.key(), findings));
    let mut replay = Replay::new(level, &order, &quiet);
    replay.run(findings);
    let is_explained = replay.is_explained();
    let states = replay.into_states();
    // A change that makes no version can explain any answer: then there is nothing to place.
    let is_placed = quiet.is_empty() && place_visits(level, &order, &states, findings);
    let expired = level.ops().iter().filter(|op| op.is_done_update() && op.kind() == Kind::Expire).count() as u64;
    Proof {
        // Nobody is told the version of an expiry; that one is missing for each is as good.
        is_whole: unnamed <= expired && is_placed,
        is_settled: is_explained && quiet.is_empty() && is_accounted(level, &order),
        is_end_seen: is_end_seen(level, &order),
    }
}

/// Whether anybody showed what is available after the last version.
fn is_end_seen(level: &Level, order: &Order) -> bool {
    let last = order.len() - 1;
    let mut who = order.looks(last).iter().map(|&at| at as usize).chain(order.update(last));
    who.any(|at| level.ops()[at].figures().get(Figure::Available).is_some())
}

/// Updates whose answer lacks the version that others of their kind have.
fn doubt_missing(level: &Level, findings: &mut Findings) {
    let lacks = |op: &&StockOp| op.is_done_update() && op.version().is_none() && op.bumps() == Bumps::Surely;
    let ids: Vec<u64> = level.ops().iter().filter(lacks).map(StockOp::id).collect();
    if ids.is_empty() {
        return;
    }
    let what = format!("{} answered updates name no version, though others of their kind do", ids.len());
    findings.doubt(Finding::new("no-witness", level.key(), what).by(ids.into_iter().take(6)));
}

/// Updates that may have changed the level without making a version, in the order of their calls; none when the versions
/// that are missing show that each of them made one.
fn quiet(level: &Level, missing: u64) -> Vec<u32> {
    let is_quiet = |op: &StockOp| op.is_unnamed() && op.bumps() == Bumps::Perhaps;
    let quiet: Vec<u32> = (0..level.ops().len() as u32).filter(|&at| is_quiet(&level.ops()[at as usize])).collect();
    let others = level.ops().iter().filter(|op| op.is_unnamed() && !is_quiet(op)).count();
    let is_any_open = quiet.iter().any(|&at| level.ops()[at as usize].is_open());
    if others == 0 && !is_any_open && missing == quiet.len() as u64 { Vec::new() } else { quiet }
}

/// Whether a read after the last answered update named the last version, and the first was seen or nothing can precede it.
fn is_accounted(level: &Level, order: &Order) -> bool {
    let last = order.len() - 1;
    let ended_ns = level.ops().iter().filter(|op| op.is_done_update()).map(Spanned::end_ns).max().unwrap_or(0);
    let is_end_seen = order.looks(last).iter().any(|&at| level.ops()[at as usize].call_ns() > ended_ns);
    is_end_seen && (level.base_version == Some(order.version(0)) || !order.may_begin_earlier())
}

/// Finds a state for each refusal and for each read without a version. Answers whether all was tried.
fn place_visits(level: &Level, order: &Order, states: &[State], findings: &mut Findings) -> bool {
    let ops = level.ops();
    let slots = look_slots(level, order);
    let slot_of = |at: u32| slots.get(at as usize).copied().filter(|slot| *slot != NO_SLOT);
    let is_visit =
        |op: &StockOp| matches!(op.fate(), Fate::Insufficient) || (op.kind() == Kind::Read && op.fate() == Fate::Done);
    let visits: Vec<Visit> = (0..ops.len() as u32)
        .filter(|&at| is_visit(&ops[at as usize]))
        .map(|at| Visit { at, slot: slot_of(at) })
        .collect();
    let begins_late = order.may_begin_earlier();
    let fits = |at: usize, slot: usize| (slot == 0 && begins_late) || states[slot].explains(&ops[at]);
    let Some(misplaced) = place(order, ops, &visits, fits, |slot| order.is_hidden_before(slot)) else {
        findings.doubt(Finding::new(
            "budget",
            level.key(),
            "too many updates stood beside each refusal and read to try all",
        ));
        return false;
    };
    for one in misplaced {
        // Two reads with versions in the wrong order were told with the order itself.
        if slot_of(one.at).is_none() || one.after.and_then(slot_of).is_none() {
            findings.violation(unexplained(level, order, states, &one));
        }
    }
    true
}

/// An operation that names no slot.
const NO_SLOT: u32 = u32::MAX;

/// The slot that each operation saw; empty when none names a version that it saw.
fn look_slots(level: &Level, order: &Order) -> Vec<u32> {
    if level.ops().iter().all(|op| op.kind() != Kind::Read || op.version().is_none()) {
        return Vec::new();
    }
    let mut slots = vec![NO_SLOT; level.ops().len()];
    for slot in 0..order.len() {
        for &at in order.looks(slot) {
            slots[at as usize] = slot as u32;
        }
    }
    slots
}

fn unexplained(level: &Level, order: &Order, states: &[State], one: &Misplaced) -> Finding {
    let op = &level.ops()[one.at as usize];
    let (first, last) = one.within;
    let versions = range(order.version(first), order.version(last));
    let beside = [order.update(first), order.update(last)].into_iter().flatten().map(|at| level.ops()[at].id());
    let available = (first..=last).filter_map(|slot| states[slot].get(Figure::Available));
    let (low, high) = (available.clone().min().unwrap_or(0), available.max().unwrap_or(0));
    let (rule, what, allowed) = if let (Some(version), Some(_)) = (op.version(), one.after) {
        let what = format!(
            "a read shows version {version}, but what had ended before it began is possible from a later version on only"
        );
        ("stale-read", what, format!("a version later than {version}"))
    } else if op.fate() == Fate::Insufficient && one.after.is_some() {
        let what = format!(
            "{} was refused for want of units, but what had ended before its call shows that there were enough from then on",
            op.words()
        );
        ("refused-without-cause", what, "success".to_owned())
    } else if op.fate() == Fate::Insufficient {
        let what = format!(
            "{} was refused for want of units, but the versions current from its call to its answer ({versions}) had at least {low} available",
            op.words()
        );
        ("refused-without-cause", what, "success".to_owned())
    } else {
        let is_old = states[..first].iter().rev().take(1_000).any(|state| state.explains(op));
        let rule = if is_old || one.after.is_some() { "stale-read" } else { "not-linearizable" };
        let shown = op.figures().get(Figure::Available).unwrap_or(0);
        let what = format!(
            "a read answered {shown} available, which no version current from its call to its answer ({versions}) had"
        );
        (rule, what, format!("{} available", range(low, high)))
    };
    let mut ids: Vec<u64> =
        std::iter::once(op.id()).chain(one.after.map(|at| level.ops()[at as usize].id())).chain(beside).collect();
    ids.dedup();
    Finding::new(rule, level.key(), what).by(ids).allowed(allowed)
}

/// Whether two sets of figures agree where both are shown.
pub(super) fn agree(shown: &Figures, state: &State) -> bool {
    Figure::ALL.iter().all(|&figure| match (shown.get(figure), state.get(figure)) {
        (Some(shown), Some(known)) => shown == known,
        _ => true,
    })
}
