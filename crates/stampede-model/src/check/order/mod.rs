//! The order that the system itself named: every update has a version, and looks name the version that they saw.
//!
//! A slot is the state after one version. Slot 0 is the state before the first known update; where versions are missing
//! between two slots there is a gap, whose states nobody saw.
//! Invariants: what is found here holds for every order that a correct system can have chosen: a version belongs to one
//! update, versions have no gap that nobody can fill, and no operation stands behind one that was called after it ended.
//! Absent on purpose: what the states are; the models replay them.

mod place;
#[cfg(test)]
mod tests;

pub(crate) use place::{Misplaced, Visit, place};

use super::envelope::Spanned;
use super::{Finding, Findings};

/// What an operation is to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It made this version.
    Update(i64),
    /// It saw this version.
    Look(i64),
    /// It may have made a version that nobody names.
    Filler,
    /// Nothing.
    Other,
}

/// An operation with a version that a finding can name.
pub(crate) trait Versioned: Spanned {
    /// Its id in the history.
    fn id(&self) -> u64;
    /// What it is to the order.
    fn role(&self) -> Role;
}

/// The state after one version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// The version.
    pub(crate) version: i64,
    first_update: u32,
    first_look: u32,
}

/// The versions of one object, in their order.
#[derive(Debug)]
pub(crate) struct Order {
    slots: Vec<Slot>,
    updates: Vec<u32>,
    looks: Vec<u32>,
    /// Per slot the earliest moment at which its state can have begun.
    begins_ns: Vec<u64>,
    /// Per slot the latest moment at which its state can have begun.
    latest_ns: Vec<u64>,
    /// Calls of those operations that may have made a version nobody names, in order.
    filler_calls: Vec<u64>,
}

/// Versions before a slot that nobody can have made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// The slot behind it.
    pub(crate) slot: usize,
    /// Versions missing there.
    pub(crate) missing: u64,
    /// Calls that can have made any version up to there.
    pub(crate) able: u64,
}

impl Order {
    /// Sorts the versions out and adds to `findings` what no correct system can have named.
    pub(crate) fn build<O: Versioned>(operations: &[O], key: &str, findings: &mut Findings) -> Self {
        let mut order = Self::sorted(operations);
        order.check_unique(operations, key, findings);
        order.check_time(operations, key, findings);
        order.bound_from_above(operations);
        order
    }

    /// How many slots there are, at least one.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A slot's version; that of slot 0 is a guess unless somebody saw it.
    pub(crate) fn version(&self, slot: usize) -> i64 {
        self.slots[slot].version
    }

    /// The update that made a slot's version, when one is known.
    pub(crate) fn update(&self, slot: usize) -> Option<usize> {
        self.updates_of(slot).first().map(|&at| at as usize)
    }

    /// Those who saw a slot's version.
    pub(crate) fn looks(&self, slot: usize) -> &[u32] {
        let end = self.slots.get(slot + 1).map_or(self.looks.len(), |next| next.first_look as usize);
        &self.looks[self.slots[slot].first_look as usize..end]
    }

    /// Versions up to and including that of `slot` that nobody names, since the slot before it.
    pub(crate) fn missing_before(&self, slot: usize) -> u64 {
        if slot == 0 {
            return 0;
        }
        let steps = self.slots[slot].version.abs_diff(self.slots[slot - 1].version);
        steps.saturating_sub(u64::from(self.update(slot).is_some()))
    }

    /// The earliest moment at which a slot's state can have begun.
    pub(crate) fn begins_ns(&self, slot: usize) -> u64 {
        self.begins_ns[slot]
    }

    /// The latest moment at which a slot's state can have begun.
    pub(crate) fn latest_ns(&self, slot: usize) -> u64 {
        self.latest_ns[slot]
    }

    /// Whether somebody saw the state before the first known update, with its version.
    pub(crate) fn is_begin_seen(&self) -> bool {
        !self.looks(0).is_empty()
    }

    /// Whether a version that nobody names can have come before the first known one.
    pub(crate) fn may_begin_earlier(&self) -> bool {
        let until_ns = self.latest_ns.get(usize::from(!self.is_begin_seen())).copied().unwrap_or(u64::MAX);
        self.filler_calls.first().is_some_and(|call_ns| *call_ns <= until_ns)
    }

