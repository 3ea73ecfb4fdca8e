//! What a name between braces means at one point of the scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Compiler;
use crate::scenario::mistake::{Place, did_you_mean};
use crate::scenario::plan;
use crate::scenario::slots::random_bounds;
use crate::scenario::template::Slot;

/// Which variables have a value at one point.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Numbers of those that surely have one.
    pub(super) known: BTreeSet<usize>,
    /// Numbers of those that have one only if a conditional step was sent.
    pub(super) maybe: BTreeSet<usize>,
    pub(super) moment: Moment,
}

/// Where in a user's life a text is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the run: constants alone.
    #[default]
    Before,
    /// While a user logs in or leaves.
    User,
    /// In an iteration.
    Iteration,
}

/// A series and what its requests look like, so that two different ones cannot share a name.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) place: Place,
}

impl Series {
    pub(super) fn public(&self) -> plan::Series {
        plan::Series { name: self.name.clone(), method: self.method.clone(), tags: self.tags.clone() }
    }
}

/// A name with its meaning.
pub(super) enum Meaning {
    Constant(Value),
    Slot(Slot),
}

/// Names that need no table.
pub(super) const BUILT_IN: [&str; 5] = ["user", "iteration", "uuid", "now_ms", "random"];

impl Compiler<'_> {
    /// What `name` means in `scope`; a mistake at `place` when it means nothing there.
    pub(super) fn meaning(&mut self, name: &str, place: Place, scope: &Scope) -> Option<Meaning> {
        if let Some(value) = self.constants.get(name) {
            return Some(Meaning::Constant(value.clone()));
        }
        if scope.moment == Moment::Before {
            let hint = "only [vars] and ${env:NAME} have a value before the run";
            self.findings.add(place, format!("slot `{{{name}}}` has no value here"), hint);
            return None;
        }
        if BUILT_IN.contains(&name) || random_bounds(name).is_some() {
            return self.built_in(name, place, scope).map(Meaning::Slot);
        }
        if let Some((feed, column)) = name.split_once('.') {
            return self.column(feed, column, place).map(Meaning::Slot);
        }
        let number = self.variables.iter().position(|(known, _)| known == name);
        match number {
            Some(number) if scope.known.contains(&number) => Some(Meaning::Slot(Slot::Variable(number))),
            Some(number) if scope.maybe.contains(&number) => {
                let taken = self.taken.get(name).map_or(String::new(), |place| self.where_is(*place));
                let message = format!("`{{{name}}}` may have no value here: the step that takes it has `if_status`");
                let hint = format!("it is taken at {taken}; give it a default: {{ json = \"$..\", default = .. }}");
                self.findings.add(place, message, hint);
                None
            }
            Some(_) => {
                let taken = self.taken.get(name).map_or(String::new(), |place| self.where_is(*place));
                let message = format!("`{{{name}}}` has no value yet: it is taken later, or by somebody else");
                self.findings.add(place, message, format!("it is taken at {taken}; use it only after that step"));
                None
            }
            None => {
                let hint = did_you_mean(name, self.known_names(scope).iter().map(String::as_str), "");
                self.findings.add(place, format!("no variable is called `{name}`"), hint);
                None
            }
        }
    }

    /// Names that have a value in `scope`, for hints.
    fn known_names(&self, scope: &Scope) -> Vec<String> {
        let taken = self.variables.iter().enumerate().filter(|(number, _)| scope.known.contains(number));
        let mut names: Vec<String> = taken.map(|(_, (name, _))| name.clone()).collect();
        names.extend(self.constants.keys().cloned());
        names.extend(BUILT_IN.iter().map(|name| (*name).to_owned()));
        for feed in &self.feeds {
            names.extend(feed.columns.iter().map(|column| format!("{}.{column}", feed.name)));
        }
        names
    }

    fn built_in(&mut self, name: &str, place: Place, scope: &Scope) -> Option<Slot> {
        match name {
            "user" => Some(Slot::User),
            "uuid" => Some(Slot::Uuid),
            "now_ms" => Some(Slot::NowMs),
            "iteration" if scope.moment == Moment::Iteration => Some(Slot::Iteration),
            "iteration" => {
                self.findings.add(place, "there is no iteration yet", "use {iteration} in the steps of a scenario");
                None
            }
            _ => match random_bounds(name)? {
                Ok((from, to)) => Some(Slot::Random { from, to }),
                Err(hint) => {
                    self.findings.add(place, format!("`{{{name}}}` draws nothing"), hint);
                    None
                }
            },
        }
    }

    fn column(&mut self, feed: &str, column: &str, place: Place) -> Option<Slot> {
        self.ever_used.insert(feed.to_owned());
        let Some(number) = self.feeds.iter().position(|known| known.name == feed) else {
            // A feed that is there and could not be read was a mistake of its own.
            if !self.feed_names.iter().any(|(known, _)| known == feed) {
                let hint = did_you_mean(
                    feed,
                    self.feed_names.iter().map(|(name, _)| name.as_str()),
                    "there is no [feed.NAME]",
                );
                self.findings.add(place, format!("no feed is called `{feed}`"), hint);
            }
            return None;
        };
        self.used.insert(number);
        let columns = &self.feeds[number].columns;
        let found = columns.iter().position(|known| known == column);
        if found.is_none() {
            let hint = did_you_mean(column, columns.iter().map(String::as_str), "");
            self.findings.add(place, format!("feed `{feed}` has no column `{column}`"), hint);
        }
        found.map(|column| Slot::Column { feed: number, column })
    }

    /// Whether `name` may be given to a variable.
    pub(super) fn check_new_name(&mut self, name: &str, place: Place) {
        let legal = name.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-');
        if !legal {
            let hint = "letters, digits, _ and -, beginning with a letter";
            self.findings.add(place, format!("`{name}` is no name for a value"), hint);
        } else if BUILT_IN.contains(&name) {
            self.findings.add(place, format!("`{name}` already means something"), "choose another name");
        }
    }
}
