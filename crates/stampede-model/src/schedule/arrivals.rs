//! Walking a schedule, or one generator's share of it.
//!
//! Invariants: the shares of a schedule are a partition of it; intended times never descend while one schedule is
//! followed; a change of schedule in the middle neither loses an arrival nor gives one twice, because an arrival is its
//! number and only the time of a number changes.

use super::spacing::unit_gap;
use super::{Schedule, Spacing};

/// One generator's part of a schedule: the arrivals whose number leaves the remainder `index` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which part, from 0.
    pub index: u64,
    /// How many parts there are; at least 1.
    pub of: u64,
}

impl Share {
    /// The whole schedule.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

/// One request that should leave at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number in the whole schedule, from 0.
    pub index: u64,
    /// Its intended start in nanoseconds after the start of the run.
    pub at_ns: u64,
}

/// Iterator over one share of a schedule. It ends when the rate has gone to zero for good.
#[derive(Clone, Debug)]
pub struct Arrivals {
    schedule: Schedule,
    share: Share,
    /// The first number not walked yet.
    next_index: u64,
    /// Sum of all unit gaps before `next_index`; every share walks all gaps, so all shares agree.
    walked: f64,
    last: Option<Place>,
    /// The stage of the last arrival.
    hint: usize,
    /// Rounding may put two arrivals of one nanosecond the wrong way round; this keeps the order.
    floor_ns: u64,
}

/// An arrival without its time: its number, and the integral of the rate at which it is due.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: u64,
    integral: f64,
}

impl Arrivals {
    pub(super) fn new(schedule: Schedule, share: Share) -> Self {
        assert!(share.of > 0 && share.index < share.of, "share {} of {}", share.index, share.of);
        Self { schedule, share, next_index: 0, walked: 0.0, last: None, hint: 0, floor_ns: 0 }
    }

    /// Goes on with another curve, such as [`Schedule::rebase`] makes, from the next arrival on. Spacing and seed stay.
    ///
    /// The arrival that was given last but has not left yet has a new time too: ask [`Arrivals::again`].
    pub fn follow(&mut self, schedule: &Schedule) {
        self.schedule.curve = schedule.curve.clone();
        self.hint = 0;
        self.floor_ns = 0;
    }

    /// The last arrival once more, with its time on the schedule now followed. `None` when there was none yet or when its
    /// time never comes.
    pub fn again(&self) -> Option<Arrival> {
        let Place { index, integral } = self.last?;
        let at_ns = self.schedule.curve.inverse_ns(integral, &mut 0)?;
        Some(Arrival { index, at_ns })
    }

    /// The next number of the share, the first number behind it, and the gaps walked.
    fn place(&self) -> (Place, u64, f64) {
        let (mut index, mut walked) = (self.next_index, self.walked);
        match self.schedule.spacing {
            Spacing::Uniform => {
                index += (self.share.index + self.share.of - index % self.share.of) % self.share.of;
                (Place { index, integral: index as f64 }, index + 1, walked)
            }
            Spacing::Poisson => loop {
                walked += unit_gap(self.schedule.seed, index);
                if index % self.share.of == self.share.index {
                    return (Place { index, integral: walked }, index + 1, walked);
                }
                index += 1;
            },
        }
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let (place, next_index, walked) = self.place();
        // Nothing is taken until its time is known: a later curve may still let it arrive.
        let at_ns = self.schedule.curve.inverse_ns(place.integral, &mut self.hint)?.max(self.floor_ns);
        (self.next_index, self.walked, self.last, self.floor_ns) = (next_index, walked, Some(place), at_ns);
        Some(Arrival { index: place.index, at_ns })
    }
}
