//! Just in time: all configurations that explain everything so far, from one return to the next (Lowe).
//!
//! At each return those in which the returning call has not taken effect yet let it do so, after whatever else may come first.
//! What has returned is forgotten, so memory follows what is pending, not the length of the history.

use std::collections::BTreeSet;

use super::config::Config;
use super::deep::KEPT_STATES;
use super::mask::Mask;
use super::race::{Progress, Searcher};
use super::table::{Identity, Table};
use super::timeline::Timeline;
use super::window::{Move, Window};
use super::{Call, Duty, Facts, Impossible, SequentialModel};

/// A frontier search under way.
#[derive(Debug)]
pub(super) struct Frontier<'a, L: SequentialModel, B> {
    window: Window<'a, L, B>,
    /// What was met at this return, with the returning call still to come.
    seen: Table<B, L::State>,
    /// How many of `seen` were worked at.
    done: usize,
    /// What has the returning call behind it.
    next: Table<B, L::State>,
    moves: Vec<Move<L::State>>,
}

impl<'a, L: SequentialModel, B: Mask> Frontier<'a, L, B> {
    /// A search that begins in `root`.
    pub(super) fn new(
        model: &'a L,
        timeline: &'a Timeline<L::Op>,
        facts: Facts,
        identity: Identity,
        root: L::State,
    ) -> Self {
        let mut window = Window::new(model, timeline, facts);
        let mut seen = Table::new(identity);
        let mut config = Config::at(root);
        window.observe(&mut config);
        seen.insert(window.at(), config);
        Self { window, seen, done: 0, next: Table::new(identity), moves: Vec::new() }
    }

    /// Works at one configuration: the call that returns here takes effect, or something else before it.
    fn work(&mut self, mut config: Config<B, L::State>, call: &Call<L::Op>, place: u16) {
        let at = self.window.at();
        if config.placed().has(place) {
            config.forget(place);
            self.next.insert(at, config);
            return;
        }
        self.window.moves(&config, &mut self.moves);
        for Move { place: moved, state, .. } in self.moves.drain(..) {
            let updates = config.updates.or(B::of(moved));
            let mut after = Config { updates, observed: config.observed, state };
            self.window.observe(&mut after);
            if after.placed().has(place) {
                after.forget(place);
                self.next.insert(at, after);
            } else {
                self.seen.insert(at, after);
            }
        }
        if call.duty == Duty::May {
            self.next.insert(at, config);
        }
    }

    /// To the next return, where more calls are pending.
    fn turn(&mut self) {
        self.window.forward();
        self.seen.clear();
        for config in self.next.iter() {
            let mut config = config.clone();
            self.window.observe(&mut config);
            self.seen.insert(self.window.at(), config);
        }
        self.next.clear();
        self.done = 0;
    }

    fn impossible(&self, call: &Call<L::Op>) -> Progress<L::State> {
        let mut states = BTreeSet::new();
        for config in self.seen.iter() {
            if !states.contains(&config.state) {
                states.insert(config.state.clone());
                if states.len() > KEPT_STATES {
                    states.pop_last();
                }
            }
        }
        Progress::Impossible(Impossible {
            operation: call.id,
            explained: u64::from(self.window.at()),
            pending: self.window.pending(),
            states: states.into_iter().collect(),
        })
    }
}

impl<L: SequentialModel, B: Mask> Searcher<L::State> for Frontier<'_, L, B> {
    fn advance(&mut self, allowance: u64) -> Progress<L::State> {
        let until = self.window.steps.saturating_add(allowance);
        while self.window.steps < until {
            self.window.steps += 1;
            let Some((call, place)) = self.window.returning() else {
                let last = self.seen.iter().next().map(|config| config.state.clone());
                return last.map_or(Progress::Paused, Progress::Explained);
            };
            if self.done < self.seen.len() {
                let config = self.seen.get(self.done).cloned();
                self.done += 1;
                if let Some(config) = config {
                    self.work(config, call, place);
                }
            } else if self.next.len() == 0 {
                return self.impossible(call);
            } else {
                self.turn();
            }
        }
        Progress::Paused
    }

    fn steps(&self) -> u64 {
        self.window.steps
    }

    fn bytes(&self) -> u64 {
        self.seen.bytes() + self.next.bytes()
    }
}
