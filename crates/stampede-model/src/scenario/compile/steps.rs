//! Steps: one request each, and what is made of its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Compiler;
use super::names::{Scope, Series};
use super::records::Recorded;
use crate::scenario::keys::STEP;
use crate::scenario::mistake::{Place, did_you_mean};
use crate::scenario::plan::{Barrier, Step, Think};
use crate::scenario::read::{Entry, Fields, Node};

/// Most repetitions of one step: an iteration should end.
const MAX_REPEAT: u64 = 100_000;
const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// What the steps of one list have in common.
#[derive(Clone, Copy)]
pub(super) struct Around<'a, 'd> {
    /// Headers of the user.
    pub(super) headers: &'a [Entry<'d>],
    /// What becomes of a header whose value is not known yet.
    pub(super) unknown_header: UnknownHeader,
    /// The scenario's time-out.
    pub(super) timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnknownHeader {
    /// It is left out, as during a login.
    LeftOut,
    /// It is a mistake.
    Mistake,
}

impl Compiler<'_> {
    /// Reads the steps of a list in order; `scope` grows by what they take.
    pub(super) fn read_steps(&mut self, nodes: &[Node<'_>], around: Around<'_, '_>, scope: &mut Scope) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for node in nodes {
            if let Some(step) = self.read_step(*node, around, scope) {
                self.warn_never(&step, steps.last(), node.place);
                steps.push(step);
            }
        }
        steps
    }

    fn read_step(&mut self, node: Node<'_>, around: Around<'_, '_>, scope: &mut Scope) -> Option<Step> {
        let fields = node.fields(&STEP, &mut self.findings)?;
        let (method, path) = self.method_of(&fields)?;
        let if_status = fields.get("if_status").and_then(|node| self.read_statuses(node));
        let request = self.read_request(&fields, (method, path), around, scope);
        let expect = self.read_expect(&fields, scope);
        let written = path.text(&mut self.findings).unwrap_or_default().to_owned();
        let series = self.read_series(&fields, method, &written, node.place);
        let recorded = fields.entry("record").map(|entry| (entry, scope.clone()));
        let take = self.read_takes(&fields, if_status.is_some(), scope);
        let record = recorded.map(|(entry, before)| {
            let of = Recorded { method, before, expect: expect.as_ref() };
            self.read_record(&entry, &fields, &of).ok_or(())
        });
        let repeat = fields.get("repeat").and_then(|node| node.count(1..=MAX_REPEAT, &mut self.findings)).unwrap_or(1);
        let think = fields.get("think").map_or(Think::None, |node| self.read_pause(node));
        let barrier = fields.get("together").and_then(|node| self.read_barrier(node, series));
        let timeout = fields.get("timeout").and_then(|node| self.read_timeout(node, around.timeout));
        Some(Step {
            series: series?,
            request: request?,
            expect: expect?,
            take: take?,
            repeat: u32::try_from(repeat).unwrap_or(1),
            if_status,
            think,
            barrier,
            timeout,
            record: record.transpose().ok()?,
        })
    }

    fn method_of<'d>(&mut self, fields: &Fields<'d>) -> Option<(&'static str, Node<'d>)> {
        let present = fields.present(&METHODS);
        match present.as_slice() {
            [one] => METHODS.iter().find(|method| **method == one.key).map(|method| (*method, one.node)),
            [] => {
                let hint = "write what it sends, such as get = \"/api/v1/customers\"";
                self.findings.add(fields.place, "this step sends nothing", hint);
                None
            }
            [first, second, ..] => {
                let message = format!("a step sends one request, here are `{}` and `{}`", first.key, second.key);
                self.findings.add(second.place, message, "make two steps of it");
                None
            }
        }
    }

    fn read_series(&mut self, fields: &Fields<'_>, method: &str, path: &str, place: Place) -> Option<usize> {
        let method = method.to_uppercase();
        let (name, place) = match fields.get("name") {
            Some(node) => (node.text(&mut self.findings)?.trim().to_owned(), node.place),
            None => (format!("{method} {path}"), place),
        };
        let mut tags = BTreeMap::new();
        for entry in fields.get("tags").map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            if let Some(value) = self.fixed_text(entry.node) {
                tags.insert(entry.key.to_owned(), value);
            }
        }
        self.series(Series { name, method, path: path.to_owned(), tags, place })
    }

    /// The number of a series, which is added when it is new.
    pub(super) fn series(&mut self, series: Series) -> Option<usize> {
        if series.name.is_empty() || series.name == "all" {
            let hint = "`all` in [thresholds] is the whole run";
            self.findings.add(series.place, format!("a step cannot be called `{}`", series.name), hint);
            return None;
        }
        let Some(number) = self.series.iter().position(|known| known.name == series.name) else {
            self.series.push(series);
            return Some(self.series.len() - 1);
        };
        let known = &mut self.series[number];
        if known.method != series.method || known.path != series.path {
            let first = format!("{} {}", known.method, known.path);
            let at = known.place;
            let hint = format!("the other one ({first}) is at {}; equal names are one series", self.where_is(at));
            self.findings.add(series.place, format!("two different requests are called `{}`", series.name), hint);
            return None;
        }
        known.tags.extend(series.tags);
        Some(number)
    }

    fn read_barrier(&mut self, node: Node<'_>, series: Option<usize>) -> Option<usize> {
        let users = node.count(1..=1_000_000, &mut self.findings)?;
        let name = self.series[series?].name.clone();
        let users = u32::try_from(users).ok()?;
        if let Some(number) = self.barriers.iter().position(|(known, _)| known.name == name) {
            let (known, place) = &self.barriers[number];
            if known.users != users {
                let hint =
                    format!("at {} it lets {} leave; equal names are one barrier", self.where_is(*place), known.users);
                self.findings.add(node.place, format!("`{name}` waits for two different numbers of users"), hint);
            }
            return Some(number);
        }
        self.barriers.push((Barrier { name, users }, node.place));
        Some(self.barriers.len() - 1)
    }

    fn read_timeout(&mut self, node: Node<'_>, most: Duration) -> Option<Duration> {
        let timeout = node.some_time(&mut self.findings)?;
        if timeout > most {
            let hint = format!("raise `timeout` at the top of the file above {}", crate::units::show_duration(most));
            self.findings.add(node.place, "longer than any request may take", hint);
            return None;
        }
        Some(timeout)
    }

    /// A condition that the step before can never meet.
    fn warn_never(&mut self, step: &Step, before: Option<&Step>, place: Place) {
        let Some(wanted) = &step.if_status else { return };
        let name = &self.series[step.series].name;
        let why = match before {
            None => "it is the first step, so there is no last answer".to_owned(),
            // A conditional step may not have been sent: the last answer is then an earlier one.
            Some(before) if before.if_status.is_some() => return,
            Some(before) => {
                if before.good_statuses().meets(wanted) {
                    return;
                }
                "the step before gives up the iteration at any such status: add it to its expect.status".to_owned()
            }
        };
        self.warnings.add(place, format!("`{name}` is never sent"), why);
    }

    pub(super) fn no_such<'a>(
        &mut self,
        what: &str,
        name: &str,
        place: Place,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let hint = did_you_mean(name, known, &format!("there is no {what}"));
        self.findings.add(place, format!("no {what} is called `{name}`"), hint);
    }
}