    /// Whether states that nobody saw lie between a slot and the one before; behind the last slot, whether there may be any.
    pub(crate) fn is_hidden_before(&self, slot: usize) -> bool {
        if slot < self.len() { self.missing_before(slot) > 0 } else { !self.filler_calls.is_empty() }
    }

    fn updates_of(&self, slot: usize) -> &[u32] {
        let end = self.slots.get(slot + 1).map_or(self.updates.len(), |next| next.first_update as usize);
        &self.updates[self.slots[slot].first_update as usize..end]
    }

    fn sorted<O: Versioned>(operations: &[O]) -> Self {
        let (mut updates, mut looks, mut filler_calls) = (Vec::new(), Vec::new(), Vec::new());
        for (at, operation) in operations.iter().enumerate() {
            match operation.role() {
                Role::Update(version) => updates.push((version, at as u32)),
                Role::Look(version) => looks.push((version, at as u32)),
                Role::Filler => filler_calls.push(operation.call_ns()),
                Role::Other => {}
            }
        }
        updates.sort_unstable();
        looks.sort_unstable();
        filler_calls.sort_unstable();
        let slots = slots(&updates, &looks);
        let bare = |pairs: Vec<(i64, u32)>| pairs.into_iter().map(|(_, at)| at).collect();
        let (begins_ns, latest_ns) = (vec![0; slots.len()], vec![u64::MAX; slots.len()]);
        Self { slots, updates: bare(updates), looks: bare(looks), begins_ns, latest_ns, filler_calls }
    }

    fn check_unique<O: Versioned>(&self, operations: &[O], key: &str, findings: &mut Findings) {
        for slot in 0..self.len() {
            let twice = self.updates_of(slot);
            if twice.len() < 2 {
                continue;
            }
            let version = self.version(slot);
            findings.violation(
                Finding::new(
                    "lost-update",
                    key,
                    format!(
                        "{} updates were each answered with version {version}: one overwrote the other",
                        twice.len()
                    ),
                )
                .by(twice.iter().take(6).map(|&at| operations[at as usize].id()))
                .allowed(format!(
                    "one update with version {version}, the next with version {}",
                    version.saturating_add(1)
                )),
            );
        }
    }

    /// In the order of versions nothing may stand behind an operation that was called after it had ended.
    fn check_time<O: Versioned>(&mut self, operations: &[O], key: &str, findings: &mut Findings) {
        let mut latest = Latest::default();
        for slot in 0..self.len() {
            let mut of_slot = latest;
            for &at in self.updates_of(slot) {
                if let Some(finding) = latest.against((at, slot), self, operations, key) {
                    findings.violation(finding);
                }
                of_slot.take(at, slot, operations);
            }
            latest = of_slot;
            self.begins_ns[slot] = latest.call_ns;
            for &at in self.looks(slot) {
                if let Some(finding) = latest.against((at, slot), self, operations, key) {
                    findings.violation(finding);
                }
                of_slot.take(at, slot, operations);
            }
            latest = of_slot;
        }
    }

    fn bound_from_above<O: Versioned>(&mut self, operations: &[O]) {
        let mut earliest = u64::MAX;
        for slot in (0..self.len()).rev() {
            let who = self.updates_of(slot).iter().chain(self.looks(slot));
            earliest = who.map(|&at| operations[at as usize].end_ns()).fold(earliest, u64::min);
            self.latest_ns[slot] = earliest;
        }
    }

    /// The first so many missing versions need as many calls that can have made them in time. Answers how many are missing.
    ///
    /// For versions that rise by one with each update.
    pub(crate) fn check_gaps<O: Versioned>(&self, operations: &[O], key: &str, findings: &mut Findings) -> u64 {
        for gap in self.unfilled() {
            findings.violation(self.gap(operations, key, gap));
        }
        self.missing_up_to(self.len() - 1)
    }

    /// How many versions up to and including that of `slot` nobody names, since slot 0.
    pub(crate) fn missing_up_to(&self, slot: usize) -> u64 {
        (1..=slot).map(|slot| self.missing_before(slot)).fold(0, u64::saturating_add)
    }

