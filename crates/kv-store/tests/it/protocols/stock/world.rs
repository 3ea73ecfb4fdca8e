//! What there is: the rows of stock, what a service remembers beside them, clients that ask more than once, and letters.

use kv_store::stock::rule::Table;
use kv_types::ReservationId;
use uuid::Uuid;

/// A request of a client: the first one reserves, the second one ends the reservation. Stands for its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Request {
    pub(super) client: usize,
    pub(super) wish: Wish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wish {
    Reserve,
    End(Number),
}

/// A reservation by the order in which they were made.
pub(super) type Number = usize;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) table: Table,
    /// What was answered under each key, kept in the transaction of its effect. Sorted.
    pub(super) keys: Vec<(Request, Answer)>,
    pub(super) promises: Vec<Promise>,
    /// A request that was decided on these rows, which nobody locked, and is not written yet.
    pub(super) unlocked: Option<(Request, Table)>,
    pub(super) found: Option<Found>,
    pub(super) clients: Vec<Client>,
    /// Requests on their way; sorted, since a network does not keep their order.
    pub(super) letters: Vec<Request>,
    pub(super) budget: Budget,
    pub(super) seen: Seen,
    pub(super) fault: Option<Fault>,
}

/// What a service knows of a reservation beside its row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Promise {
    pub(super) of: usize,
    pub(super) time: Time,
    pub(super) is_expired: bool,
}

/// A reservation that the sweeper found due, before it locks anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Found {
    pub(super) number: Number,
    /// The rows as they were then, for a sweeper that does not look again.
    pub(super) rows: Option<Table>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Time {
    Left,
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Idle,
    Waits(Wish),
    /// Has a reservation and nothing asked.
    Holds(Number),
    Content(Answer),
    Dead,
}

/// Whether an answer arrives. It does so at once or never: the one who waits for it could as well have been slow to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hearing {
    Heard,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Answer {
    Reserved(Number),
    SoldOut,
    /// Confirmed or released, as wished.
    Ended,
    Expired,
}

/// How often each mishap may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) crashes: u8,
    /// Requests and answers that get lost.
    pub(super) losses: u8,
    /// Requests sent again although the first may yet arrive.
    pub(super) impatience: u8,
}

/// What the last step brought about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Seen(u8);

#[derive(Clone, Copy, Debug)]
pub(super) enum Sight {
    AnsweredFromTheKey = 1,
    SoldAgain = 2,
    SweptInVain = 4,
    RefusedWhileUnswept = 8,
}

impl Seen {
    pub(super) fn note(&mut self, sight: Sight) {
        self.0 |= sight as u8;
    }

    pub(super) const fn has(self, sight: Sight) -> bool {
        self.0 & sight as u8 != 0
    }
}

/// What must never happen and leaves no trace in the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    ExpiredWasConfirmed,
    TwoAnswers,
}

/// The row's id.
pub(super) fn id_of(number: Number) -> ReservationId {
    ReservationId::from_uuid(Uuid::from_u128(1_000 + number as u128))
}

impl World {
    pub(super) fn is_pending(&self, number: Number) -> bool {
        let status = self.table.reservation(id_of(number)).map(|held| held.status);
        status == Some(kv_types::stock::ReservationStatus::Pending)
    }

    /// Whether its time is over, swept or not.
    pub(super) fn is_due(&self, number: Number) -> bool {
        self.promises[number].time == Time::Over
    }

    /// Whether the request is on its way or open.
    pub(super) fn is_under_way(&self, request: Request) -> bool {
        self.letters.contains(&request) || self.unlocked.as_ref().is_some_and(|(open, _)| *open == request)
    }
}
