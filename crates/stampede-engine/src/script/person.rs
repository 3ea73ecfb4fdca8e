//! One virtual user: what it knows, and its own copies of the requests it fills in.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt;
use rand::rngs::SmallRng;
use stampede_model::scenario::{Dice, Frame, Plan};

use super::prepared::Prepared;
use crate::load::scenario::{Outgoing, Seat};

/// A virtual user's state.
pub(super) struct Person {
    pub(super) frame: Frame,
    /// Copies of requests with slots, made when first needed.
    pub(super) copies: Vec<Option<Outgoing>>,
    /// The status of the last answer of this iteration.
    pub(super) last_status: Option<u16>,
    /// When the next iteration may start at the earliest, with pacing; nanoseconds after the start of the run.
    pub(super) next_ns: Option<u64>,
    /// Whether its user's rows are drawn.
    pub(super) has_rows: HasRows,
    /// Its number in the history, until the outcome of something it did is unknown.
    pub(super) process: Option<u64>,
    /// Memory for texts, used again.
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasRows {
    Yes,
    NotYet,
}

impl Person {
    pub(super) fn new(plan: &Plan, prepared: &Prepared, seat: Seat) -> Self {
        let frame = Frame {
            user: seat.number + 1,
            iteration: 0,
            variables: plan.variables.clone(),
            rows: vec![0; plan.feeds.len()],
        };
        let copies = (0..prepared.changing).map(|_| None).collect();
        let text = String::new();
        Self { frame, copies, last_status: None, next_ns: None, has_rows: HasRows::NotYet, process: None, text }
    }
}

/// Random numbers of a user, and the time of day.
pub(super) struct UserDice<'a>(pub(super) &'a mut SmallRng);

impl Dice for UserDice<'_> {
    fn between(&mut self, from: i64, to: i64) -> i64 {
        self.0.random_range(from..=to)
    }

    fn bits(&mut self) -> u128 {
        self.0.random()
    }

    fn now_ms(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}
