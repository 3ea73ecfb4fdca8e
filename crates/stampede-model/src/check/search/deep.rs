//! Depth-first: one order is tried as far as it goes, and what cannot be completed is remembered (Wing and Gong's search with
//! Lowe's memory).
//!
//! Only dead ends are remembered, when they are left: a history that is explained at the first try costs no memory.

use std::collections::BTreeSet;

use super::config::Config;
use super::mask::Mask;
use super::race::{Progress, Searcher};
use super::table::{Identity, Table};
use super::timeline::Timeline;
use super::window::{Move, Window};
use super::{Duty, Facts, Impossible, SequentialModel};

/// The place of a move in which the call that returns here, and need not have taken effect, has not.
const LAPSES: u16 = u16::MAX;
/// States kept to tell what would have been allowed.
pub(super) const KEPT_STATES: usize = 16;

/// One configuration on the way, and where its untried moves begin.
#[derive(Debug)]
struct Frame<B, S> {
    at: u32,
    config: Config<B, S>,
    moves: usize,
}

/// The furthest return that was reached, and the least states there.
#[derive(Debug)]
struct Edge<S> {
    at: u32,
    states: BTreeSet<S>,
}

/// A depth-first search under way.
#[derive(Debug)]
pub(super) struct Deep<'a, L: SequentialModel, B> {
    window: Window<'a, L, B>,
    roots: Vec<L::State>,
    frames: Vec<Frame<B, L::State>>,
    /// Untried moves of all frames, the next one of each last.
    moves: Vec<Move<L::State>>,
    dead: Table<B, L::State>,
    edge: Edge<L::State>,
}

impl<'a, L: SequentialModel, B: Mask> Deep<'a, L, B> {
    /// A search that begins in `root`.
    pub(super) fn new(
        model: &'a L,
        timeline: &'a Timeline<L::Op>,
        facts: Facts,
        identity: Identity,
        root: L::State,
    ) -> Self {
        Self {
            window: Window::new(model, timeline, facts),
            roots: vec![root],
            frames: Vec::new(),
            moves: Vec::new(),
            dead: Table::new(identity),
            edge: Edge { at: 0, states: BTreeSet::new() },
        }
    }

    /// Goes on from `config` as far as there is no choice; the last state when that is the end.
    fn enter(&mut self, mut config: Config<B, L::State>) -> Option<L::State> {
        loop {
            self.window.observe(&mut config);
            let Some((_, place)) = self.window.returning() else { return Some(config.state) };
            if !config.placed().has(place) {
                break;
            }
            config.forget(place);
            self.window.forward();
        }
        let at = self.window.at();
        self.edge.reach(at, &config.state);
        if self.dead.covers(at, &config) {
            self.return_to_top();
            return None;
        }
        let from = self.moves.len();
        if self.window.returning().is_some_and(|(call, _)| call.duty == Duty::May) {
            self.moves.push(Move { rank: u32::MAX, place: LAPSES, state: config.state.clone() });
        }
        let first = self.moves.len();
        self.window.moves(&config, &mut self.moves);
        // The next to return is the most likely to have taken effect, and the last to be popped is at the front.
        self.moves[first..].sort_unstable_by_key(|next| std::cmp::Reverse((next.rank, next.place)));
        self.frames.push(Frame { at, config, moves: from });
        None
    }

    /// Takes the next move of the frame on top, or leaves it for good.
    fn go_on(&mut self) -> Option<L::State> {
        let top = self.frames.last()?;
        if self.moves.len() > top.moves {
            let next = self.moves.pop()?;
            let mut config = top.config.clone();
            if next.place == LAPSES {
                self.window.forward();
            } else {
                config.updates = config.updates.or(B::of(next.place));
                config.state = next.state;
            }
            return self.enter(config);
        }
        let Frame { at, config, .. } = self.frames.pop()?;
        self.dead.insert(at, config);
        self.return_to_top();
        None
    }

    fn return_to_top(&mut self) {
        let at = self.frames.last().map_or(0, |frame| frame.at);
        while self.window.at() > at {
            self.window.back();
        }
    }

    fn impossible(&mut self) -> Progress<L::State> {
        while self.window.at() < self.edge.at {
            self.window.forward();
        }
        let Some((call, _)) = self.window.returning() else { return Progress::Paused };
        Progress::Impossible(Impossible {
            operation: call.id,
            explained: u64::from(self.edge.at),
            pending: self.window.pending(),
            states: self.edge.states.iter().cloned().collect(),
        })
    }
}

impl<S: Ord + Clone> Edge<S> {
    fn reach(&mut self, at: u32, state: &S) {
        if at < self.at {
            return;
        }
        if at > self.at {
            self.at = at;
            self.states.clear();
        }
        if !self.states.contains(state) {
            self.states.insert(state.clone());
            if self.states.len() > KEPT_STATES {
                self.states.pop_last();
            }
        }
    }
}

impl<L: SequentialModel, B: Mask> Searcher<L::State> for Deep<'_, L, B> {
    fn advance(&mut self, allowance: u64) -> Progress<L::State> {
        let until = self.window.steps.saturating_add(allowance);
        while self.window.steps < until {
            self.window.steps += 1;
            let reached = if self.frames.is_empty() {
                let Some(root) = self.roots.pop() else { return self.impossible() };
                self.enter(Config::at(root))
            } else {
                self.go_on()
            };
            if let Some(state) = reached {
                return Progress::Explained(state);
            }
        }
        Progress::Paused
    }

    fn steps(&self) -> u64 {
        self.window.steps
    }

    fn bytes(&self) -> u64 {
        let way = self.frames.capacity() * size_of::<Frame<B, L::State>>();
        let moves = self.moves.capacity() * size_of::<Move<L::State>>();
        self.dead.bytes() + (way + moves) as u64
    }
}
