//! The summary of a run as text: the verdict first, then what it rests on.
//!
//! Invariants: everything shown follows from the run file; colour only repeats what a word says; without colour the text
//! holds no escape sequence at all, whatever a name or an error text contained.
//! Absent on purpose: the look at the terminal. The caller knows it.

mod bars;
pub(crate) mod parts;

use stampede_model::run::RunFile;
use stampede_model::run_result::LoadResult;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Verdict, counts, latency, errors.
    Short,
    /// Everything.
    #[default]
    Full,
    /// The chief figures as one JSON document, for scripts.
    Json,
    /// Nothing.
    None,
}

/// A word that names no detail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no summary: use short, full, json or none")]
pub struct BadDetail {
    given: String,
}

impl std::str::FromStr for Detail {
    type Err = BadDetail;

    fn from_str(text: &str) -> Result<Self, BadDetail> {
        match text {
            "short" => Ok(Self::Short),
            "full" => Ok(Self::Full),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            other => Err(BadDetail { given: other.to_owned() }),
        }
    }
}

/// Whether verdicts may be coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// No escape sequence at all.
    #[default]
    Plain,
    /// For a terminal.
    Colour,
}

impl Paint {
    /// Colour on a terminal, unless `no_color` (the value of the variable `NO_COLOR`) is set and not empty.
    pub fn of(is_terminal: bool, no_color: Option<&str>) -> Self {
        if is_terminal && no_color.is_none_or(str::is_empty) { Self::Colour } else { Self::Plain }
    }

    pub(crate) fn word(self, word: &str) -> String {
        let code = match (self, word) {
            (Self::Colour, "PASS") => "32",
            (Self::Colour, "FAIL" | "NOT TRUSTWORTHY") => "1;31",
            (Self::Colour, "OPEN") => "33",
            _ => return word.to_owned(),
        };
        format!("\x1b[{code}m{word}\x1b[0m")
    }
}

/// The summary without colour; it ends with a line end, or is empty.
pub fn render(run: &RunFile, detail: Detail) -> String {
    render_painted(run, detail, Paint::Plain)
}

/// The summary, its verdicts coloured as `paint` says.
pub fn render_painted(run: &RunFile, detail: Detail, paint: Paint) -> String {
    match detail {
        Detail::None => String::new(),
        Detail::Json => crate::export::figures_json(run),
        Detail::Short => joined([
            parts::title(run),
            parts::banner(run, paint),
            parts::thresholds(run, paint),
            parts::counts(run),
            parts::latency(&run.result),
            parts::statuses(&run.result),
            parts::failures(&run.result.failures),
            parts::health(run),
            stress(run, detail, paint),
        ]),
        Detail::Full => joined([
            parts::title(run),
            parts::banner(run, paint),
            parts::thresholds(run, paint),
            parts::counts(run),
            parts::latency(&run.result),
            steps(&run.result),
            parts::statuses(&run.result),
            parts::failures(&run.result.failures),
            bars::histogram(&run.result.latency.intent),
            parts::phases(&run.result.latency),
            parts::meetings(&run.result.meetings),
            parts::events(&run.result.events),
            parts::health(run),
            stress(run, detail, paint),
        ]),
    }
}

pub(crate) fn joined(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// What was put beside the run.
fn stress(run: &RunFile, detail: Detail, paint: Paint) -> String {
    joined(run.stress.iter().map(|stress| crate::stress::summary(stress, detail, paint)))
}

/// One step alone says nothing that the whole did not.
fn steps(result: &LoadResult) -> String {
    if result.steps.len() > 1 { parts::steps(result) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_needs_a_terminal_that_was_not_told_otherwise() {
        assert_eq!(Paint::of(true, None), Paint::Colour);
        assert_eq!(Paint::of(true, Some("")), Paint::Colour);
        assert_eq!(Paint::of(true, Some("1")), Paint::Plain);
        assert_eq!(Paint::of(false, None), Paint::Plain);
    }

    #[test]
    fn details_by_name() {
        assert_eq!("full".parse(), Ok(Detail::Full));
        assert!("loud".parse::<Detail>().unwrap_err().to_string().contains("short, full, json or none"));
    }
}
