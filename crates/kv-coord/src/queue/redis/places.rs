//! Places for claims under way: each numbers its claims, so that one whose answer was lost is asked again under its number and given
//! what it was given then. Otherwise its jobs would wait for the end of their leases, and count a loss.

use std::sync::{Mutex, PoisonError};

/// Claims at a time whose answers are remembered; one more is not.
const PLACES_MAX: usize = 64;

/// One claim's place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) index: usize,
    /// The claim that is made in it, counted from 1.
    pub(super) number: u64,
}

/// The places of a process.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<(usize, Vec<Place>)>);

impl Places {
    /// A place nobody is in; the one that was left last first, so that a lost answer is asked for soon.
    pub(super) fn take(&self) -> Option<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, free) = &mut *places;
        free.pop().or_else(|| {
            (*made < PLACES_MAX).then(|| {
                *made += 1;
                Place { index: *made - 1, number: 1 }
            })
        })
    }

    /// Leaves a place; `was_answered` or not, so that the next claim in it is another one or the same.
    #[expect(clippy::needless_pass_by_value, reason = "whoever leaves a place has it no more")]
    pub(super) fn leave(&self, place: Place, answer: Answer) {
        let Place { index, number } = place;
        let number = match answer {
            Answer::Heard => number + 1,
            Answer::Lost => number,
        };
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.1.push(Place { index, number });
    }
}

/// Whether a claim was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Heard,
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_whose_answer_was_lost_keeps_its_number() {
        let places = Places::default();
        let first = places.take().expect("nobody is there");
        let second = places.take().expect("there are more");
        assert_eq!((first.index, first.number, second.index), (0, 1, 1));
        places.leave(first, Answer::Lost);
        let again = places.take().expect("it was left");
        assert_eq!((again.index, again.number), (0, 1));
        places.leave(again, Answer::Heard);
        assert_eq!(places.take().map(|place| place.number), Some(2));
        assert_eq!((0..2 * PLACES_MAX).filter_map(|_| places.take()).count(), PLACES_MAX - 2);
    }
}
