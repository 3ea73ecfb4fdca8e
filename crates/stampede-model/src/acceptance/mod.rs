//! An acceptance file: a target, how it is started as in production, and what must hold beyond its own rows: through a crash, of the
//! work that follows a request, of the servers behind it, over the whole run.
//!
//! Invariants: requests, users and workloads are the target file's, nothing is described twice; every name is known before anything
//! is started; what a row demands is computed from the numbers it is judged by.
//! Absent on purpose: loads and stock levels of its own. Those rows stand in the target file.

mod check;
mod demand;
mod rows;

use serde::Deserialize;

pub use rows::{
    Bytes, CommandRow, ConnectionsDemand, Extra, FailoverRow, FollowUpRow, LeakDemand, Limits, LogsDemand, MeasuredRow,
    QueueDemand, RedisDemand, UptimeRow, Watched,
};

use crate::look::Look;
use crate::target::{Ref, Source, TargetError};

/// An acceptance file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Of what.
    #[serde(rename = "acceptance")]
    pub of: Of,
    /// How queues, locks and logs are looked at.
    #[serde(default)]
    pub look: Look,
    /// Further lines of a load row's measurement.
    #[serde(default)]
    pub measured: Vec<MeasuredRow>,
    /// Crashes of a replica under clients.
    #[serde(default)]
    pub failover: Vec<FailoverRow>,
    /// Work that follows a request.
    #[serde(default)]
    pub follow_up: Vec<FollowUpRow>,
    /// Availability over the run.
    pub uptime: Option<UptimeRow>,
    /// What is watched throughout.
    #[serde(default)]
    pub watched: Watched,
    /// Checks that are programs of their own.
    #[serde(default)]
    pub command: Vec<CommandRow>,
    #[serde(skip)]
    file: String,
    #[serde(skip)]
    text: String,
}

/// What an acceptance is of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// The target file: requests, users, workloads, rows. Its path is relative to this file.
    pub target: Ref,
    /// The file whose cluster is started; without it the target file's own.
    pub start: Option<Ref>,
    /// Rows of the target that are left out here.
    #[serde(default)]
    pub without: Vec<Ref>,
}

impl Acceptance {
    /// Reads an acceptance file's text; `file` is its name in error messages.
    ///
    /// # Errors
    /// The first mistake, with its line and what to do.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetError> {
        let source = Source { file, text };
        let mut acceptance: Self = toml::from_str(text).map_err(|error| {
            let message = error.message().trim_end();
            let hint = if message.starts_with("unknown field") {
                "correct its spelling or remove it; fields are never ignored"
            } else if message.starts_with("missing field") {
                "add it to the table named by the line"
            } else {
                "the file is TOML 1.1; acceptance.toml is a complete example"
            };
            source.error(error.span().unwrap_or(0..0), message, hint)
        })?;
        file.clone_into(&mut acceptance.file);
        text.clone_into(&mut acceptance.text);
        Ok(acceptance)
    }

    /// The rows beyond the target's own, in the order in which they are run.
    pub fn extras(&self) -> Vec<Extra<'_>> {
        let mut rows: Vec<Extra<'_>> = self.measured.iter().map(Extra::Measured).collect();
        rows.extend(self.follow_up.iter().map(Extra::FollowUp));
        for row in &self.failover {
            rows.extend([Extra::Recovery(row), Extra::Kept(row), Extra::Vanished(row)]);
        }
        rows.extend(self.command.iter().map(Extra::Command));
        rows.extend(self.watched.rows());
        rows.extend(self.uptime.iter().map(Extra::Uptime));
        rows
    }

    fn source(&self) -> Source<'_> {
        Source { file: &self.file, text: &self.text }
    }
}

#[cfg(test)]
mod tests;
