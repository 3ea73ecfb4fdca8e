//! The calls that are pending at one return, and what a configuration can do there.
//!
//! Invariant: forward and back again is where it was.

use super::config::Config;
use super::mask::Mask;
use super::timeline::Timeline;
use super::{Call, Duty, Facts, SequentialModel};

/// Equal operations that are pending.
#[derive(Debug)]
struct Group<B> {
    class: u32,
    is_no_op: bool,
    /// Places of those that have to take effect.
    must: B,
    /// Places of all, the earliest return first.
    places: Vec<u16>,
}

/// Something that may take effect next.
#[derive(Debug)]
pub(super) struct Move<S> {
    /// When it returns, in the order of the returns.
    pub(super) rank: u32,
    /// Its place.
    pub(super) place: u16,
    /// What it leads to.
    pub(super) state: S,
}

/// The pending calls at a return.
#[derive(Debug)]
pub(super) struct Window<'a, L: SequentialModel, B> {
    model: &'a L,
    timeline: &'a Timeline<L::Op>,
    facts: Facts,
    at: usize,
    groups: Vec<Group<B>>,
    /// Room for `places` of later groups.
    spare: Vec<Vec<u16>>,
    /// The pending call at each place.
    holder: Vec<u32>,
    /// Steps of the model so far.
    pub(super) steps: u64,
}

impl<'a, L: SequentialModel, B: Mask> Window<'a, L, B> {
    /// At the first return.
    pub(super) fn new(model: &'a L, timeline: &'a Timeline<L::Op>, facts: Facts) -> Self {
        let holder = vec![0; timeline.places];
        let mut window =
            Self { model, timeline, facts, at: 0, groups: Vec::new(), spare: Vec::new(), holder, steps: 0 };
        (0..window.made(0)).for_each(|index| window.open(index));
        window
    }

    /// At which return it stands.
    pub(super) fn at(&self) -> u32 {
        self.at as u32
    }

    /// The call that returns here, and its place.
    pub(super) fn returning(&self) -> Option<(&'a Call<L::Op>, u16)> {
        let index = *self.timeline.returns.get(self.at)? as usize;
        Some((&self.timeline.calls[index], self.timeline.place[index]))
    }

    /// The ids of the calls that are pending here.
    pub(super) fn pending(&self) -> Vec<u64> {
        let places = self.groups.iter().flat_map(|group| &group.places);
        let mut ids: Vec<u64> =
            places.map(|place| self.timeline.calls[self.holder[usize::from(*place)] as usize].id).collect();
        ids.sort_unstable();
        ids
    }

    /// To the next return.
    pub(super) fn forward(&mut self) {
        let made = self.made(self.at);
        self.close(self.timeline.returns[self.at]);
        self.at += 1;
        (made..self.made(self.at)).for_each(|index| self.open(index));
    }

    /// To the previous return.
    pub(super) fn back(&mut self) {
        let made = self.made(self.at);
        self.at -= 1;
        (self.made(self.at)..made).for_each(|index| self.close(index));
        self.open(self.timeline.returns[self.at]);
    }

    /// Calls made by return `at`.
    fn made(&self, at: usize) -> u32 {
        self.timeline.made.get(at).or(self.timeline.made.last()).copied().unwrap_or(0)
    }

    fn open(&mut self, index: u32) {
        let (at, place) = (index as usize, self.timeline.place[index as usize]);
        self.holder[usize::from(place)] = index;
        let class = self.timeline.class[at];
        let known = self.groups.iter().position(|group| group.class == class);
        let group = known.unwrap_or_else(|| {
            let is_no_op = self.model.is_no_op(&self.timeline.calls[at].op);
            let places = self.spare.pop().unwrap_or_default();
            self.groups.push(Group { class, is_no_op, must: B::default(), places });
            self.groups.len() - 1
        });
        let group = &mut self.groups[group];
        if self.timeline.calls[at].duty == Duty::Must {
            group.must = group.must.or(B::of(place));
        }
        let rank = |place: u16| self.timeline.rank[self.holder[usize::from(place)] as usize];
        let position = group.places.partition_point(|other| rank(*other) < rank(place));
        group.places.insert(position, place);
    }

    fn close(&mut self, index: u32) {
        let (class, place) = (self.timeline.class[index as usize], self.timeline.place[index as usize]);
        let Some(at) = self.groups.iter().position(|group| group.class == class) else { return };
        let group = &mut self.groups[at];
        group.must = group.must.without(B::of(place));
        group.places.retain(|other| *other != place);
        if group.places.is_empty() {
            let Group { places, .. } = self.groups.swap_remove(at);
            self.spare.push(places);
        }
    }

    /// Lets everything take effect that is legal and never changes the state: waiting could only do harm.
    pub(super) fn observe(&mut self, config: &mut Config<B, L::State>) {
        if !self.facts.no_ops {
            return;
        }
        for group in self.groups.iter().filter(|group| group.is_no_op) {
            let open = group.must.without(config.observed);
            if open.is_empty() {
                continue;
            }
            self.steps += 1;
            if self.model.step(&config.state, self.op(group)).is_some() {
                config.observed = config.observed.or(open);
            }
        }
    }

    /// Adds what may take effect next to `moves`: of equal operations the one that returns first.
    pub(super) fn moves(&mut self, config: &Config<B, L::State>, moves: &mut Vec<Move<L::State>>) {
        let placed = config.placed();
        for group in &self.groups {
            // What never changes the state was placed when it became legal; what is left of it is not legal here.
            if self.facts.no_ops && group.is_no_op {
                continue;
            }
            let Some(place) = group.places.iter().copied().find(|place| !placed.has(*place)) else { continue };
            self.steps += 1;
            let Some(state) = self.model.step(&config.state, self.op(group)) else { continue };
            let rank = self.timeline.rank[self.holder[usize::from(place)] as usize];
            moves.push(Move { rank, place, state });
        }
    }

    /// The operation of a group; each has a pending call, or it would not be there.
    fn op(&self, group: &Group<B>) -> &'a L::Op {
        &self.timeline.calls[self.holder[usize::from(group.places[0])] as usize].op
    }
}
