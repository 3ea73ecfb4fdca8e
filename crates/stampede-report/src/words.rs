//! Words that every kind of report uses: verdicts, the plan in a line, text from outside made harmless.
//!
//! Invariant: what came from outside passes [`plain`] before a person sees it, so that no name of a step can move a
//! cursor, clear a screen or turn the reading direction round.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;
use stampede_model::run::{ArrivalsRecord, RunFile};
use stampede_model::run_result::Ending;
use stampede_model::schedule::Spacing;
use stampede_model::stress::{Grade, StressKind, StressRun};
use stampede_model::threshold::{Judged, Judgement};
use stampede_model::units::thousands;

/// How the whole run came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every threshold was kept.
    Pass,
    /// One was broken.
    Fail,
    /// None was broken, but the measurement leaves one open.
    Open,
    /// None was broken, but the generator is in doubt.
    Doubtful,
    /// Nothing was to be judged.
    Unjudged,
}

impl Outcome {
    /// Of a load run with all that was put beside it: a stress run that failed is a failure of the whole.
    pub(crate) fn of(run: &RunFile) -> Self {
        let beside = |outcome| run.stress.iter().any(|stress| Self::of_stress(stress) == outcome);
        if run.any(Judgement::Fail) || beside(Self::Fail) {
            Self::Fail
        } else if !run.trust.stands() {
            Self::Doubtful
        } else if run.any(Judgement::Unknown) || beside(Self::Open) {
            Self::Open
        } else if run.thresholds.is_empty() {
            Self::Unjudged
        } else {
            Self::Pass
        }
    }

    /// Of a stress run. It has a verdict without a threshold too: nothing was found against it.
    pub(crate) fn of_stress(run: &StressRun) -> Self {
        if run.any(Judgement::Fail) || run.has(Grade::Violation) || run.has(Grade::Missed) {
            Self::Fail
        } else if run.any(Judgement::Unknown) || run.has(Grade::Doubt) {
            Self::Open
        } else {
            Self::Pass
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Open => "OPEN",
            Self::Doubtful => "NOT TRUSTWORTHY",
            Self::Unjudged => "NOT JUDGED",
        }
    }
}

/// The mark of one threshold.
pub(crate) const fn mark(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Pass => "PASS",
        Judgement::Fail => "FAIL",
        Judgement::Unknown => "OPEN",
    }
}

/// The mark of something found out.
pub(crate) const fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Violation | Grade::Missed => "FAIL",
        Grade::Doubt => "OPEN",
        Grade::Note => "note",
    }
}

/// What was stressed, and where.
pub(crate) fn stressed(run: &StressRun) -> String {
    let what = match run.kind {
        StressKind::Postgres => "PostgreSQL",
        StressKind::Redis => "Redis",
        StressKind::Pool => "without database connections:",
        StressKind::Http => "under rising rates:",
    };
    format!("stress {what} {}", plain(&run.target))
}

/// What was loaded: the scenario's name, or method and URL.
pub(crate) fn target(run: &RunFile) -> String {
    let plan = &run.plan;
    match &plan.scenario {
        Some(scenario) => plain(&scenario.name).into_owned(),
        None => plain(&format!("{} {}", plan.method, plan.url)).into_owned(),
    }
}

/// When requests left, in a line; of a scenario that does several things side by side, of each.
pub(crate) fn model(run: &RunFile) -> String {
    let [_, _, ..] = run.plan.flows.as_slice() else { return arrivals(&run.plan.arrivals) };
    let mut shown: Vec<String> = flows(run).take(FLOWS).map(|(name, arrivals)| format!("{name}: {arrivals}")).collect();
    let more = run.plan.flows.len().saturating_sub(FLOWS);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join("; ")
}

/// What a scenario did side by side, each by its name.
pub(crate) fn flows(run: &RunFile) -> impl Iterator<Item = (String, String)> {
    run.plan.flows.iter().map(|flow| (plain(&flow.name).into_owned(), arrivals(&flow.arrivals)))
}

/// Flows that are told in a line.
const FLOWS: usize = 4;

fn arrivals(record: &ArrivalsRecord) -> String {
    match record {
        ArrivalsRecord::Closed { connections } => {
            format!("closed model, {} connections", thousands(u64::from(*connections)))
        }
        ArrivalsRecord::Open { schedule, max_in_flight, .. } => {
            let spacing = match schedule.spacing() {
                Spacing::Uniform => "uniform",
                Spacing::Poisson => "poisson",
            };
            format!("open model, {schedule} {spacing}, at most {} in flight", thousands(u64::from(*max_in_flight)))
        }
    }
}

/// The asked rate; `None` in a closed model, where it changed on the way, and where several things were done side by side.
pub(crate) fn asked_per_s(run: &RunFile) -> Option<f64> {
    if run.plan.flows.len() > 1 {
        return None;
    }
    match &run.plan.arrivals {
        ArrivalsRecord::Open { schedule, .. } => schedule.stages().is_empty().then(|| schedule.rate_per_s()),
        ArrivalsRecord::Closed { .. } => None,
    }
}

/// A threshold with the step it is about.
pub(crate) fn threshold(judged: &Judged) -> String {
    match &judged.step {
        Some(step) => format!("{} for {}", plain(&judged.threshold), plain(step)),
        None => plain(&judged.threshold).into_owned(),
    }
}

/// How a run ended, when not as planned.
pub(crate) fn ending(ending: Ending) -> Option<String> {
    (ending != Ending::Complete).then(|| tag(&ending))
}

/// The word under which a variant stands in a run file.
pub(crate) fn tag(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

/// The beginning of a run, UTC, to the second.
pub(crate) fn started(unix_ns: u64) -> String {
    timestamp(unix_ns).map_or_else(|| "unknown".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The beginning of a run as machines read it; `None` when it is beyond what a calendar holds.
pub(crate) fn timestamp(unix_ns: u64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(unix_ns)).ok()
}

/// Bytes as a person reads them.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// Text from outside on one line: control characters and marks of reading direction are spelt out.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    spelt(text, is_harmful)
}

/// The same for text of several lines: line ends and tabs stay.
pub(crate) fn plain_lines(text: &str) -> Cow<'_, str> {
    spelt(text, |letter| is_harmful(letter) && !matches!(letter, '\n' | '\t'))
}

fn spelt(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if harmful(letter) {
            let _infallible = write!(safe, "{}", letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

fn is_harmful(letter: char) -> bool {
    // Beside control characters: marks that reorder, hide or break what is shown.
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_spelt_out() {
        assert_eq!(plain("GET /ä €"), "GET /ä €");
        assert_eq!(plain("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(plain("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        assert_eq!(plain_lines("a\n\tb\r\u{9b}"), "a\n\tb\\r\\u{9b}");
    }

    #[test]
    fn bytes_as_read() {
        assert_eq!(
            [bytes(999), bytes(1_500), bytes(2_340_000), bytes(7_000_000_000)],
            ["999 B", "1.5 kB", "2.3 MB", "7.0 GB"]
        );
    }
}
