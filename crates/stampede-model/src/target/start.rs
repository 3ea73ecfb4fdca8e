//! How a target is started and where it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::request::{Status, duration};
use super::template::Template;

/// Where the target is and what has to run for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Its name, for people.
    pub name: String,
    /// `http://host:port`, with slots.
    pub url: Spanned<Template>,
    /// Where else it is: further replicas of the same service, with slots.
    #[serde(default)]
    pub replicas: Vec<Spanned<Template>>,
    /// Where a gateway to the target's own servers is, with slots: for requests that go there.
    pub gateway: Option<Spanned<Template>>,
    /// How it says that it is ready.
    pub ready: Ready,
    /// How long one answer may take.
    #[serde(deserialize_with = "duration", default = "default_timeout")]
    pub timeout: Duration,
    /// Programs to start, in order; none when the target already runs.
    #[serde(default)]
    pub process: Vec<Process>,
    /// Asks for a private PostgreSQL: gives `{postgres_url}`.
    pub postgres: Option<PrivateServer>,
    /// Asks for a private Redis: gives `{redis_url}`.
    pub redis: Option<PrivateServer>,
}

fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

/// A readiness question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Path of a GET.
    pub path: String,
    /// The answer that means "ready".
    pub status: Status,
    /// How long to ask.
    #[serde(deserialize_with = "duration")]
    pub within: Duration,
}

/// One program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Its name: the log is called so.
    pub name: String,
    /// Program and arguments; no shell is involved.
    pub command: Spanned<Vec<Spanned<Template>>>,
    /// Environment variables beside the inherited ones.
    #[serde(default)]
    pub env: BTreeMap<String, Spanned<Template>>,
    /// Whether it does one thing and ends, such as a migration: what follows waits for its good end.
    #[serde(default)]
    pub once: bool,
}

/// A private server the target needs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateServer {
    /// Settings beside the defaults, as its configuration file names them.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// A second PostgreSQL that follows the first and can take its place: gives `{standby_url}`. In a cluster only.
    pub standby: Option<Spanned<Standby>>,
}

/// How a standby follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standby {
    /// No commit is acknowledged before the standby has it.
    Synchronous,
    /// It may lack the newest commits.
    Asynchronous,
}

impl Start {
    /// Whether the bench starts something, so that the target is fresh.
    pub fn origin(&self) -> Origin {
        if self.process.is_empty() { Origin::Found } else { Origin::Started }
    }
}

/// Whether the bench made the target, which decides what may be assumed of its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Started for this run: its users have made no call yet.
    Started,
    /// It ran before: somebody may have used it a second ago.
    Found,
}
