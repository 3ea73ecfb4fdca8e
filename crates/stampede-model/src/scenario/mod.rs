//! Scenario files: who does what, how often, and what must hold, in TOML; compiled to a plan before anything is sent.
//!
//! Invariants: a [`Plan`] has no dangling name, and every slot of every text in it has a value at the moment it is rendered;
//! all mistakes of a file that can be told apart are reported at once, each with its place and a hint; a secret stands in
//! a file as `${env:NAME}` alone and is hidden by [`Plan::redact`].
//! Absent on purpose: loops and conditions beyond `repeat`, `if_status`, `weight` and `together`. What needs more is a
//! scenario in Rust.

mod compile;
mod forecast;
mod keys;
mod mistake;
mod outside;
mod plan;
mod read;
mod schema;
mod slots;
mod template;

pub use compile::{compile, compile_text};
pub use forecast::{FlowForecast, Forecast, RowsNeeded};
pub use mistake::{Mistake, Mistakes};
pub use outside::{Outside, Overrides};
pub use plan::{
    Barrier, Body, Choice, Effect, Expect, ExpectJson, Feed, FeedMode, Flow, Load, Origin, Plan, Record, Recording,
    Request, Series, Statuses, Step, Take, TakeFrom, Task, Think, User, Wire,
};
pub use schema::schema;
pub use template::{Dice, Frame, Slot, Template};

#[cfg(test)]
mod tests;
