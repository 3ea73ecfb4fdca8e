//! A compiled scenario: what the interpreter carries out and the linter reckons with.
//!
//! Invariants: every index in it points to something; every template has a value for each of its slots at the moment it is
//! rendered; nothing in it has to be parsed, looked up by name or read from a file while a run goes on.

mod record;
mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::mistake::Mistake;
use crate::schedule::{Schedule, UserStage};
use crate::threshold::Limit;
pub use record::{Effect, Record, Recording};
pub use step::{Body, Expect, ExpectJson, Request, Statuses, Step, Take, TakeFrom};

/// A whole scenario file with everything it includes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The file's name without folder and ending.
    pub name: String,
    /// The text of the file and of those it includes, for the run file.
    pub text: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Time a request may take.
    pub timeout: Duration,
    /// The servers; the first is the target.
    pub origins: Vec<Origin>,
    /// How to speak to them.
    pub wire: Wire,
    /// The series of the result.
    pub series: Vec<Series>,
    /// The barriers.
    pub barriers: Vec<Barrier>,
    /// The feeds.
    pub feeds: Vec<Feed>,
    /// The variables' first values: defaults, else null.
    pub variables: Vec<Value>,
    /// The sorts of users.
    pub users: Vec<User>,
    /// What is done, all at the same time.
    pub flows: Vec<Flow>,
    /// What must hold.
    pub limits: Vec<Limit>,
    /// What its steps are recorded as.
    pub history: Option<Recording>,
    /// Texts that no output may show.
    pub secrets: Vec<String>,
    /// What is allowed and looks wrong.
    pub warnings: Vec<Mistake>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Scheme, host and port, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// The same as it may be shown: as the file wrote it, references to the environment unresolved.
    pub shown: String,
}

/// How to speak to the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// Certificates are not checked.
    pub insecure: bool,
    /// File with the certificates to trust, PEM; `None`: the usual ones.
    pub cacert: Option<PathBuf>,
    /// HTTP/2 is spoken.
    pub http2: bool,
}

/// One series of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Request method.
    pub method: String,
    /// The file's tags of it.
    pub tags: BTreeMap<String, String>,
}

/// A place at which users wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The step's name.
    pub name: String,
    /// How many leave together.
    pub users: u32,
}

/// Rows of data.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed {
    /// Its name.
    pub name: String,
    /// In which order rows are drawn.
    pub mode: FeedMode,
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows, each with a cell per column; at least one.
    pub rows: Vec<Vec<Value>>,
}

/// In which order rows are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedMode {
    /// One after the other, then anew.
    #[default]
    Circular,
    /// Each once; a run that needs one more ends as an error.
    Unique,
    /// By the seed.
    Random,
}

/// A sort of user.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Login, then what is done on start.
    pub start: Vec<Step>,
    /// What is done on leaving.
    pub stop: Vec<Step>,
    /// Feeds that give each user one row, before its login.
    pub feeds: Vec<usize>,
    /// What is done on start is done by the first of them, and what it took is everybody's.
    pub shared: bool,
}

/// What one sort of user does, and how much of it.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its name.
    pub name: String,
    /// The sort of user; `None`: nobody in particular.
    pub user: Option<usize>,
    /// What may be done in an iteration; at least one.
    pub tasks: Vec<Task>,
    /// How a task is chosen.
    pub choice: Choice,
    /// Pause between iterations.
    pub think: Think,
    /// How much.
    pub load: Load,
    /// How long.
    pub duration: Option<Duration>,
    /// How many iterations at most.
    pub iterations: Option<u64>,
    /// When it begins.
    pub start_after: Duration,
}

/// How a task is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By weight.
    Weight,
    /// By the row that is drawn from a feed: row *n* is task *n*.
    Feed(usize),
}

/// One thing that may be done in an iteration.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// How often, against the others.
    pub weight: u32,
    /// Its steps; at least one.
    pub steps: Vec<Step>,
    /// Feeds that give each iteration a row.
    pub feeds: Vec<usize>,
}

/// How much of a flow.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// Closed model.
    Users {
        /// Their number over time.
        stages: Vec<UserStage>,
        /// Most that start per second.
        spawn_per_s: Option<f64>,
    },
    /// Open model.
    Arrivals {
        /// When iterations start.
        schedule: Schedule,
        /// Most under way at once.
        max_in_flight: u32,
        /// Most that wait.
        max_queue: u32,
    },
}

/// Pause between two iterations of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Think {
    /// None.
    #[default]
    None,
    /// As long as drawn, both ends included.
    Pause {
        /// Shortest.
        from: Duration,
        /// Longest.
        to: Duration,
    },
    /// Iterations start every so often.
    Pacing(Duration),
}

impl Feed {
    /// The value in a column of a row.
    pub(super) fn cell(&self, row: usize, column: usize) -> &Value {
        &self.rows[row][column]
    }
}

impl Load {
    /// Most users at once.
    pub fn users_max(&self) -> u32 {
        match self {
            Self::Users { stages, .. } => stages.iter().map(|stage| stage.to_users).max().unwrap_or(0),
            Self::Arrivals { max_in_flight, .. } => *max_in_flight,
        }
    }
}

impl Plan {
    /// `text` with every secret hidden.
    pub fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    /// Every step of the plan, with the name of its user or scenario.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let users = self.users.iter().flat_map(|user| user.start.iter().chain(&user.stop));
        users.chain(self.flows.iter().flat_map(|flow| flow.tasks.iter().flat_map(|task| &task.steps)))
    }
}
