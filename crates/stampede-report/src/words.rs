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
    pub(crate) fn of(run: &RunFile) -> Self {
        if run.any(Judgement::Fail) {
            Self::Fail
        } else if !run.trust.stands() {
            Self::Doubtful
        } else if run.any(Judgement::Unknown) {
            Self::Open
        } else if run.thresholds.is_empty() {
            Self::Unjudged
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

/// What was loaded: the scenario's name, or method and URL.
pub(crate) fn target(run: &RunFile) -> String {
    let plan = &run.plan;
    match &plan.scenario {
        Some(scenario) => plain(&scenario.name).into_owned(),
        None => plain(&format!("{} {}", plan.method, plan.url)).into_owned(),
    }
}

/// When requests left, in a line.
pub(crate) fn model(run: &RunFile) -> String {
    match &run.plan.arrivals {
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

/// The asked rate; `None` in a closed model, and where it changed on the way.
pub(crate) fn asked_per_s(run: &RunFile) -> Option<f64> {
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

/// How the run ended, when not as planned.
pub(crate) fn ending(run: &RunFile) -> Option<String> {
    (run.result.ending != Ending::Complete).then(|| tag(&run.result.ending))
}

/// The word under which a variant stands in a run file.
pub(crate) fn tag(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word.replace('_', " "),
        _ => String::new(),
    }
}

/// The beginning of the run, UTC, to the second.
pub(crate) fn started(run: &RunFile) -> String {
    timestamp(run).map_or_else(|| "unknown".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The beginning of the run as machines read it; `None` when it is beyond what a calendar holds.
pub(crate) fn timestamp(run: &RunFile) -> Option<Timestamp> {
    Timestamp::from_nanosecond(i128::from(run.started_unix_ns)).ok()
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
