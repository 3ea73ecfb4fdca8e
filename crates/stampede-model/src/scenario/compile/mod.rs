//! From the text of a scenario to its plan: everything that can be wrong is found here, before anything is sent.
//!
//! Invariants: one mistake does not hide the others; a plan comes out only when there was none.

mod answers;
mod documents;
mod feeds;
mod flows;
mod limits;
mod lists;
mod load;
mod names;
mod records;
mod requests;
mod statuses;
mod steps;
mod target;
mod texts;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::documents::Document;
use self::names::Series;
use self::records::Said;
use self::target::HasTarget;
use super::mistake::{Findings, Mistakes, Place, SourceFile, SourceSort};
use super::outside::{Outside, Overrides};
use super::plan::{Barrier, Feed, Flow, Origin, Plan, User, Wire};
use super::read::{Entry, Node};
use super::template::{json_escape, percent_encode};

/// Time a request may take when nobody says.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Seed when nobody says: the same command should do the same.
const SEED: u64 = 1;

/// Everything known so far.
struct Compiler<'a> {
    outside: &'a dyn Outside,
    overrides: &'a Overrides,
    files: Vec<SourceFile>,
    findings: Findings,
    warnings: Findings,
    /// Constants: `[vars]`.
    constants: BTreeMap<String, Value>,
    /// Variables that some step takes: the name is the key of its number.
    variables: Vec<(String, Value)>,
    /// Where each variable is taken, known before the first step is read.
    taken: BTreeMap<String, Place>,
    feeds: Vec<Feed>,
    /// The feeds' names in the file, also of those that are broken.
    feed_names: Vec<(String, Place)>,
    /// Feeds used since somebody last asked.
    used: BTreeSet<usize>,
    /// Feeds that anything uses.
    ever_used: BTreeSet<String>,
    series: Vec<Series>,
    barriers: Vec<(Barrier, Place)>,
    origins: Vec<Origin>,
    base_path: String,
    has_target: HasTarget,
    wire: Wire,
    secrets: Vec<String>,
    users: Vec<User>,
    /// What the steps are recorded as.
    history: Said,
}

/// Reads and checks the scenario at `path` with everything it includes.
///
/// # Errors
/// All mistakes that can be told apart, each with its place.
pub fn compile(path: &Path, outside: &dyn Outside, overrides: &Overrides) -> Result<Plan, Mistakes> {
    let name = path.display().to_string();
    match outside.read(path).and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())) {
        Ok(text) => compile_text(path, text, outside, overrides),
        Err(why) => {
            let files = [SourceFile { name, text: String::new(), sort: SourceSort::Scenario }];
            let mut findings = Findings::default();
            findings.add(Place::default(), format!("cannot be read: {why}"), "give the path of a scenario file");
            Err(Mistakes { list: findings.located(&files) })
        }
    }
}

/// As [`compile`], the text being at hand.
///
/// # Errors
/// As [`compile`].
pub fn compile_text(path: &Path, text: String, outside: &dyn Outside, overrides: &Overrides) -> Result<Plan, Mistakes> {
    let mut compiler = Compiler::new(outside, overrides);
    let is_whole = compiler.load(path, text);
    let texts: Vec<String> = compiler.files.iter().map(|file| file.text.clone()).collect();
    // What a missing file defines would be missed everywhere else.
    let plan = is_whole.then(|| compiler.whole(path, &documents::parsed(&texts)));
    let Compiler { files, findings, warnings, .. } = compiler;
    match plan {
        Some(mut plan) if findings.is_empty() => {
            plan.warnings = warnings.located(&files);
            Ok(plan)
        }
        _ => Err(Mistakes { list: findings.located(&files) }),
    }
}

impl<'a> Compiler<'a> {
    fn new(outside: &'a dyn Outside, overrides: &'a Overrides) -> Self {
        Self {
            outside,
            overrides,
            files: Vec::new(),
            findings: Findings::default(),
            warnings: Findings::default(),
            constants: BTreeMap::new(),
            variables: Vec::new(),
            taken: BTreeMap::new(),
            feeds: Vec::new(),
            feed_names: Vec::new(),
            used: BTreeSet::new(),
            ever_used: BTreeSet::new(),
            series: Vec::new(),
            barriers: Vec::new(),
            origins: Vec::new(),
            base_path: String::new(),
            has_target: HasTarget::No,
            wire: Wire::default(),
            secrets: Vec::new(),
            users: Vec::new(),
            history: Said::Nothing,
        }
    }

