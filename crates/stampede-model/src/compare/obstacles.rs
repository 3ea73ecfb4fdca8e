//! What keeps two runs from being compared, and what is merely worth knowing.
//!
//! Invariants: every reason is named at once; plans are compared field by field as they stand in the file, so a field that
//! a later version adds is not overlooked. How long a run took, how many threads sent and which seeds were drawn may differ.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

use super::Plans;
use crate::run::{PlanRecord, RunFile};
use crate::run_result::{Ending, EventKind};

/// Fields of a plan in which two runs of the same load may differ.
const FREE: [&str; 5] = ["duration_ns", "requests", "threads", "arrivals.seed", "scenario.seed"];

/// Two runs that cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Refused {
    /// Every reason.
    pub obstacles: Vec<Obstacle>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The generator of a run cannot be believed.
    NotTrustworthy {
        /// `A` or `B`.
        side: char,
        /// Its first doubt.
        doubt: String,
    },
    /// The plans differ.
    Plan {
        /// The field.
        field: String,
        /// What A was asked.
        a: String,
        /// What B was asked.
        b: String,
    },
    /// A run holds no seconds.
    NoSeconds {
        /// `A` or `B`.
        side: char,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.obstacles.iter().map(ToString::to_string).collect();
        write!(f, "these runs cannot be compared: {}", reasons.join("; "))?;
        if self.obstacles.iter().any(|obstacle| matches!(obstacle, Obstacle::Plan { .. })) {
            write!(f, " (--allow-different compares different plans)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTrustworthy { side, doubt } => write!(f, "run {side} is not trustworthy: {doubt}"),
            Self::Plan { field, a, b } => write!(f, "the plans differ in {field}: {a} and {b}"),
            Self::NoSeconds { side } => write!(f, "run {side} holds no seconds: measure it again with this version"),
        }
    }
}

/// Refuses, or says what is worth knowing.
pub(super) fn check(a: &RunFile, b: &RunFile, plans: Plans) -> Result<Vec<String>, Refused> {
    let mut obstacles = Vec::new();
    for (side, run) in [('A', a), ('B', b)] {
        if let Some(doubt) = run.trust.doubts.first() {
            obstacles.push(Obstacle::NotTrustworthy { side, doubt: doubt.to_string() });
        }
        if run.result.steps.iter().all(|step| step.seconds.is_empty()) {
            obstacles.push(Obstacle::NoSeconds { side });
        }
    }
    let mut remarks = Vec::new();
    for difference in differences(&a.plan, &b.plan) {
        match plans {
            Plans::Equal => obstacles.push(difference),
            Plans::MayDiffer => remarks.push(difference.to_string()),
        }
    }
    if !obstacles.is_empty() {
        return Err(Refused { obstacles });
    }
    remarks.extend([('A', a), ('B', b)].into_iter().flat_map(|(side, run)| own_remarks(side, run)));
    if a.environment != b.environment {
        remarks.push("the runs were made by different versions or on different machines".to_owned());
    }
    Ok(remarks)
}

fn own_remarks(side: char, run: &RunFile) -> Vec<String> {
    let mut remarks: Vec<String> = run.trust.remarks.iter().map(|remark| format!("run {side}: {remark}")).collect();
    if run.result.ending != Ending::Complete {
        remarks.push(format!("run {side} was ended early"));
    }
    let by_hand = |kind| matches!(kind, EventKind::Rate | EventKind::Users | EventKind::Pause);
    if run.result.events.iter().any(|event| by_hand(event.kind)) {
        remarks.push(format!("the load of run {side} was changed by hand while it ran"));
    }
    let counts = &run.result.counts;
    if counts.not_sent * 1_000 > counts.asked {
        remarks.push(format!(
            "{} of {} arrivals of run {side} were not sent: they are missing from its latencies",
            counts.not_sent, counts.asked
        ));
    }
    remarks
}

/// Whether runs of these plans can be compared: to be asked before the second run is made.
///
/// # Errors
/// When they differ; every difference is named.
pub fn check_plans(a: &PlanRecord, b: &PlanRecord) -> Result<(), Refused> {
    let obstacles = differences(a, b);
    if obstacles.is_empty() { Ok(()) } else { Err(Refused { obstacles }) }
}

fn differences(a: &PlanRecord, b: &PlanRecord) -> Vec<Obstacle> {
    // A file of an older version tells of the first flow alone, as `arrivals`; a newer one says the same twice.
    let left_out = if a.flows.is_empty() || b.flows.is_empty() { "flows" } else { "arrivals" };
    let plan = |plan: &PlanRecord| {
        let mut plan = serde_json::to_value(plan).unwrap_or(Value::Null);
        plan.as_object_mut().and_then(|fields| fields.remove(left_out));
        plan
    };
    let mut found = Vec::new();
    walk("", &plan(a), &plan(b), &mut found);
    found
}

fn is_free(path: &str) -> bool {
    FREE.contains(&path) || (path.starts_with("flows.") && path.ends_with(".arrivals.seed"))
}

/// Compares two values; `path` names the place, with points between the fields.
fn walk(path: &str, a: &Value, b: &Value, found: &mut Vec<Obstacle>) {
    if a == b || is_free(path) {
        return;
    }
    if let (Value::Object(in_a), Value::Object(in_b)) = (a, b) {
        let mut names: Vec<&String> = in_a.keys().chain(in_b.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(&inner, in_a.get(name).unwrap_or(&Value::Null), in_b.get(name).unwrap_or(&Value::Null), found);
        }
        return;
    }
    if let (Value::Array(in_a), Value::Array(in_b)) = (a, b)
        && path == "flows"
        && in_a.len() == in_b.len()
    {
        for (number, (a, b)) in in_a.iter().zip(in_b).enumerate() {
            walk(&format!("{path}.{}", number + 1), a, b, found);
        }
        return;
    }
    found.push(Obstacle::Plan { field: path.to_owned(), a: shown(a), b: shown(b) });
}

/// A value in few words: a scenario's text is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}
