//! Sorts of users, and the variables that anybody takes.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::de::DeValue;

use super::Compiler;
use super::names::{BUILT_IN, Moment, Scope};
use super::steps::{Around, UnknownHeader};
use crate::scenario::keys::USER;
use crate::scenario::plan::User;
use crate::scenario::read::{Entry, Node, entries, node};
use crate::scenario::slots::{Piece, pieces, random_bounds};

/// A sort of user as the scenarios need it.
pub(super) struct Person<'d> {
    pub(super) name: &'d str,
    pub(super) headers: Vec<Entry<'d>>,
    /// What is known once it has started.
    pub(super) scope: Scope,
    /// Its number in the plan; `None` when it has mistakes.
    pub(super) number: Option<usize>,
}

impl Compiler<'_> {
    pub(super) fn read_users<'d>(&mut self, users: &[Entry<'d>], timeout: Duration) -> Vec<Person<'d>> {
        users.iter().map(|user| self.read_user(user, timeout)).collect()
    }

    fn read_user<'d>(&mut self, entry: &Entry<'d>, timeout: Duration) -> Person<'d> {
        let mut scope = Scope { known: self.with_default(), moment: Moment::User, ..Scope::default() };
        let mut person = Person { name: entry.key, headers: Vec::new(), scope: scope.clone(), number: None };
        let Some(fields) = entry.node.fields(&USER, &mut self.findings) else { return person };
        person.headers = fields.get("headers").map_or(Vec::new(), |node| node.map(&mut self.findings));
        self.used.clear();
        let mut around = Around { headers: &[], unknown_header: UnknownHeader::LeftOut, timeout };
        around.headers = &person.headers;
        let login: Vec<Node<'_>> = fields.get("login").into_iter().collect();
        let mut start = self.read_steps(&login, around, &mut scope);
        let on_start = fields.get("on_start").map_or(Vec::new(), |node| node.list(&mut self.findings));
        start.extend(self.read_steps(&on_start, around, &mut scope));
        // What the user's own headers need, they need from its row.
        around.unknown_header = UnknownHeader::Mistake;
        person.scope = scope.clone();
        let on_stop = fields.get("on_stop").map_or(Vec::new(), |node| node.list(&mut self.findings));
        let stop = self.read_steps(&on_stop, around, &mut scope);
        // Once more for themselves: nobody may use them, and their columns are the user's.
        let in_steps = Scope { moment: Moment::Iteration, ..person.scope.clone() };
        for header in &person.headers {
            self.list_header(header, &in_steps);
        }
        let feeds: Vec<usize> = std::mem::take(&mut self.used).into_iter().collect();
        let shared = fields.entry("shared").filter(|shared| shared.node.truth(&mut self.findings) == Some(true));
        if let Some(shared) = shared {
            let own = login.iter().chain(&on_start).any(|step| names_the_user(*step));
            self.check_shared(shared, (start.is_empty(), stop.is_empty(), feeds.is_empty() && !own));
        }
        self.users.push(User { name: entry.key.to_owned(), start, stop, feeds, shared: shared.is_some() });
        person.number = Some(self.users.len() - 1);
        person
    }

    /// One login for all: there is one, nobody ends it for the others, and it does not depend on whose it is.
    fn check_shared(&mut self, entry: Entry<'_>, (no_start, no_stop, no_feed): (bool, bool, bool)) {
        let (message, hint) = match (no_start, no_stop, no_feed) {
            (true, ..) => ("there is nothing to share", "add login or on_start, or leave `shared` out"),
            (_, false, _) => ("on_stop of one user would end what all share", "leave on_stop or `shared` out"),
            (.., false) => {
                ("the login depends on which user does it, and one is shared", "leave `shared`, {user} or the feed out")
            }
            _ => return,
        };
        self.findings.add(entry.place, message.to_owned(), hint.to_owned());
    }

    /// Whether every slot of a header has a value in `scope`.
    pub(super) fn is_known(&self, header: Node<'_>, scope: &Scope) -> bool {
        let DeValue::String(text) = header.value else { return true };
        pieces(text).unwrap_or_default().iter().all(|piece| match piece {
            Piece::Slot { name, .. } if self.constants.contains_key(name) || name.contains('.') => true,
            Piece::Slot { name, .. } if name == "iteration" => scope.moment == Moment::Iteration,
            Piece::Slot { name, .. } if random_bounds(name).is_some() || BUILT_IN.contains(&name.as_str()) => true,
            Piece::Slot { name, .. } => {
                let number = self.variables.iter().position(|(known, _)| known == name);
                number.is_some_and(|number| scope.known.contains(&number))
            }
            Piece::Literal(_) | Piece::Env { .. } => true,
        })
    }

    /// Variables that have a value from the start.
    pub(super) fn with_default(&self) -> BTreeSet<usize> {
        let defaults = self.variables.iter().enumerate().filter(|(_, (_, first))| !first.is_null());
        defaults.map(|(number, _)| number).collect()
    }

    /// Numbers every variable that some step takes.
    pub(super) fn find_taken(&mut self, users: &[Entry<'_>], scenarios: &[Node<'_>]) {
        let mut takes: Vec<Entry<'_>> = Vec::new();
        for user in users {
            for key in ["login", "on_start", "on_stop"] {
                takes_below(user.node, &[key], &mut takes);
            }
        }
        for scenario in scenarios {
            takes_below(*scenario, &["steps"], &mut takes);
            takes_below(*scenario, &["task", "steps"], &mut takes);
        }
        for take in takes {
            if !self.taken.contains_key(take.key) {
                self.check_new_name(take.key, take.place);
                if self.constants.contains_key(take.key) || self.feed_names.iter().any(|(name, _)| name == take.key) {
                    let message = format!("`{}` is a value in [vars] or a feed too", take.key);
                    self.findings.add(take.place, message, "take it under another name");
                }
                self.taken.insert(take.key.to_owned(), take.place);
                self.variables.push((take.key.to_owned(), serde_json::Value::Null));
            }
            let default = child(take.node, "default").map(Node::json).filter(|default| !default.is_null());
            if let Some(default) = default
                && let Some((_, first)) = self.variables.iter_mut().find(|(name, _)| name == take.key)
            {
                *first = default;
            }
        }
    }
}

