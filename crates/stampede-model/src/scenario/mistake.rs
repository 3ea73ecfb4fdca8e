//! What is wrong with a scenario: file, line, column, the line itself with a mark under the place, and a hint.
//!
//! Invariant: a place is a range of bytes of one of the files that were read; a place that lies outside is shown as the
//! file's first line, never as a panic.

use std::fmt;

use thiserror::Error;

use crate::target::nearest;

/// A range of bytes in one of the scenario's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// One mistake or warning, with all that is needed to show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named by the caller or in `include`.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    source_line: String,
    marked: usize,
}

/// All mistakes of a scenario, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Mistakes {
    /// At least one.
    pub list: Vec<Mistake>,
}

/// Mistakes that are shown at once; a file with more is better mended in rounds.
const SHOWN: usize = 25;
/// Longest part of a line that is shown: a line of data may be as long as it likes.
const WIDE: usize = 160;

/// The text of one file.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) sort: SourceSort,
}

/// What a file is to the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceSort {
    /// Part of it.
    Scenario,
    /// Rows that it uses.
    Data,
}

/// What was found so far, as places and words.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    list: Vec<(Place, String, String)>,
}

impl Findings {
    pub(super) fn add(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        let message = message.into();
        // A text may be compiled for several steps: its mistake is one.
        if !self.list.iter().any(|(known, said, _)| *known == place && *said == message) {
            self.list.push((place, message, hint.into()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings with their lines, in the order of the files.
    pub(super) fn located(mut self, files: &[SourceFile]) -> Vec<Mistake> {
        self.list.sort_by_key(|(place, ..)| *place);
        self.list.into_iter().map(|(place, message, hint)| located(files, place, message, hint)).collect()
    }
}

fn located(files: &[SourceFile], place: Place, message: String, hint: String) -> Mistake {
    let empty = SourceFile { name: String::new(), text: String::new(), sort: SourceSort::Data };
    let file = files.get(place.file).unwrap_or(&empty);
    let before = file.text.get(..place.start).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = file.text[line_start..].find('\n').map_or(file.text.len(), |length| line_start + length);
    let end = place.end.clamp(before.len(), line_end.max(before.len()));
    let marked = file.text.get(before.len()..end).unwrap_or("").chars().count().max(1);
    Mistake {
        file: file.name.clone(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message,
        hint,
        source_line: file.text[line_start..line_end].trim_end_matches('\r').to_owned(),
        marked,
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        // A long line is shown around the place.
        let skipped = if self.column > WIDE / 2 { self.column - WIDE / 4 } else { 0 };
        let shown: String = self.source_line.chars().skip(skipped).take(WIDE).collect();
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let before: String = shown
            .chars()
            .take(self.column - 1 - skipped)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        let room = shown.chars().count().saturating_sub(self.column - 1 - skipped).max(1);
        writeln!(f, "{margin} |\n{number} | {shown}")?;
        write!(f, "{margin} | {before}{}\nhint: {}", "^".repeat(self.marked.min(room)), self.hint)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.list.iter().take(SHOWN).enumerate() {
            let gap = if at == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{mistake}")?;
        }
        match self.list.len() {
            0 | 1 => Ok(()),
            count if count <= SHOWN => write!(f, "\n\n{count} mistakes"),
            count => write!(f, "\n\n{count} mistakes, of which the first {SHOWN} are shown"),
        }
    }
}

/// A hint for a name that is unknown: the nearest known one, or all of them.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, none: &str) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => none.to_owned(),
        None => format!("known: {}", listed(&known)),
    }
}

/// Names that a hint lists: a screen, not a catalogue.
const LISTED: usize = 24;

fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, start: usize, end: usize) -> String {
        let files = [SourceFile { name: "a.toml".into(), text: text.into(), sort: SourceSort::Scenario }];
        located(&files, Place { file: 0, start, end }, "wrong".into(), "right".into()).to_string()
    }

    #[test]
    fn the_line_is_shown_with_a_mark_under_the_place() {
        insta::assert_snapshot!(show("a = 1\nbé = \"{x}\" # c\n", 13, 16), @r#"
        a.toml:2:7: wrong
          |
        2 | bé = "{x}" # c
          |       ^^^
        hint: right
        "#);
    }

    #[test]
    fn a_place_may_be_empty_at_the_end_or_beyond() {
        assert!(show("a = 1", 5, 5).contains("a.toml:1:6"));
        assert!(show("", 0, 0).contains("a.toml:1:1"));
        assert!(show("a", 70, 90).contains("a.toml:1:1"), "a place outside of the text is no panic");
        assert!(show("é", 1, 2).contains("a.toml:1:1"), "nor one inside a letter");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("{}HERE{}", "x".repeat(500), "y".repeat(500));
        let shown = show(&text, 500, 504);
        assert!(shown.contains("xHEREy") && shown.contains("^^^^\n"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 200), "{shown}");
    }

    #[test]
    fn hints_name_what_is_known() {
        assert_eq!(did_you_mean("tokn", ["token", "user"], ""), "did you mean `token`?");
        assert_eq!(did_you_mean("zzz", ["token", "user"], ""), "known: `token`, `user`");
        assert_eq!(did_you_mean("zzz", [], "there is none"), "there is none");
    }
}
