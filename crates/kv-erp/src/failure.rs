//! A command that did not do what it was asked: one line, and what to do about it.

use std::error::Error;
use std::fmt;

/// What the caller's shell sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something was missing or refused.
    Failed,
    /// The command line or the environment was wrong; nothing was tried.
    Usage,
}

impl Exit {
    /// The exit status.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
        }
    }
}

/// Why a command ends.
#[derive(Debug)]
pub struct Failure {
    /// What the shell sees.
    pub exit: Exit,
    text: String,
    hint: Option<String>,
}

impl Failure {
    /// Something was missing or refused.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, text: text.into(), hint: None }
    }

    /// The command line or the environment was wrong.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, text: text.into(), hint: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether it says what to do.
    pub const fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    /// A failure with an error's words and those of its causes. A `; hint: ..` in them becomes the hint, or what helps against a
    /// connection that is not encrypted as it should be.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let text = chain(error);
        // What follows the first line is a server's log; it stays where it is.
        let line = text.lines().next().unwrap_or_default();
        match line.split_once("; hint: ") {
            Some((text, hint)) => Self::failed(text).hint(hint),
            None => Self { hint: kv_store::advice(error).map(str::to_owned), ..Self::failed(line) },
        }
    }

    /// The same, begun with what was being done.
    pub fn while_doing(action: &str, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::of(error);
        failure.text = format!("{action}: {}", failure.text);
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// An error and its causes in one text. A cause that an error repeats in its own words is left out.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("cannot open the door: {source}; hint: knock")]
    struct Door {
        source: io::Error,
    }

    #[test]
    fn a_hint_is_taken_out_and_a_repeated_cause_left_out() {
        let failure = Failure::of(&Door { source: io::Error::other("locked") });
        assert_eq!(failure.to_string(), "error: cannot open the door: locked\nhint: knock");
    }

    #[test]
    fn only_the_first_line_is_kept() {
        let failure = Failure::while_doing("starting", &io::Error::other("it died\nlog line 1\nlog line 2"));
        assert_eq!(failure.to_string(), "error: starting: it died");
        assert_eq!(failure.exit.code(), 1);
    }
}
