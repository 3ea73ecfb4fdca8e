//! Writes that carry a fence: once a higher one was accepted, a lower one is too late.

use std::collections::HashMap;

use super::op::Guarded;
use super::{Lock, Rules};
use crate::check::reading::End;
use crate::check::{Finding, Findings};

/// Checks the guarded row of one lock.
pub(super) fn check(lock: &Lock<'_>, rules: &Rules, findings: &mut Findings) {
    let key = lock.ops.key;
    let accepted: Vec<&Guarded> = lock.ops.writes.iter().filter(|write| write.end == End::Done).collect();
    if accepted.is_empty() && lock.ops.reads.is_empty() && lock.ops.writes.is_empty() {
        return;
    }
    check_versions(key, &accepted, findings);
    let surely = Surely::of(&accepted);
    for write in &accepted {
        if let Some((fence, id)) = surely.fence_before(write.span.call)
            && write.fence.is_some_and(|own| own < fence)
        {
            findings.violation(stale(key, write, fence, id));
        }
    }
    check_reads(key, &lock.ops.reads, &accepted, &surely, findings);
    if !rules.store_faults {
        check_refused(lock, findings);
    }
}

fn stale(key: &str, write: &Guarded, fence: i64, id: u64) -> Finding {
    let own = write.fence.unwrap_or_default();
    let what = format!(
        "operation {} wrote with fence {own} although operation {id} had been accepted with {fence} before",
        write.span.id
    );
    Finding::new("stale-write-accepted", key, what)
        .by([write.span.id, id])
        .allowed("a refusal: its holder has lost the lock to the one with the higher fence")
}

/// In the order of the versions no fence may go back, and no version may go back in time.
fn check_versions(key: &str, accepted: &[&Guarded], findings: &mut Findings) {
    let mut versioned: Vec<(i64, &Guarded)> =
        accepted.iter().filter_map(|write| Some((write.version?, *write))).collect();
    if versioned.len() < accepted.len() {
        let without = accepted.iter().filter(|write| write.version.is_none()).map(|write| write.span.id);
        let what = format!("{} of {} writes came without a version", accepted.len() - versioned.len(), accepted.len());
        findings.doubt(Finding::new("no-witness", key, what).by(without.take(4)));
    }
    versioned.sort_by_key(|(version, write)| (*version, write.span.call));
    let mut highest: Option<&Guarded> = None;
    let mut latest: Option<&Guarded> = None;
    for (at, &(version, write)) in versioned.iter().enumerate() {
        if at > 0 && versioned[at - 1].0 == version {
            let other = versioned[at - 1].1.span.id;
            let what = format!("operations {other} and {} both wrote version {version}", write.span.id);
            findings.violation(
                Finding::new("lost-update", key, what)
                    .by([write.span.id, other])
                    .allowed("a version of its own for each accepted write"),
            );
        } else if let Some(latest) = latest.filter(|latest| write.span.end < latest.span.call) {
            let what = format!(
                "operation {} wrote version {} although operation {}, answered before, wrote version {version}",
                latest.span.id,
                latest.version.unwrap_or_default(),
                write.span.id
            );
            let finding = Finding::new("lost-update", key, what).by([latest.span.id, write.span.id]);
            findings.violation(finding.allowed(format!("a version above {version}")));
        }
        if let Some(highest) = highest.filter(|highest| write.fence < highest.fence)
            // What was told apart by time already is told below.
            && write.span.call <= highest.span.end
        {
            findings.violation(stale(key, write, highest.fence.unwrap_or_default(), highest.span.id));
        }
        if highest.is_none_or(|highest| write.fence > highest.fence) {
            highest = Some(write);
        }
        if latest.is_none_or(|latest| write.span.call > latest.span.call) {
            latest = Some(write);
        }
    }
}

/// What had surely been written by an instant.
struct Surely {
    /// Ends of the accepted writes, sorted, with the highest fence and version up to each and whose they are.
    by_end: Vec<(u64, Highest)>,
}

#[derive(Clone, Copy, Default)]
struct Highest {
    fence: Option<(i64, u64)>,
    version: Option<(i64, u64)>,
}

impl Surely {
    fn of(accepted: &[&Guarded]) -> Self {
        let mut sorted: Vec<&Guarded> = accepted.to_vec();
        sorted.sort_by_key(|write| write.span.end);
        let mut highest = Highest::default();
        let by_end = sorted
            .iter()
            .map(|write| {
                highest.fence = highest.fence.max(write.fence.map(|fence| (fence, write.span.id)));
                highest.version = highest.version.max(write.version.map(|version| (version, write.span.id)));
                (write.span.end, highest)
            })
            .collect();
        Self { by_end }
    }

