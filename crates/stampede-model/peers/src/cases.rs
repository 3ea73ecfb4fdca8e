//! What is measured, and by whom.

use std::time::Duration;

use stampede_model::check::models::lock::Lock;
use stampede_model::check::models::stock::Stock;
use stampede_model::check::stock::{Level, by_bounds, by_witness, synthetic};
use stampede_model::check::{Answer, CheckReport};
use stampede_model::check::search::{Budget, Call, Outcome, Settings, solve};

use crate::histories::{By, Shape, Truth, lock, stock};
use crate::others::{Plain, porcupine, stateright};

/// What a checker said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is an order.
    Valid,
    /// There is none.
    Violating,
    /// It gave up by itself.
    GaveUp,
    /// It took too long.
    Time,
    /// It needed too much.
    Memory,
    /// It does not take such a history.
    Refused,
}

impl Said {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Violating => "violating",
            Self::GaveUp => "gave-up",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Refused => "refused",
        }
    }
}

/// Who checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// The search of this repository.
    Ours,
    /// Wing and Gong's search with memory, as Porcupine has it.
    Porcupine,
    /// The tester of a model checker.
    Stateright,
}

impl Checker {
    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ours" => Some(Self::Ours),
            "porcupine-rs" => Some(Self::Porcupine),
            "stateright" => Some(Self::Stateright),
            _ => None,
        }
    }
}

/// A history to check.
#[derive(Clone, Debug)]
pub struct Case {
    name: String,
    told: String,
    object: Object,
    shape: Shape,
}

#[derive(Clone, Copy, Debug)]
enum Object {
    Lock,
    /// With at most so many units at a time.
    Stock(u64),
    /// A level whose answers name its versions, by the order that these name.
    Witness,
    /// The same, by what the calls' intervals allow.
    Bounds,
}

/// A check that only waits to be run.
pub type Ready = Box<dyn FnOnce() -> Said>;

impl Case {
    /// All of them, small ones first.
    pub fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for clients in [10, 32, 100] {
            cases.push(Self::of(Object::Lock, clients, Truth::Valid));
            cases.push(Self::of(Object::Lock, clients, Truth::Violating));
        }
        for (units, clients) in [(3, 5), (3, 16), (3, 24), (1, 16), (1, 64), (1, 100)] {
            cases.push(Self::of(Object::Stock(units), clients, Truth::Valid));
            cases.push(Self::of(Object::Stock(units), clients, Truth::Violating));
        }
        cases.extend([Self::of(Object::Witness, 100, Truth::Valid), Self::of(Object::Bounds, 100, Truth::Valid)]);
        cases
    }

    /// Whether the history counts as memory of the check: only ours holds one of a million calls.
    pub fn counts_history(&self) -> bool {
        matches!(self.object, Object::Witness | Object::Bounds)
    }

    fn of(object: Object, clients: u32, truth: Truth) -> Self {
        let truth_word = if truth == Truth::Valid { "valid" } else { "violating" };
        let (operations, object_word, told) = match object {
            Object::Lock => (5_000, "lock".to_owned(), "lock with tokens".to_owned()),
            Object::Witness => (1_000_000, "witness".to_owned(), "stock, by its versions".to_owned()),
            Object::Bounds => (1_000_000, "bounds".to_owned(), "stock, by intervals".to_owned()),
            Object::Stock(1) => (2_000, "unit".to_owned(), "stock, one unit at a time".to_owned()),
            Object::Stock(units) => (2_000, format!("stock{units}"), format!("stock, 1 to {units} units at a time")),
        };
        Self {
            name: format!("{object_word}-{clients}-{truth_word}"),
            told: format!("{told}, {operations} operations, {clients} clients, {truth_word}"),
            object,
            shape: Shape { clients, operations, truth, seed: 1 },
        }
    }

    /// The one of that name; with `@SEED` behind it, of that seed.
    pub fn named(name: &str) -> Option<Self> {
        let (name, seed) = name.split_once('@').unwrap_or((name, "1"));
        let mut case = Self::all().into_iter().find(|case| case.name == name)?;
        case.shape.seed = seed.parse().ok()?;
        Some(case)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// Makes the history, and what is left is the check alone.
    pub fn prepare(&self, checker: Checker) -> Ready {
        match self.object {
            Object::Lock => ready::<Lock>(lock(self.shape), checker),
            Object::Stock(units) => ready::<Stock>(stock(self.shape, units), checker),
            Object::Witness => self.cheap(checker, by_witness),
            Object::Bounds => self.cheap(checker, by_bounds),
        }
    }
}

impl Case {
    /// A check without a search, which nobody else has.
    fn cheap(&self, checker: Checker, check: fn(&Level) -> CheckReport) -> Ready {
        if checker != Checker::Ours {
            return Box::new(|| Said::Refused);
        }
        let level = synthetic(self.shape.seed, self.shape.operations as usize, self.shape.clients as usize);
        Box::new(move || match check(&level).answer {
            Answer::Holds => Said::Valid,
            Answer::Violated => Said::Violating,
            Answer::Unknown => Said::GaveUp,
        })
    }
}

fn ready<L: Plain + 'static>(history: Vec<By<L::Op>>, checker: Checker) -> Ready {
    match checker {
        Checker::Ours => {
            let calls: Vec<Call<L::Op>> = history.into_iter().map(|(_, call)| call).collect();
            Box::new(move || match solve(&L::default(), calls, Settings::within(budget())).outcome {
                Outcome::Explained => Said::Valid,
                Outcome::Impossible(_) => Said::Violating,
                Outcome::Unknown(_) => Said::GaveUp,
            })
        }
        Checker::Porcupine => {
            let check = porcupine::<L>(&history);
            // It looks at its clock now and then only; the cap of the process is the one that counts.
            Box::new(move || check(Duration::from_mins(1)))
        }
        Checker::Stateright => {
            let check = stateright::<L>(&history);
            Box::new(check)
        }
    }
}

/// More than the cap of the process lets anybody use.
fn budget() -> Budget {
    Budget { steps: u64::MAX, bytes: 2 << 30 }
}
