//! What is recorded of a run: its steps as operations of a history.

use super::{Plan, Statuses};
use crate::history::{Fields, Heading, Model};
use crate::scenario::template::Template;
use crate::target::Refusal;

/// What a file's history is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// What its keys are.
    pub model: Model,
    /// What its checker must know.
    pub settings: Fields,
}

/// What a step's request is, as an operation.
#[derive(Clone, Debug)]
pub struct Record {
    /// The operation's word in the history.
    pub op: &'static str,
    /// What it may do without anybody hearing of it.
    pub effect: Effect,
    /// The object; rendered before the request is sent.
    pub key: Template,
    /// What is asked, each as JSON; rendered before the request is sent.
    pub input: Vec<(String, Template)>,
    /// What the answer shows, each as JSON; rendered when it is there.
    pub output: Vec<(String, Template)>,
    /// Statuses that mean "declined, and surely without effect".
    pub refuse: Option<Statuses>,
    /// What tells a refusal from other answers of these statuses.
    pub refusal: Option<Refusal>,
    /// What a refusal says of the state.
    pub refused: Option<String>,
}

/// Whether a request whose answer nobody understood may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    None,
    /// It may have.
    Perhaps,
}

impl Record {
    /// Whether an answer of `status` may be a refusal.
    pub fn may_refuse(&self, status: u16) -> bool {
        self.refuse.as_ref().is_some_and(|statuses| statuses.contains(status))
    }
}

impl Plan {
    /// The first line of the history that a run of the plan makes; when it began is for the run to say.
    pub fn heading(&self) -> Option<Heading> {
        let Recording { model, settings } = self.history.as_ref()?;
        let (workload, settings) = (self.name.clone(), settings.clone());
        Some(Heading { workload, seed: self.seed, settings, ..Heading::of(*model) })
    }

    /// Whether any step is recorded.
    pub fn has_records(&self) -> bool {
        self.steps().any(|step| step.record.is_some())
    }
}
