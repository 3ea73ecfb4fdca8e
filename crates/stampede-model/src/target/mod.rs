//! A target: how to start a system, how to talk to it, and what it must show.
//!
//! Everything specific to one API stands in its TOML file: paths, bodies, where an answer's fields are, who logs in. The rows
//! themselves know only roles ("a reservation", "the level").
//! Invariants: a [`Target`] has no dangling name, every slot of every request it will send has a value at that point, and every
//! field a row judges is taken from some answer; all of that is known before anything is started.
//! Absent on purpose: loops and conditions. A system that needs them is described by a small program in front of it.

mod check;
mod cluster;
mod demand;
mod error;
mod request;
mod rows;
mod start;
mod template;
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

pub use cluster::{Balance, Cluster, LinkedPlace, MAX_REPLICAS, Restart, Service};
pub use demand::Effort;
pub use error::TargetError;
pub use request::{
    HeaderName, Method, Pointer, Ref, Refusal, Request, Session, SessionUse, Status, TakeFrom, TakePlace, User, Via,
};
pub use rows::{
    CheckedRow, ConcurrencyRow, ExclusiveRow, Ledger, LedgerAmounts, LimitHeaders, LimiterKind, LoadRow, LockRow,
    QuickLoad, RateLimitRow, ResetForm, Row, StockRow,
};
pub use start::{Origin, PrivateServer, Process, Ready, Standby, Start};
pub use template::{BadTemplate, JsonTemplate, MissingSlot, Scope, Template};
pub use workload::{Resolve, Role, Roles, Workload};

pub(crate) use error::Source;
pub(crate) use error::nearest;
pub(crate) use request::duration;

/// A described system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Where it is and what runs for it.
    #[serde(rename = "target")]
    pub start: Start,
    /// Services in several replicas, for `stampede cluster`.
    pub cluster: Option<Cluster>,
    /// How users log in.
    #[serde(default)]
    pub session: Session,
    /// Who may log in.
    #[serde(default)]
    pub user: BTreeMap<String, User>,
    /// What may be asked.
    #[serde(default)]
    pub request: BTreeMap<String, Request>,
    #[serde(default)]
    load: Vec<LoadRow>,
    #[serde(default)]
    stock: Vec<StockRow>,
    #[serde(default)]
    concurrency: Vec<ConcurrencyRow>,
    #[serde(default)]
    rate_limit: Vec<RateLimitRow>,
    #[serde(default)]
    lock: Vec<LockRow>,
    #[serde(default)]
    exclusive: Vec<ExclusiveRow>,
    #[serde(default)]
    checked: Vec<CheckedRow>,
    /// How an unknown outcome is learned after a workload.
    pub resolve: Option<Resolve>,
    /// What `stampede check` does.
    #[serde(default)]
    pub workload: Vec<Workload>,
}

impl Target {
    /// Reads and checks a target file's text; `file` is its name in error messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, TargetError> {
        let source = Source { file, text };
        let target: Self = toml::from_str(text).map_err(|error| {
            let message = error.message().trim_end();
            let hint = if message.starts_with("unknown field") {
                "correct its spelling or remove it; fields are never ignored"
            } else if message.starts_with("missing field") {
                "add it to the table named by the line"
            } else {
                "the file is TOML 1.1; targets/kv-erp.toml is a complete example"
            };
            source.error(error.span().unwrap_or(0..0), message, hint)
        })?;
        check::check(&target, &source)?;
        Ok(target)
    }

    /// All rows, in the order they are run: gentle first, the ones that use a user's calls up last.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let load = self.load.iter().map(Row::Load);
        let stock = self.stock.iter().map(Row::Stock);
        let concurrency = self.concurrency.iter().map(Row::Concurrency);
        let limits = self.rate_limit.iter().map(Row::RateLimit);
        let locks = self.lock.iter().map(Row::Lock);
        let exclusive = self.exclusive.iter().map(Row::Exclusive);
        let checked = self.checked.iter().map(Row::Checked);
        load.chain(stock).chain(concurrency).chain(limits).chain(locks).chain(exclusive).chain(checked).collect()
    }

    /// A workload in the size of a row; the target's check has found it.
    pub fn workload_of(&self, row: &CheckedRow, effort: Effort) -> Option<Workload> {
        let named = self.workload.iter().find(|workload| workload.id.as_ref() == row.workload.as_ref())?;
        let operations = row.size(effort);
        Some(Workload { operations, round: named.round.min(operations), ..named.clone() })
    }

    /// Whether the bench starts something, so that the target is fresh.
    pub fn origin(&self) -> Origin {
        if self.cluster.is_some() { Origin::Started } else { self.start.origin() }
    }

    /// The same API at a place where it already runs: nothing is started.
    #[must_use]
    pub fn found_at(mut self, url: &str) -> Self {
        self.start.process.clear();
        self.cluster = None;
        self.start.replicas.clear();
        self.start.gateway = None;
        self.start.postgres = None;
        self.start.redis = None;
        self.start.ready.within = self.start.ready.within.min(FOUND_WITHIN);
        let escaped = url.trim_end_matches('/').replace('{', "{{").replace('}', "}}");
        if let Ok(template) = Template::parse(&escaped) {
            self.start.url = Spanned::new(0..0, template);
        }
        self
    }
}

/// What already runs is ready at once or not at all.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

/// Values the engine gives to every request.
pub const BUILT_IN_SLOTS: [&str; 2] = ["unique", "run"];

#[cfg(test)]
mod tests;
