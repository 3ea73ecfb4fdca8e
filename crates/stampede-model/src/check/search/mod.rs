//! The exact search: is there an order of the calls, each inside its own interval, that explains every answer?
//!
//! Two searches work at the problem in turn and share nothing: depth-first with a memory of dead ends (Wing and Gong, Lowe),
//! which is quick when an order exists, and a just-in-time frontier (Lowe), which is quick when none does. The first to finish
//! is right, and which one it is changes nothing in the answer.
//! What keeps both small are facts that a model vouches for ([`Facts`]): what only observes is placed as soon as it is legal;
//! of equal calls the one that returns first goes first; where updates commute the set of those placed is the state, and a
//! moment without pending calls cuts the problem in two.
//! Invariants: an answer is exact or [`Outcome::Unknown`]; steps and memory are bounded by argument; no clock, no thread, no
//! unseeded hash, so the same history gives the same answer on any machine.
//! Absent on purpose: keys. Who calls splits the history, see [`super::exact`].

#[cfg(test)]
mod brute;
mod config;
mod deep;
mod frontier;
mod mask;
mod race;
mod table;
mod timeline;
mod window;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::hash::Hash;

pub use race::solve;

/// What an object does when one call follows another.
pub trait SequentialModel {
    /// What the object is between two calls.
    type State: Clone + Eq + Ord + Hash + Debug;
    /// A call together with what was answered.
    type Op: Clone + Eq + Hash + Debug;

    /// Fact: where several orders of the same set of operations are legal, they end in the same state.
    const COMMUTES: bool;

    /// Before the first call.
    fn initial(&self) -> Self::State;

    /// What follows when `op` takes effect in `state`; none when its answer was impossible there.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// Fact: `op` leaves every state in which it is legal as it is (a read, a refusal).
    ///
    /// That it does so now and then is not enough: a write of the value that is there already may be needed later.
    fn is_no_op(&self, op: &Self::Op) -> bool;
}

/// Whether an operation has to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// It was answered: it took effect between its call and its return.
    Must,
    /// Nobody knows: between its call and its return, or never.
    May,
}

/// One operation on one object.
#[derive(Clone, Debug)]
pub struct Call<O> {
    /// Its number in the history.
    pub id: u64,
    /// It took effect at this time or later.
    pub call_ns: u64,
    /// It took effect at this time or earlier; `u64::MAX` when it is pending for ever, which makes it a [`Duty::May`].
    pub return_ns: u64,
    /// Whether it took effect at all.
    pub duty: Duty,
    /// What it was, and what was answered.
    pub op: O,
}

/// Which facts of the model are used. All of them, except to show that they change nothing but the cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What never changes the state takes effect as soon as it is legal.
    pub no_ops: bool,
    /// Of equal operations the one that returns first goes first.
    pub symmetry: bool,
    /// The set of operations stands for the state, if the model commutes.
    pub commuting: bool,
}

impl Facts {
    /// All of them.
    pub const ALL: Self = Self { no_ops: true, symmetry: true, commuting: true };
    /// None of them: the algorithms as they were published.
    pub const NONE: Self = Self { no_ops: false, symmetry: false, commuting: false };
}

/// Which search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Both, in turn.
    #[default]
    Raced,
    /// Depth-first alone.
    Deep,
    /// The frontier alone.
    Frontier,
}

/// What a search may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps of the model, both searches together.
    pub steps: u64,
    /// Bytes of remembered configurations, both searches together (an estimate from sizes).
    pub bytes: u64,
}

impl Budget {
    /// So many steps, and the usual memory.
    pub fn of_steps(steps: u64) -> Self {
        Self { steps, ..Self::default() }
    }
}

impl Default for Budget {
    /// About ten seconds and 256 MiB.
    fn default() -> Self {
        Self { steps: 500_000_000, bytes: 256 << 20 }
    }
}

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// With which facts.
    pub facts: Facts,
    /// By which method.
    pub method: Method,
    /// Up to which cost.
    pub budget: Budget,
}

impl Settings {
    /// Everything on, within `budget`.
    pub fn within(budget: Budget) -> Self {
        Self { facts: Facts::ALL, method: Method::Raced, budget }
    }
}

/// What came of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solved<S> {
    /// The answer.
    pub outcome: Outcome<S>,
    /// What it cost.
    pub spent: Spent,
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Steps of the model.
    pub steps: u64,
    /// The most that was remembered at once, in bytes.
    pub bytes: u64,
}

/// Whether there is an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<S> {
    /// There is one.
    Explained,
    /// There is none.
    Impossible(Impossible<S>),
    /// It was given up.
    Unknown(GivenUp),
}

/// Where every order ends.
///
/// Everything that returned before `operation` did can be explained, and it cannot whatever of the pending calls took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impossible<S> {
    /// The first return that no order explains.
    pub operation: u64,
    /// How many returns came before it, all of them explained.
    pub explained: u64,
    /// Calls that were pending when it returned, by id.
    pub pending: Vec<u64>,
    /// The states in which the object can have been while it was pending and everything else was explained; the least ones.
    pub states: Vec<S>,
}

/// Why a search was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// The budget of steps was used up.
    Steps,
    /// Both searches would have needed more memory.
    Bytes,
    /// More calls were pending at once than are looked at.
    Crowd,
}