/// Whether a text below says `{user}`.
fn names_the_user(at: Node<'_>) -> bool {
    match at.value {
        DeValue::String(text) => {
            let is_user = |piece: &Piece| matches!(piece, Piece::Slot { name, .. } if name == "user");
            pieces(text).unwrap_or_default().iter().any(is_user)
        }
        DeValue::Array(items) => items.iter().any(|item| names_the_user(node(at.place.file, item))),
        DeValue::Table(table) => table.values().any(|value| names_the_user(node(at.place.file, value))),
        _ => false,
    }
}

/// Collects what the steps at the end of `way` take; a step or a list of them stands there.
fn takes_below<'d>(at: Node<'d>, way: &[&str], takes: &mut Vec<Entry<'d>>) {
    if let DeValue::Array(items) = at.value {
        for item in items {
            takes_below(node(at.place.file, item), way, takes);
        }
        return;
    }
    match way.split_first() {
        Some((key, rest)) => {
            if let Some(next) = child(at, key) {
                takes_below(next, rest, takes);
            }
        }
        None => {
            if let Some(Node { value: DeValue::Table(table), place }) = child(at, "take") {
                takes.extend(entries(table, place.file));
            }
        }
    }
}

fn child<'d>(at: Node<'d>, key: &str) -> Option<Node<'d>> {
    match at.value {
        DeValue::Table(table) => table.get(key).map(|value| node(at.place.file, value)),
        _ => None,
    }
}