    /// Top to bottom: what is named comes before what names it, whatever the order in the file.
    fn whole(&mut self, path: &Path, documents: &[Document<'_>]) -> Plan {
        let seed = self.once(documents, "seed");
        let seed = seed.and_then(|node| node.count(0..=u64::MAX, &mut self.findings));
        let timeout = self.once(documents, "timeout");
        let timeout = timeout.and_then(|node| node.some_time(&mut self.findings)).unwrap_or(TIMEOUT);
        self.read_vars(documents);
        let target = self.once(documents, "target");
        self.read_target(target);
        let history = self.once(documents, "history");
        self.read_history(history);
        let feeds = self.named(documents, "feed", "feed");
        self.read_feeds(&feeds);
        let users = self.named(documents, "user", "user");
        let scenarios = self.listed(documents, "scenario");
        self.find_taken(&users, &scenarios);
        let people = self.read_users(&users, timeout);
        let flows = self.read_flows(&scenarios, &people, timeout, self.overrides.seed.or(seed).unwrap_or(SEED));
        let limits = self.read_limits(documents);
        self.check_barriers(&flows);
        self.warn_unused();
        let plan = self.plan(path, flows, limits, (seed, timeout));
        self.warn_unrecorded(history, &plan);
        plan
    }

    fn plan(
        &mut self,
        path: &Path,
        flows: Vec<Flow>,
        limits: Vec<crate::threshold::Limit>,
        (seed, timeout): (Option<u64>, Duration),
    ) -> Plan {
        // As they look inside URLs and JSON.
        for secret in self.secrets.clone() {
            let (mut in_url, mut in_json) = (String::new(), String::new());
            percent_encode(&mut in_url, &secret);
            json_escape(&mut in_json, &secret);
            self.secrets.extend([in_url, in_json].into_iter().filter(|other| *other != secret));
        }
        // Longer secrets first, so that one that contains another is hidden whole.
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Plan {
            name: path.file_stem().map_or_else(|| "scenario".to_owned(), |stem| stem.to_string_lossy().into_owned()),
            text: self.recorded_text(),
            seed: self.overrides.seed.or(seed).unwrap_or(SEED),
            timeout,
            origins: std::mem::take(&mut self.origins),
            wire: std::mem::take(&mut self.wire),
            series: self.series.iter().map(Series::public).collect(),
            barriers: self.barriers.iter().map(|(barrier, _)| barrier.clone()).collect(),
            feeds: std::mem::take(&mut self.feeds),
            variables: self.variables.iter().map(|(_, first)| first.clone()).collect(),
            users: std::mem::take(&mut self.users),
            flows,
            limits,
            history: std::mem::take(&mut self.history).right(),
            secrets: std::mem::take(&mut self.secrets),
            warnings: Vec::new(),
        }
    }

    /// A key that only one of the files may have.
    fn once<'d>(&mut self, documents: &'d [Document<'_>], key: &'static str) -> Option<Node<'d>> {
        let mut found = documents.iter().filter_map(|document| document.get(key));
        let first = found.next();
        for again in found {
            self.findings.add(again.place, format!("`{key}` is said twice"), "only one of the files may say it");
        }
        first
    }

    /// The named tables under `key`, over all files.
    fn named<'d>(&mut self, documents: &'d [Document<'_>], key: &'static str, what: &str) -> Vec<Entry<'d>> {
        let mut all: Vec<Entry<'d>> = Vec::new();
        for document in documents {
            let Some(node) = document.get(key) else { continue };
            for entry in node.map(&mut self.findings) {
                if let Some(first) = all.iter().find(|first| first.key == entry.key) {
                    let hint =
                        format!("the other one is in {}; give one of them another name", self.where_is(first.place));
                    self.findings.add(entry.place, format!("two {what}s are called `{}`", entry.key), hint);
                    continue;
                }
                all.push(entry);
            }
        }
        all
    }

    /// The tables of the list under `key`, over all files.
    fn listed<'d>(&mut self, documents: &'d [Document<'_>], key: &'static str) -> Vec<Node<'d>> {
        let mut all = Vec::new();
        for document in documents {
            if let Some(node) = document.get(key) {
                all.extend(node.list(&mut self.findings));
            }
        }
        all
    }

    fn where_is(&self, place: Place) -> String {
        let Some(file) = self.files.get(place.file) else { return String::new() };
        let line = file.text.get(..place.start).unwrap_or("").matches('\n').count() + 1;
        format!("{}:{line}", file.name)
    }

    fn warn_unused(&mut self) {
        for (name, place) in &self.feed_names {
            if !self.ever_used.contains(name) {
                self.warnings.add(
                    *place,
                    format!("feed `{name}` is never used"),
                    "use one of its columns as {feed.column}, or remove it",
                );
            }
        }
    }
}
