//! The scenarios: who does what, and how much of it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Compiler;
use super::load::Amount;
use super::names::{Moment, Scope, Series};
use super::steps::{Around, UnknownHeader};
use super::users::Person;
use crate::scenario::keys::{SCENARIO, TASK};
use crate::scenario::mistake::Place;
use crate::scenario::plan::{Body, Choice, Expect, Flow, Load, Request, Step, Task, Think};
use crate::scenario::read::{Fields, Node};
use crate::scenario::template::Template;

/// Lines of a list of URLs that are sent; each is a task.
const MAX_LIST: usize = 100_000;

/// A task's place in its scenario, for its steps.
struct Doing<'a, 'd> {
    around: Around<'a, 'd>,
    scope: Scope,
    /// Feeds whose row belongs to the user.
    own_feeds: Vec<usize>,
}

impl Compiler<'_> {
    pub(super) fn read_flows(
        &mut self,
        scenarios: &[Node<'_>],
        people: &[Person<'_>],
        timeout: Duration,
        seed: u64,
    ) -> Vec<Flow> {
        let mut flows: Vec<Flow> = Vec::new();
        let mut names: Vec<(String, Place)> = Vec::new();
        for (number, node) in scenarios.iter().enumerate() {
            let Some(fields) = node.fields(&SCENARIO, &mut self.findings) else { continue };
            let name = match fields
                .get("name")
                .and_then(|name| name.text(&mut self.findings).map(|text| (text, name.place)))
            {
                Some((name, place)) => (name.to_owned(), place),
                None => (format!("scenario {}", number + 1), node.place),
            };
            if let Some((_, first)) = names.iter().find(|(known, _)| *known == name.0) {
                let hint = format!("the other one is at {}; give one of them another name", self.where_is(*first));
                self.findings.add(name.1, format!("two scenarios are called `{}`", name.0), hint);
            }
            // Two scenarios must not draw the same gaps.
            let amount = self.read_amount(&fields, seed.wrapping_add(number as u64));
            let flow = self.read_flow(&fields, name.0.clone(), people, timeout);
            names.push(name);
            if let (Some(mut flow), Some(Amount { load, duration, iterations, start_after })) = (flow, amount) {
                (flow.load, flow.duration, flow.iterations, flow.start_after) =
                    (load, duration, iterations, start_after);
                flows.push(flow);
            }
        }
        if scenarios.is_empty() {
            let hint = "add [[scenario]] with steps = [{ get = \"/\" }]";
            self.findings.add(Place::default(), "no scenario says what is done", hint);
        }
        self.share_users(&mut flows);
        flows
    }

    /// A flow whose amount is still to be said.
    fn read_flow(
        &mut self,
        fields: &Fields<'_>,
        name: String,
        people: &[Person<'_>],
        timeout: Duration,
    ) -> Option<Flow> {
        let named = fields.get("as");
        let person = named.and_then(|node| self.find_person(node, people));
        let scope = match (person, named) {
            (Some(person), _) => person.scope.clone(),
            // Nobody knows what an unknown user takes: its steps are read as if it took everything.
            (None, Some(_)) => Scope { known: (0..self.variables.len()).collect(), ..Scope::default() },
            (None, None) => Scope { known: self.with_default(), ..Scope::default() },
        };
        let headers = person.map_or(&[][..], |person| &person.headers);
        let user = person.and_then(|person| person.number);
        let own_feeds = user.map_or(Vec::new(), |user| self.users[user].feeds.clone());
        let around = Around { headers, unknown_header: UnknownHeader::Mistake, timeout };
        let doing = Doing { around, scope: Scope { moment: Moment::Iteration, ..scope }, own_feeds };
        let think = fields.get("think").map_or(Think::None, |node| self.read_think(node));
        let (tasks, choice) = self.read_tasks(fields, &name, &doing)?;
        let load = Load::Users { stages: Vec::new(), spawn_per_s: None };
        let (duration, iterations, start_after) = (None, None, Duration::ZERO);
        Some(Flow { name, user, tasks, choice, think, load, duration, iterations, start_after })
    }

    fn find_person<'p, 'd>(&mut self, node: Node<'_>, people: &'p [Person<'d>]) -> Option<&'p Person<'d>> {
        let name = node.text(&mut self.findings)?;
        let found = people.iter().find(|person| person.name == name);
        if found.is_none() {
            self.no_such("user", name, node.place, people.iter().map(|person| person.name));
        }
        found
    }

    fn read_tasks(&mut self, fields: &Fields<'_>, name: &str, doing: &Doing<'_, '_>) -> Option<(Vec<Task>, Choice)> {
        let present = fields.present(&["steps", "task", "steps_from"]);
        let one = match present.as_slice() {
            [one] => *one,
            [] => {
                let hint = "give it steps = [{ get = \"/\" }], or task = [..] with weights";
                self.findings.add(fields.place, format!("scenario `{name}` does nothing"), hint);
                return None;
            }
            [first, second, ..] => {
                let message = format!("`{}` and `{}` contradict each other", first.key, second.key);
                self.findings.add(second.place, message, "keep one of them");
                return None;
            }
        };
        match one.key {
            "steps" => {
                let task = self.read_task(one.node, name.to_owned(), 1, doing)?;
                Some((vec![task], Choice::Weight))
            }
            "task" => self.read_weighted(one.node, doing).map(|tasks| (tasks, Choice::Weight)),
            _ => self.read_list(one.node, doing),
        }
    }

    fn read_weighted(&mut self, node: Node<'_>, doing: &Doing<'_, '_>) -> Option<Vec<Task>> {
        let mut tasks: Vec<Task> = Vec::new();
        let items = node.list(&mut self.findings);
        for (number, item) in items.iter().enumerate() {
            let Some(fields) = item.fields(&TASK, &mut self.findings) else { continue };
            let name = fields.get("name").and_then(|name| name.text(&mut self.findings));
            let name = name.map_or_else(|| format!("task {}", number + 1), ToOwned::to_owned);
            if tasks.iter().any(|task| task.name == name) {
                self.findings.add(
                    item.place,
                    format!("two tasks are called `{name}`"),
                    "give one of them another name",
                );
            }
            let weight = fields.get("weight").map_or(Some(1), |node| node.count(0..=1_000_000, &mut self.findings));
            let Some(steps) = fields.get("steps") else {
                let hint = "give it steps = [{ get = \"/\" }]";
                self.findings.add(item.place, format!("task `{name}` does nothing"), hint);
                continue;
            };
            let weight = weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
            if weight == 0 {
                self.warnings.add(item.place, format!("task `{name}` is never done"), "its weight is 0");
            }
            tasks.extend(self.read_task(steps, name, weight, doing));
        }
        if self.findings.is_empty() && tasks.iter().all(|task| task.weight == 0) {
            self.findings.add(
                node.place,
                "every weight is 0, so nothing would be done",
                "give one task a weight above 0",
            );
        }
        (!tasks.is_empty()).then_some(tasks)
    }

    fn read_task(&mut self, steps: Node<'_>, name: String, weight: u32, doing: &Doing<'_, '_>) -> Option<Task> {
        let nodes = steps.list(&mut self.findings);
        if nodes.is_empty() {
            self.findings.add(steps.place, format!("`{name}` has no steps"), "give it at least one");
            return None;
        }
        self.used.clear();
        let mut scope = doing.scope.clone();
        let steps = self.read_steps(&nodes, doing.around, &mut scope);
        let used = std::mem::take(&mut self.used);
        let feeds = used.into_iter().filter(|feed| !doing.own_feeds.contains(feed)).collect();
        Some(Task { name, weight, steps, feeds })
    }

    /// Every line of a list of URLs as a task of one step.
    fn read_list(&mut self, node: Node<'_>, doing: &Doing<'_, '_>) -> Option<(Vec<Task>, Choice)> {
        let name = node.text(&mut self.findings)?;
        self.ever_used.insert(name.to_owned());
        let Some(number) = self.feeds.iter().position(|feed| feed.name == name) else {
            if !self.feed_names.iter().any(|(known, _)| known == name) {
                let known: Vec<String> = self.feed_names.iter().map(|(name, _)| name.clone()).collect();
                self.no_such("feed", name, node.place, known.iter().map(String::as_str));
            }
            return None;
        };
        let feed = &self.feeds[number];
        if feed.columns != super::lists::COLUMNS {
            let hint = "[feed.NAME] with urls = \"urls.txt\" has requests; other feeds have rows for slots";
            self.findings.add(node.place, format!("feed `{name}` is no list of URLs"), hint);
            return None;
        }
        if feed.rows.len() > MAX_LIST {
            let hint = format!("at most {MAX_LIST} can be sent");
            self.findings.add(node.place, format!("feed `{name}` has {} lines", feed.rows.len()), hint);
            return None;
        }
        let rows = feed.rows.clone();
        let tasks: Option<Vec<Task>> = rows.iter().map(|row| self.list_task(row, node.place, doing)).collect();
        Some((tasks?, Choice::Feed(number)))
    }

    fn list_task(&mut self, row: &[Value], place: Place, doing: &Doing<'_, '_>) -> Option<Task> {
        let [url, path, method, body, file] = [0, 1, 2, 3, 4].map(|column| row[column].as_str().unwrap_or_default());
        let origin = if url.starts_with('/') {
            self.target_origin()
        } else {
            self.origin(super::target::split_url(url).ok()?.0)
        };
        let series_path = path.split('?').next().unwrap_or(path);
        let name = format!("{method} {series_path}");
        let series = Series {
            name: name.clone(),
            method: method.to_owned(),
            path: series_path.to_owned(),
            tags: std::collections::BTreeMap::new(),
            place,
        };
        let series = self.series(series)?;
        let literal = |text: &str| {
            let mut template = Template::default();
            template.literal(text);
            template
        };
        let mut headers: Vec<(String, Template)> =
            doing.around.headers.iter().filter_map(|entry| self.list_header(entry, &doing.scope)).collect();
        let body = match (body, file) {
            ("", "") => Body::Empty,
            ("", file) => Body::Bytes(self.list_body(file, place)?),
            (text, _) => Body::Text(literal(text)),
        };
        if !matches!(body, Body::Empty) && !headers.iter().any(|(name, _)| name == "content-type") {
            let is_json = Path::new(file).extension().is_some_and(|ending| ending == "json");
            let content_type = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            headers.push(("content-type".to_owned(), literal(content_type)));
        }
        let path = if url.starts_with('/') { literal(&self.base_path).with(&literal(path)) } else { literal(path) };
        let step = Step {
            series,
            request: Request { method: method.to_owned(), origin, path, headers, body },
            expect: Expect::default(),
            take: Vec::new(),
            repeat: 1,
            if_status: None,
            think: Think::None,
            barrier: None,
            timeout: None,
            record: None,
        };
        Some(Task { name, weight: 1, steps: vec![step], feeds: Vec::new() })
    }

    /// Shares `--users` out among the closed scenarios, as the file's numbers stand to each other.
    fn share_users(&mut self, flows: &mut [Flow]) {
        let Some(users) = self.overrides.users else { return };
        let closed = |flow: &Flow| matches!(flow.load, Load::Users { .. });
        let whole: u64 = flows.iter().filter(|flow| closed(flow)).map(|flow| u64::from(flow.load.users_max())).sum();
        let (mut left, mut rest) = (u64::from(users), whole);
        if whole == 0 {
            self.findings.add(Place::default(), "--users: no scenario has users", "use --rate-factor for arrivals");
        }
        for flow in flows.iter_mut() {
            let most = u64::from(flow.load.users_max());
            let Load::Users { stages, .. } = &mut flow.load else { continue };
            // Each takes its part of what is left, so that the parts add up.
            let part = (left * most).div_ceil(rest.max(1));
            for stage in stages.iter_mut() {
                let scaled = (u64::from(stage.to_users) * part).div_ceil(most.max(1));
                stage.to_users = u32::try_from(scaled).unwrap_or(u32::MAX);
            }
            (left, rest) = (left - part.min(left), rest - most);
            if part == 0 {
                let message = format!("--users {users}: scenario `{}` gets none", flow.name);
                self.findings.add(Place::default(), message, "give at least one user for each scenario");
            }
        }
    }

    /// A barrier that can never be filled would hold everybody until the end of the run.
    pub(super) fn check_barriers(&mut self, flows: &[Flow]) {
        for number in 0..self.barriers.len() {
            let meets =
                |flow: &&Flow| flow.tasks.iter().any(|task| task.steps.iter().any(|step| step.barrier == Some(number)));
            let users: u64 = flows.iter().filter(meets).map(|flow| u64::from(flow.load.users_max())).sum();
            let (barrier, place) = self.barriers[number].clone();
            if u64::from(barrier.users) > users {
                let message = format!("{} users wait for each other, and at most {users} come here", barrier.users);
                self.findings.add(place, message, "raise users (or max_in_flight), or lower `together`");
            }
        }
    }
}
