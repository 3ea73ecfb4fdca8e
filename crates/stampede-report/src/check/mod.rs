//! A run of `stampede check` made readable: one line as it goes on, and the whole as text, Markdown, JUnit and a page.
//!
//! Invariants: nothing is judged here, and every figure comes from the run; a violation is told by its operations before
//! anything else; a doubt says what to do about it; words from outside are shown, never obeyed; a script is quoted so that
//! no value of a history becomes a command.
//! Absent on purpose: whole histories. They are files of their own.

mod advice;
mod junit;
mod markdown;
pub(crate) mod scale;
pub(crate) mod script;
pub(crate) mod text;
pub(crate) mod timeline;
pub(crate) mod words;

use stampede_model::check::{CheckRun, WorkloadVerdict};

pub(crate) use advice::advice;

/// One workload that was judged, for showing it at once; below it, why it does not hold.
pub fn line(verdict: &WorkloadVerdict) -> String {
    text::line(verdict)
}

/// The whole run for a terminal.
pub fn text(run: &CheckRun) -> String {
    text::render(run)
}

/// The whole run as Markdown.
pub fn markdown(run: &CheckRun) -> String {
    markdown::render(run)
}

/// The whole run as JUnit: a case for each workload, an error where the verdict is unknown.
pub fn junit(run: &CheckRun) -> String {
    junit::render(run)
}

/// The whole run as a page that needs nothing else.
pub fn html(run: &CheckRun) -> String {
    crate::html::check_page(run)
}
