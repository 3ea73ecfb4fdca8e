//! What there is: the lock's server, its clients, the letters between them, and the store that a lock protects.
//!
//! Invariants: times are what is left of them, never points on a clock, so that worlds which differ by their age alone are one;
//! letters are sorted, since a network does not keep their order.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use kv_coord::lock::rule::{LockRule, View};
use kv_coord::lock::{Epoch, Fence};

/// One turn of one client; stands for the token made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Turn {
    pub(super) client: usize,
    pub(super) number: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) server: Server,
    pub(super) clients: Vec<Client>,
    pub(super) letters: Vec<Letter>,
    pub(super) store: Store,
    pub(super) budget: Budget,
    /// Who waits, in the order of coming: what the rule's own line must agree with.
    pub(super) line: Vec<Waiting>,
    pub(super) last_fence: Option<Fence>,
    pub(super) seen: Seen,
    pub(super) fault: Option<Fault>,
}

/// The lock's server: the rule itself and its clock.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) rule: LockRule,
    pub(super) at: Duration,
    pub(super) epoch: Epoch,
}

/// Patience beyond this does not run out before a run ends.
const FAR: Duration = Duration::from_secs(5);

impl Server {
    pub(super) fn view(&self) -> View {
        let mut view = self.rule.view(self.at);
        for (_, patience) in &mut view.line {
            *patience = patience.map(|left| left.min(FAR));
        }
        view
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.view() == other.view()
    }
}

impl Eq for Server {}

impl Hash for Server {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch.get().hash(state);
        self.view().hash(state);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("epoch", &self.epoch).field("view", &self.view()).finish()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) turn: u8,
    pub(super) phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Idle,
    /// Waits for a grant.
    Asking,
    /// Its time in the line is over, and the lock went past it to one behind. It has still to notice and to leave.
    PassedOver,
    Holding(Hold),
    /// Waits to hear what became of its release. It does not believe in the lock any more.
    Releasing(Try),
    Dead(Death),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Try {
    First,
    Again,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Death {
    /// The server can tell: nobody listens.
    Noticed,
    Unnoticed,
}

/// A lock in a client's hands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    pub(super) fence: Fence,
    /// How much longer the client may believe in it.
    pub(super) believes: Duration,
    pub(super) write: Write,
    pub(super) renewals: u8,
}

/// The guarded write of a turn. It may be under way for as long as one likes: a slow network and a holder that was paused between
/// its look at the clock and its write are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    NotYet,
    UnderWay,
    Landed,
    Refused,
}

/// What may be late, as late as one likes. An answer to the others comes at once or never: the one who waits for it could as well
/// have been slow to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Letter {
    /// To a client that asked or waits, with how long it may believe.
    Grant(Turn, Fence, Duration),
    /// To the server: the client does not wait any more, or lost faith in its lock.
    Cancel(Turn),
    /// To the server; answered.
    Release(Turn),
    /// To the store; answered.
    Write(Turn, Fence),
}

/// Whether an answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    Heard,
    Lost,
}

impl Letter {
    pub(super) const fn turn(&self) -> Turn {
        match *self {
            Self::Grant(turn, ..) | Self::Cancel(turn) | Self::Release(turn) | Self::Write(turn, _) => turn,
        }
    }
}

/// What the lock protects. The rule here is that of the service's fence table: a token is accepted when the stored one is not
/// higher, in the transaction of the write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) highest: Option<Fence>,
    /// Writes that took effect, by the turn that is their idempotency key.
    pub(super) written: Vec<Turn>,
}

/// How often each mishap may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) crashes: u8,
    pub(super) restarts: u8,
    /// Letters and answers that get lost.
    pub(super) losses: u8,
    /// Clients that stop waiting; an answer that was lost and one that was not waited for are the same.
    pub(super) hang_ups: u8,
}

/// A place in the line as its owner knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    pub(super) turn: Turn,
    /// `None` when its patience is over.
    pub(super) patience: Option<Duration>,
}

impl Waiting {
    pub(super) fn age(&mut self, by: Duration) {
        let left = self.patience.filter(|left| *left < FAR);
        if let Some(left) = left {
            self.patience = left.checked_sub(by);
        }
    }
}

/// What the last step brought about, for the properties that demand that it sometimes does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen(u8);

#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    HandedOver = 1,
    LostGrantGivenBack = 2,
    LostReleaseResolved = 4,
    LostWriteResolved = 8,
    StrangerTurnedAway = 16,
    OverdueSkipped = 32,
    StaleWriteRefused = 64,
}

impl Seen {
    pub(super) fn note(&mut self, sight: Sight) {
        self.0 |= sight as u8;
    }

    pub(super) const fn has(self, sight: Sight) -> bool {
        self.0 & sight as u8 != 0
    }
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    StaleWriteAccepted,
    StrangerChangedTheLock,
    LiveWaiterSkipped,
    FenceNotHigher,
    WrittenTwice,
}
