//! Workloads: what clients do at the same time so that a checker can say whether the target was right.
//!
//! A workload has a model ([`Model`]), and its `bind` names a request of the target for each of the model's operations that the
//! target has. What an operation needs and shows stands in one table ([`Roles`]); everything else is the target's own.
//! Invariant: what a workload's checker needs to know of the target stands in `settings`, so a history can be judged without
//! the target file.

mod roles;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::request::{Ref, duration};
use super::rows::Ledger;
use crate::history::{Fields, Model};

pub use roles::{Role, Roles};

/// One workload of a target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The name by which `--only` selects it.
    pub id: Ref,
    /// What its keys are.
    pub model: Spanned<Model>,
    /// Who acts: clients take them in turn. Users with a field `tenant` belong to that tenant.
    pub users: Spanned<Vec<Ref>>,
    /// Clients at the same time, each with a connection of its own.
    #[serde(default = "default_clients")]
    pub clients: u32,
    /// Operations in all.
    #[serde(default = "default_operations")]
    pub operations: u32,
    /// How long it goes on at most.
    #[serde(deserialize_with = "duration", default = "default_lasts")]
    pub lasts: Duration,
    /// Objects: few make contention.
    #[serde(default = "default_keys")]
    pub keys: u32,
    /// Operations after which all clients pause and the state is read at rest.
    #[serde(default = "default_round")]
    pub round: u32,
    /// Requests that make one object, in order; `{key}` is its name.
    #[serde(default)]
    pub setup: Vec<Ref>,
    /// Request of each operation, by the operation's name.
    pub bind: BTreeMap<String, Bound>,
    /// How often an operation is chosen, against the others.
    #[serde(default)]
    pub weights: BTreeMap<String, u32>,
    /// The target's ledger, read at the end.
    pub ledger: Option<Ledger>,
    /// Requests at the end, each of which has to be answered as expected: sums, invariants, whatever the target can say of itself.
    #[serde(default)]
    pub audit: Vec<Ref>,
    /// Of a hundred writes, how many are given up by their client while they are under way.
    #[serde(default)]
    pub cancelled_percent: u32,
    /// What the checker must know.
    #[serde(default)]
    pub settings: BTreeMap<String, toml::Value>,
}

/// The request or requests of an operation; of several that mean the same each is taken in turn.
#[derive(Clone, Debug)]
pub struct Bound(Vec<Ref>);

impl Bound {
    /// The requests.
    pub fn requests(&self) -> &[Ref] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected the name of a request, or a list of names")]
        enum Names {
            One(String),
            Several(Vec<String>),
        }
        // A place cannot be had inside of either form, so all names have that of the whole.
        let names = Spanned::<Names>::deserialize(deserializer)?;
        let span = names.span();
        Ok(Self(match names.into_inner() {
            Names::One(name) => vec![Spanned::new(span, name)],
            Names::Several(names) => names.into_iter().map(|name| Spanned::new(span.clone(), name)).collect(),
        }))
    }
}

/// How to learn what became of a request whose answer never came.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// `resend`: the same request once more, with the same key of idempotency.
    pub by: ResolveBy,
    /// Where the answer of a resent request says that it repeats an earlier one.
    pub replayed: super::TakeFrom,
    /// A request that uses up `{idempotency_key}` when nothing was done with it yet, so that what is still on its way can do
    /// nothing either. It takes `state`, which is `completed` when something had been done.
    pub void: Option<Ref>,
}

/// The ways of learning it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolveBy {
    /// Sending it again.
    Resend,
}

impl Workload {
    /// The request bound to an operation; of several, the `turn`-th.
    pub fn bound(&self, role: &str, turn: usize) -> Option<&Ref> {
        let requests = self.bind.get(role)?.requests();
        requests.get(turn.checked_rem(requests.len())?)
    }

    /// How often an operation is chosen: its weight, or what is usual.
    pub fn weight(&self, role: &Role) -> u32 {
        if !self.bind.contains_key(role.name) {
            return 0;
        }
        self.weights.get(role.name).copied().unwrap_or(role.weight)
    }

    /// The settings as a history has them; durations become milliseconds under the same name with `_ms`.
    pub fn history_settings(&self) -> Fields {
        Fields::of_settings(
            self.settings.iter().filter_map(|(name, value)| Some((name.as_str(), serde_json::to_value(value).ok()?))),
        )
    }

    /// A setting that is a whole number.
    pub fn setting(&self, name: &str) -> Option<i64> {
        self.settings.get(name).and_then(toml::Value::as_integer)
    }
}

fn default_clients() -> u32 {
    16
}

fn default_operations() -> u32 {
    2_000
}

fn default_lasts() -> Duration {
    Duration::from_mins(1)
}

fn default_keys() -> u32 {
    2
}

fn default_round() -> u32 {
    200
}