    /// Slots that have more missing versions before them than calls can have made in time.
    pub(crate) fn unfilled(&self) -> Vec<Gap> {
        let (mut missing, mut excused) = (0_u64, 0_u64);
        let mut gaps = Vec::new();
        for slot in 1..self.len() {
            let here = self.missing_before(slot);
            if here == 0 {
                continue;
            }
            missing = missing.saturating_add(here);
            let able = self.fillers_until(self.latest_ns[slot]);
            let unfilled = missing.saturating_sub(excused).saturating_sub(able);
            if unfilled > 0 {
                excused = excused.saturating_add(unfilled);
                gaps.push(Gap { slot, missing: here, able });
            }
        }
        gaps
    }

    /// Calls up to then that may have made a version nobody names.
    pub(crate) fn fillers_until(&self, until_ns: u64) -> u64 {
        self.filler_calls.partition_point(|call_ns| *call_ns <= until_ns) as u64
    }

    fn gap<O: Versioned>(&self, operations: &[O], key: &str, gap: Gap) -> Finding {
        let Gap { slot, missing: here, able } = gap;
        let anyone = |slot: usize| self.update(slot).or_else(|| self.looks(slot).first().map(|&at| at as usize));
        let around = [anyone(slot), slot.checked_sub(1).and_then(anyone)];
        let (before, after) = (self.version(slot - 1), self.version(slot));
        let fillers = match able {
            0 => "no call of unknown outcome can have made it".to_owned(),
            _ => format!("only {able} calls of unknown outcome can have made any up to here"),
        };
        let versions = if here == 1 { "one version".to_owned() } else { format!("{here} versions") };
        Finding::new(
            "lost-update",
            key,
            format!("{versions} after {before} and up to {after} belong to no answered update, and {fillers}"),
        )
        .by(around.into_iter().flatten().map(|at| operations[at].id()))
        .allowed(format!("version {} right after version {before}", before.saturating_add(1)))
    }
}

fn slots(updates: &[(i64, u32)], looks: &[(i64, u32)]) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(updates.len() + 1);
    let first_update = updates.first().map(|(version, _)| *version);
    let first_look = looks.first().map(|(version, _)| *version);
    if first_look.is_none() || first_update.is_some_and(|update| first_look.is_some_and(|look| update <= look)) {
        let version = first_update.unwrap_or(1).saturating_sub(1);
        slots.push(Slot { version, first_update: 0, first_look: 0 });
    }
    let (mut update, mut look) = (0, 0);
    loop {
        let version = match (updates.get(update), looks.get(look)) {
            (None, None) => return slots,
            (Some((one, _)), None) | (None, Some((one, _))) => *one,
            (Some((one, _)), Some((other, _))) => *one.min(other),
        };
        slots.push(Slot { version, first_update: update as u32, first_look: look as u32 });
        update += updates[update..].iter().take_while(|(one, _)| *one == version).count();
        look += looks[look..].iter().take_while(|(one, _)| *one == version).count();
    }
}

/// The latest call among the operations so far.
#[derive(Clone, Copy, Debug, Default)]
struct Latest {
    call_ns: u64,
    who: Option<(u32, usize)>,
}

impl Latest {
    fn take<O: Versioned>(&mut self, at: u32, slot: usize, operations: &[O]) {
        let call_ns = operations[at as usize].call_ns();
        if self.who.is_none() || call_ns > self.call_ns {
            *self = Self { call_ns, who: Some((at, slot)) };
        }
    }

    /// What is wrong with an operation that the order puts behind the one with the latest call.
    fn against<O: Versioned>(
        &self,
        (at, slot): (u32, usize),
        order: &Order,
        operations: &[O],
        key: &str,
    ) -> Option<Finding> {
        let (earlier, earlier_slot) = self.who?;
        let operation = &operations[at as usize];
        if operation.end_ns() >= self.call_ns {
            return None;
        }
        let (before, after) = (order.version(earlier_slot), order.version(slot));
        let earlier = &operations[earlier as usize];
        let (rule, what) = match (earlier.role(), operation.role()) {
            (Role::Look(_), _) => (
                "stale-read",
                format!("a read shows version {before}, but version {after} was out before the read began"),
            ),
            (_, Role::Look(_)) => (
                "not-linearizable",
                format!("a read had shown version {after} before the update that made version {before} was called"),
            ),
            _ => (
                "not-linearizable",
                format!("the update with version {after} was answered before the one with version {before} was called"),
            ),
        };
        let allowed = format!("version {after} or a later one for the operation that was called second");
        Some(Finding::new(rule, key, what).by([earlier.id(), operation.id()]).allowed(allowed))
    }
}
