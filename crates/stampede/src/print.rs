//! Where words go: results to standard output, everything else to standard error.
//!
//! Invariant: a closed pipe (`stampede ... | head -1`) ends the printing quietly; it is never a panic.

use std::fmt::{Arguments, Display, Write as _};
use std::io::{self, IsTerminal, Write};

use stampede_report::summary::Paint;

/// Adds formatted text to a text.
pub(crate) trait Append {
    /// Appends `text`.
    fn append(&mut self, text: Arguments<'_>);
}

impl Append for String {
    fn append(&mut self, text: Arguments<'_>) {
        self.write_fmt(text).expect("writing to a String cannot fail");
    }
}

/// Prints a result.
pub(crate) fn result(text: &str) {
    put(&mut io::stdout().lock(), text.as_bytes());
}

/// Prints a result that need not be text.
pub(crate) fn result_bytes(bytes: &[u8]) {
    put(&mut io::stdout().lock(), bytes);
}

/// Prints a remark that is no result.
pub(crate) fn remark(text: impl Display) {
    put(&mut io::stderr().lock(), format!("{text}\n").as_bytes());
}

/// Prints an error with its causes, on one line.
pub(crate) fn error(error: &anyhow::Error) {
    remark(format_args!("error: {error:#}"));
}

/// Replaces the current line of a terminal.
pub(crate) fn replace_line(text: impl Display) {
    put(&mut io::stderr().lock(), format!("\r\x1b[K{text}").as_bytes());
}

/// Whether verdicts among the results may be coloured: on a terminal, unless `NO_COLOR` says otherwise.
pub(crate) fn paint() -> Paint {
    Paint::of(io::stdout().is_terminal(), std::env::var("NO_COLOR").ok().as_deref())
}

/// Whether remarks go to a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

fn put(to: &mut impl Write, bytes: &[u8]) {
    // The only way this fails is that nobody reads any more.
    drop(to.write_all(bytes).and_then(|()| to.flush()));
}
