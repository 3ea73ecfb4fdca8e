//! Users who wait for each other, over all generator threads, and leave together.
//!
//! Invariants: a barrier releases exactly its number of users at one instant; a user who gave up waiting is not counted
//! among them; how closely they left is measured on their next requests, not assumed.
//! Absent on purpose: a promise about the skew. It is what one thread needs to write so many requests one after the other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use stampede_model::run_result::Meeting;

use super::scenario::BarrierSpec;

/// Meetings that are kept; later ones take place and are not listed.
const MEETINGS_MAX: usize = 1_000;

/// All barriers of a run.
#[derive(Debug, Default)]
pub(super) struct Barriers {
    each: Vec<Barrier>,
}

#[derive(Debug)]
struct Barrier {
    spec: BarrierSpec,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// How often it has released.
    released: u64,
    next_ticket: u64,
    waiting: Vec<(u64, Waker)>,
    meetings: Vec<Release>,
}

#[derive(Clone, Copy, Debug)]
struct Release {
    at_ns: u64,
    users: u32,
    first_ns: u64,
    last_ns: u64,
}

/// A user's place at a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    barrier: u32,
    number: u64,
    /// The release it waits for.
    release: u64,
}

impl Barriers {
    pub(super) fn new(specs: Vec<BarrierSpec>) -> Self {
        let each = specs.into_iter().map(|spec| Barrier { spec, inner: Mutex::default() }).collect();
        Self { each }
    }

    /// Takes a place; the last one to come releases all.
    pub(super) fn arrive(&self, barrier: u32, now_ns: u64, cx: &Context<'_>) -> Ticket {
        let Barrier { spec, .. } = &self.each[barrier as usize];
        let mut inner = self.lock(barrier);
        let ticket = Ticket { barrier, number: inner.next_ticket, release: inner.released };
        inner.next_ticket += 1;
        inner.waiting.push((ticket.number, cx.waker().clone()));
        if inner.waiting.len() >= spec.users.max(1) as usize {
            inner.released += 1;
            let users = inner.waiting.len() as u32;
            if inner.meetings.len() < MEETINGS_MAX {
                inner.meetings.push(Release { at_ns: now_ns, users, first_ns: u64::MAX, last_ns: 0 });
            }
            inner.waiting.drain(..).for_each(|(_, waker)| waker.wake());
        }
        ticket
    }

    /// Whether the ticket's holder may leave.
    pub(super) fn poll_released(&self, ticket: Ticket, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock(ticket.barrier);
        if inner.released > ticket.release {
            return Poll::Ready(());
        }
        if let Some((_, waker)) = inner.waiting.iter_mut().find(|(number, _)| *number == ticket.number) {
            waker.clone_from(cx.waker());
        }
        Poll::Pending
    }

    /// The ticket's holder waits no longer.
    pub(super) fn leave(&self, ticket: Ticket) {
        self.lock(ticket.barrier).waiting.retain(|(number, _)| *number != ticket.number);
    }

    /// The ticket's holder handed its next request to a connection at `at_ns`.
    pub(super) fn note_sent(&self, ticket: Ticket, at_ns: u64) {
        let mut inner = self.lock(ticket.barrier);
        if let Some(release) = inner.meetings.get_mut(ticket.release as usize) {
            release.first_ns = release.first_ns.min(at_ns);
            release.last_ns = release.last_ns.max(at_ns);
        }
    }

    /// All meetings, in the order in which they took place.
    pub(super) fn meetings(&self) -> Vec<Meeting> {
        let mut meetings: Vec<Meeting> = Vec::new();
        for (index, barrier) in self.each.iter().enumerate() {
            let inner = self.lock(index as u32);
            meetings.extend(inner.meetings.iter().map(|release| Meeting {
                at_ns: release.at_ns,
                name: barrier.spec.name.clone(),
                users: release.users,
                skew_ns: release.last_ns.saturating_sub(release.first_ns),
            }));
        }
        meetings.sort_by_key(|meeting| meeting.at_ns);
        meetings
    }

    fn lock(&self, barrier: u32) -> MutexGuard<'_, Inner> {
        // A panicking thread fails the whole run; what it left here is consistent between statements.
        self.each[barrier as usize].inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn barriers(users: u32) -> Barriers {
        Barriers::new(vec![BarrierSpec { name: "all".to_owned(), users }])
    }

    #[test]
    fn the_last_to_come_releases_all_and_the_skew_is_of_their_requests() {
        let barriers = barriers(2);
        let cx = Context::from_waker(Waker::noop());
        let first = barriers.arrive(0, 10, &cx);
        assert!(barriers.poll_released(first, &cx).is_pending());
        let second = barriers.arrive(0, 20, &cx);
        assert!(barriers.poll_released(first, &cx).is_ready() && barriers.poll_released(second, &cx).is_ready());
        barriers.note_sent(second, 25);
        barriers.note_sent(first, 32);
        let third = barriers.arrive(0, 40, &cx);
        assert!(barriers.poll_released(third, &cx).is_pending(), "the next meeting is another one");
        let [meeting] = &barriers.meetings()[..] else { panic!("one meeting") };
        assert_eq!((meeting.at_ns, meeting.users, meeting.skew_ns), (20, 2, 7));
    }

    #[test]
    fn who_gave_up_is_not_counted() {
        let barriers = barriers(2);
        let cx = Context::from_waker(Waker::noop());
        let first = barriers.arrive(0, 10, &cx);
        barriers.leave(first);
        let second = barriers.arrive(0, 20, &cx);
        assert!(barriers.poll_released(second, &cx).is_pending());
        assert!(barriers.meetings().is_empty());
    }
}