    fn before(&self, instant: u64) -> Highest {
        let known = self.by_end.partition_point(|(end, _)| *end < instant);
        known.checked_sub(1).map_or_else(Highest::default, |at| self.by_end[at].1)
    }

    fn fence_before(&self, instant: u64) -> Option<(i64, u64)> {
        self.before(instant).fence
    }
}

fn check_reads(key: &str, reads: &[Guarded], accepted: &[&Guarded], surely: &Surely, findings: &mut Findings) {
    let by_version: HashMap<i64, &Guarded> =
        accepted.iter().filter_map(|write| Some((write.version?, *write))).collect();
    for read in reads {
        let highest = surely.before(read.span.call);
        let pairs = [("version", read.version, highest.version), ("fence", read.fence, highest.fence)];
        let old = pairs.into_iter().find_map(|(name, seen, due)| match (seen, due) {
            (Some(seen), Some((due, id))) if seen < due => Some((name, seen, due, id)),
            _ => None,
        });
        if let Some((name, seen, due, id)) = old {
            let what = format!(
                "operation {} read {name} {seen} although operation {id} had written {name} {due} before",
                read.span.id
            );
            findings.violation(
                Finding::new("stale-read", key, what)
                    .by([read.span.id, id])
                    .allowed(format!("{name} {due} or a later one")),
            );
            continue;
        }
        let Some(write) = read.version.and_then(|version| by_version.get(&version)) else { continue };
        if let (Some(seen), Some(written)) = (&read.value, &write.value)
            && seen != written
        {
            let what = format!(
                "operation {} read `{seen}` at the version in which operation {} wrote `{written}`",
                read.span.id, write.span.id
            );
            let finding = Finding::new("lost-update", key, what).by([read.span.id, write.span.id]);
            findings.violation(finding.allowed(format!("`{written}`, or another version")));
        }
    }
}

/// A holder who surely holds has the highest fence there is, unless somebody made one up.
fn check_refused(lock: &Lock<'_>, findings: &mut Findings) {
    let of_fence = Holders::of(lock);
    for write in lock.ops.writes.iter().filter(|write| write.end == End::Refused) {
        let Some((fence, place)) = write.fence.and_then(|fence| Some((fence, of_fence.place(fence)?))) else {
            continue;
        };
        let holds = lock.pieces.covering(write.span.call, write.span.end, None);
        if holds.is_none_or(|piece| piece.grant != place) || of_fence.is_overtaken(fence, write.span.end) {
            continue;
        }
        let grant = lock.holds.grants[place as usize].span.id;
        let what = format!(
            "operation {} was refused as stale although operation {grant} surely held the lock with its fence {fence}",
            write.span.id
        );
        findings.violation(
            Finding::new("refused-without-cause", lock.ops.key, what)
                .by([write.span.id, grant])
                .allowed("acceptance: no higher fence had been granted"),
        );
    }
}

/// Who holds by which fence, and which fences were tried in writes.
struct Holders {
    places: HashMap<i64, u32>,
    /// Fences of writes that may have been accepted, sorted, with the earliest call from each on.
    tried: Vec<(i64, u64)>,
}

impl Holders {
    fn of(lock: &Lock<'_>) -> Self {
        let grants = lock.ops.acquires.iter().filter_map(|acquire| match acquire.end {
            super::op::AcquireEnd::Granted { fence, .. } => Some(fence),
            _ => None,
        });
        let places = grants.enumerate().filter_map(|(place, fence)| Some((fence?, place as u32))).collect();
        let open = lock.ops.writes.iter().filter(|write| write.end.may_be_done());
        let mut tried: Vec<(i64, u64)> = open.filter_map(|write| Some((write.fence?, write.span.call))).collect();
        tried.sort_unstable();
        for at in (1..tried.len()).rev() {
            tried[at - 1].1 = tried[at - 1].1.min(tried[at].1);
        }
        Self { places, tried }
    }

    fn place(&self, fence: i64) -> Option<u32> {
        self.places.get(&fence).copied()
    }

    /// Whether a write with a higher fence had been called by `instant`.
    fn is_overtaken(&self, fence: i64, instant: u64) -> bool {
        let at = self.tried.partition_point(|(tried, _)| *tried <= fence);
        self.tried.get(at).is_some_and(|(_, call)| *call <= instant)
    }
}
