//! Records of a lock's rules and of contenders for one lock.

use super::Outcome;
use crate::interval::Interval;

/// The rules, each one small story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockRule {
    /// A free lock can be taken, and is seen as held.
    Acquire,
    /// A held lock is refused at once when nobody waits.
    RefuseHeld,
    /// A released lock can be taken again.
    Reacquire,
    /// A lock nobody releases becomes free after its time to live, and not before.
    Expire,
    /// Work done under the lock excludes others and leaves it free.
    Execute,
    /// Tenants do not see each other's locks.
    Tenants,
    /// Nobody but the holder can release.
    Strangers,
}

impl LockRule {
    /// All rules, in the order they are tried.
    pub const ALL: [Self; 7] =
        [Self::Acquire, Self::RefuseHeld, Self::Reacquire, Self::Expire, Self::Execute, Self::Tenants, Self::Strangers];

    /// What it demands, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Acquire => "a free lock can be acquired",
            Self::RefuseHeld => "a held lock is refused",
            Self::Reacquire => "a released lock can be acquired",
            Self::Expire => "a lock expires after its time to live",
            Self::Execute => "work under a lock excludes others",
            Self::Tenants => "tenants lock apart",
            Self::Strangers => "a stranger cannot release",
        }
    }
}

/// What one step should show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWish {
    /// The call succeeds.
    Accepted,
    /// The call is declined.
    Refused,
    /// The lock is seen as held.
    Held,
    /// The lock is seen as free.
    Free,
}

/// What one step showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockSight {
    /// A call's outcome.
    Call(Outcome),
    /// A look at the lock.
    Look {
        /// Whether it was held.
        held: bool,
    },
}

/// One step of a rule's story.
#[derive(Clone, Debug)]
pub struct LockObservation {
    /// The rule it belongs to.
    pub rule: LockRule,
    /// The step, for people.
    pub step: String,
    /// When.
    pub interval: Interval,
    /// What it should show.
    pub wish: LockWish,
    /// What it showed.
    pub sight: LockSight,
    /// The lease that must still run for the wish to be justified.
    pub during: Option<Lease>,
    /// The lease that must have run out before the call may be granted.
    pub after: Option<Lease>,
}

/// A release by the holder.
#[derive(Clone, Debug)]
pub struct Release {
    /// When.
    pub interval: Interval,
    /// How it came out.
    pub outcome: Outcome,
}

/// One contender: its acquire and, when granted, its release.
#[derive(Clone, Debug)]
pub struct Hold {
    /// When it acquired; the interval includes the wait.
    pub acquire: Interval,
    /// How that came out.
    pub outcome: Outcome,
    /// The fencing number of the grant, when there is one.
    pub fence: Option<i64>,
    /// The release, when it was granted.
    pub release: Option<Release>,
}

/// Everything seen of one lock under contention.
#[derive(Clone, Debug)]
pub struct ExclusiveHistory {
    /// The lock's time to live.
    pub ttl_ns: u64,
    /// The contenders.
    pub holds: Vec<Hold>,
}

/// A lock as its holder knows it: taken by a call, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The call that took it; includes the wait.
    pub acquire: Interval,
    /// Its time to live.
    pub ttl_ns: u64,
}

impl Lease {
    /// Until when it is surely held if nobody releases it: counted from the call, because the target's clock started after it, less
    /// one part in a hundred for a clock that runs fast.
    pub fn surely_until_ns(&self) -> u64 {
        self.acquire.call_ns + self.ttl_ns - self.ttl_ns / 100
    }
}
