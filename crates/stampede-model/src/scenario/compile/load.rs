//! How much of a scenario, for how long, and the pauses between its iterations.

use std::time::Duration;

use toml::de::DeValue;

use super::Compiler;
use crate::scenario::keys::{ARRIVALS, THINK_TABLE};
use crate::scenario::plan::{Load, Think};
use crate::scenario::read::{Fields, Node};
use crate::schedule::{Schedule, Spacing, Stage, UserStage};
use crate::units::parse_duration;

/// How long a scenario issues when nobody says.
const DURATION: Duration = Duration::from_secs(10);
/// Most users of one scenario.
const MAX_USERS: u64 = 1_000_000;
const MAX_IN_FLIGHT: u32 = 512;
const MAX_QUEUE: u32 = 100_000;

/// How much and how long.
pub(super) struct Amount {
    pub(super) load: Load,
    pub(super) duration: Option<Duration>,
    pub(super) iterations: Option<u64>,
    pub(super) start_after: Duration,
}

impl Compiler<'_> {
    pub(super) fn read_amount(&mut self, scenario: &Fields<'_>, seed: u64) -> Option<Amount> {
        let models = scenario.present(&["users", "stages", "arrivals"]);
        if let [first, second, ..] = models.as_slice() {
            let message = format!("`{}` and `{}` contradict each other", first.key, second.key);
            let hint =
                "users: so many all the time; stages: users over time; arrivals: a rate whatever the server does";
            self.findings.add(second.place, message, hint);
            return None;
        }
        if let Some(spawn) = scenario.entry("spawn_rate")
            && models.iter().any(|model| model.key == "arrivals")
        {
            self.findings.add(spawn.place, "arrivals have no users to start", "remove `spawn_rate`");
        }
        if let Some(think) = scenario.entry("think")
            && models.iter().any(|model| model.key == "arrivals")
        {
            let hint = "an arrival is one iteration: pause inside it with `think` in a step, or lower the rate";
            self.findings.add(think.place, "nobody pauses between arrivals", hint);
        }
        let (load, lasts) = match models.first().map(|model| (model.key, model.node)) {
            Some(("arrivals", node)) => self.read_arrivals(node, seed)?,
            Some(("stages", node)) => self.read_stages(scenario, node)?,
            other => {
                let users = other.map_or(Some(1), |(_, node)| node.count(1..=MAX_USERS, &mut self.findings))?;
                let stages = vec![UserStage { over: Duration::ZERO, to_users: u32::try_from(users).ok()? }];
                (Load::Users { stages, spawn_per_s: self.spawn_rate(scenario) }, None)
            }
        };
        let (duration, iterations) = self.read_end(scenario, lasts);
        let start_after = scenario.get("start_after").and_then(|node| node.duration(&mut self.findings));
        Some(Amount { load, duration, iterations, start_after: start_after.unwrap_or_default() })
    }

    fn spawn_rate(&mut self, scenario: &Fields<'_>) -> Option<f64> {
        let own = scenario.get("spawn_rate").and_then(|node| node.rate(&mut self.findings));
        self.overrides.spawn_per_s.or(own)
    }

    /// When it ends; `lasts` is what its stages take.
    fn read_end(&mut self, scenario: &Fields<'_>, lasts: Option<Duration>) -> (Option<Duration>, Option<u64>) {
        let given = scenario.entry("duration");
        if let (Some(given), Some(_)) = (given, lasts) {
            let hint = "the stages say how long it takes; add a last one that stays where it is";
            self.findings.add(given.place, "`duration` and stages contradict each other", hint);
        }
        let duration = given.and_then(|entry| entry.node.some_time(&mut self.findings));
        let iterations = scenario.get("iterations").and_then(|node| node.count(1..=u64::MAX, &mut self.findings));
        let duration = match self.overrides.duration.or(lasts).or(duration) {
            None if iterations.is_none() => Some(DURATION),
            duration => duration,
        };
        (duration, iterations)
    }

    fn read_stages(&mut self, scenario: &Fields<'_>, node: Node<'_>) -> Option<(Load, Option<Duration>)> {
        let mut stages = Vec::new();
        for (over, to) in self.pairs_of(node, "[\"30s\", 100]") {
            let over = over.duration(&mut self.findings)?;
            let to_users = u32::try_from(to.count(0..=MAX_USERS, &mut self.findings)?).ok()?;
            stages.push(UserStage { over, to_users });
        }
        let spawn_per_s = self.spawn_rate(scenario);
        if let Err(error) = crate::schedule::UserCurve::new(stages.clone(), spawn_per_s) {
            self.findings.add(node.place, error.to_string(), "stages = [[\"30s\", 100], [\"1m\", 100], [\"10s\", 0]]");
            return None;
        }
        let lasts: Duration = stages.iter().map(|stage| stage.over).sum();
        if lasts.is_zero() {
            self.findings.add(node.place, "the stages take no time", "give one of them a duration");
            return None;
        }
        Some((Load::Users { stages, spawn_per_s }, Some(lasts)))
    }

    fn read_arrivals(&mut self, node: Node<'_>, seed: u64) -> Option<(Load, Option<Duration>)> {
        let fields = node.fields(&ARRIVALS, &mut self.findings)?;
        let spacing = match fields.get("spacing").map(|node| node.word(&["uniform", "poisson"], &mut self.findings)) {
            None | Some(Some(0)) => Spacing::Uniform,
            Some(Some(_)) => Spacing::Poisson,
            Some(None) => return None,
        };
        let factor = self.overrides.rate_factor.unwrap_or(1.0);
        let (schedule, lasts) = match fields.present(&["rate", "curve"]).as_slice() {
            [one] if one.key == "rate" => {
                let rate = one.node.rate(&mut self.findings)?;
                let schedule = Schedule::new(rate * factor, spacing, seed);
                (schedule.map_err(|error| error.to_string()), None)
            }
            [one] => {
                let mut stages = Vec::new();
                for (over, to) in self.pairs_of(one.node, "[\"30s\", \"200/s\"]") {
                    let over = over.duration(&mut self.findings)?;
                    stages.push(Stage { over, to_per_s: self.rate_or_none(to)? * factor });
                }
                let lasts = stages.iter().fold(Duration::ZERO, |sum, stage| sum.saturating_add(stage.over));
                (Schedule::curve(stages, spacing, seed).map_err(|error| error.to_string()), Some(lasts))
            }
            [] => (Err("arrivals have a rate or a curve, here is neither".to_owned()), None),
            [..] => (Err("`rate` and `curve` contradict each other".to_owned()), None),
        };
        let schedule = match schedule {
            Ok(schedule) => schedule,
            Err(message) => {
                self.findings.add(node.place, message, "such as arrivals = { rate = \"200/s\" }");
                return None;
            }
        };
        let most = |key, from, usual: u32, findings: &mut _| {
            let given = fields.get(key).and_then(|node: Node<'_>| node.count(from..=8_000_000, findings));
            given.and_then(|count| u32::try_from(count).ok()).unwrap_or(usual)
        };
        let max_in_flight = most("max_in_flight", 1, MAX_IN_FLIGHT, &mut self.findings);
        let max_queue = most("max_queue", 0, MAX_QUEUE, &mut self.findings);
        Some((Load::Arrivals { schedule, max_in_flight, max_queue }, lasts))
    }

    /// A rate that may be zero, as at the end of a curve.
    fn rate_or_none(&mut self, node: Node<'_>) -> Option<f64> {
        let is_zero = match node.value {
            DeValue::Integer(number) => number.as_str() == "0",
            DeValue::String(text) => matches!(text.trim(), "0" | "0/s"),
            _ => false,
        };
        if is_zero { Some(0.0) } else { node.rate(&mut self.findings) }
    }

    /// The pairs of a list of pairs.
    fn pairs_of<'d>(&mut self, node: Node<'d>, example: &str) -> Vec<(Node<'d>, Node<'d>)> {
        let mut pairs = Vec::new();
        for item in node.list(&mut self.findings) {
            match item.list(&mut self.findings).as_slice() {
                [first, second] => pairs.push((*first, *second)),
                _ => self.findings.add(item.place, "a stage is a duration and a value", format!("write {example}")),
            }
        }
        pairs
    }

    /// `"500ms"`, `"1s..3s"`, or a table that evens out.
    pub(super) fn read_think(&mut self, node: Node<'_>) -> Think {
        if !matches!(node.value, DeValue::Table(_)) {
            return self.read_pause(node);
        }
        let Some(fields) = node.fields(&THINK_TABLE, &mut self.findings) else { return Think::None };
        match fields.present(&["pacing", "throughput"]).as_slice() {
            [one] if one.key == "pacing" => one.node.some_time(&mut self.findings).map_or(Think::None, Think::Pacing),
            [one] => one.node.rate(&mut self.findings).map_or(Think::None, |rate| {
                Think::Pacing(Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX))
            }),
            _ => {
                let hint = "think = { pacing = \"2s\" } or { throughput = \"0.5/s\" }";
                self.findings.add(node.place, "one of pacing and throughput", hint);
                Think::None
            }
        }
    }

    /// `"500ms"` or `"1s..3s"`.
    pub(super) fn read_pause(&mut self, node: Node<'_>) -> Think {
        let Some(text) = node.text(&mut self.findings) else { return Think::None };
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        match (parse_duration(from.trim()), parse_duration(to.trim())) {
            (Ok(from), Ok(to)) if from <= to => Think::Pause { from, to },
            (Ok(_), Ok(_)) => {
                self.findings.add(node.place, "this pause ends before it begins", "write the shorter time first");
                Think::None
            }
            (Err(error), _) | (_, Err(error)) => {
                self.findings.add(node.place, error.to_string(), "a pause is \"500ms\" or \"1s..3s\"");
                Think::None
            }
        }
    }
}
