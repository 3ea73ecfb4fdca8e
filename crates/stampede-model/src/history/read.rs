//! Reads a history back, line by line; every fault is named with its line.
//!
//! Invariants: what is returned has its operations in the order of their calls, each id once, no return before its call, one
//! process doing one thing at a time; a history whose end is missing is refused unless the caller allows it.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::{FORMAT, Heading, Operation, Outcome, VERSION};

/// Longest line that is read: an operation is small, and a file without lines is no history.
const MAX_LINE: u64 = 1 << 20;

/// A history that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// Its first line.
    pub heading: Heading,
    /// Its operations, in the order of the calls.
    pub operations: Vec<Operation>,
    /// Whether its last line was there.
    pub is_whole: bool,
}

/// Why a text is no history.
#[derive(Debug, Error)]
pub enum BadHistory {
    /// It cannot be read at all.
    #[error("{file}: {source}")]
    Read {
        /// The file's name.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One of its lines is wrong.
    #[error("{file}:{line}: {why}\nhint: {hint}")]
    Line {
        /// The file's name.
        file: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
        /// What to do about it.
        hint: &'static str,
    },
}

/// The file of a reader, for its messages.
struct Lines<'a, R> {
    from: R,
    file: &'a str,
    line: u64,
    text: Vec<u8>,
}

/// Reads a whole history; `file` is its name in messages.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read(from: impl BufRead, file: &str) -> Result<History, BadHistory> {
    let mut lines = Lines { from, file, line: 0, text: Vec::new() };
    let heading = heading(&mut lines)?;
    let mut operations: Vec<(u64, Operation)> = Vec::new();
    let mut is_whole = false;
    while let Some(value) = lines.next()? {
        if is_whole {
            return Err(lines.wrong("something follows the closing line", "a history ends with its line {\"end\":..}"));
        }
        if let Some(end) = value.get("end") {
            let told = end.get("operations").and_then(Value::as_u64);
            if told != Some(operations.len() as u64) {
                let why = format!("the closing line counts {end}, {} operations came before it", operations.len());
                return Err(lines.wrong(why, "lines are missing or were added; take the file as it was written"));
            }
            is_whole = true;
            continue;
        }
        let operation = Operation::deserialize(value).map_err(|error| {
            lines.wrong(format!("this is no operation: {error}"), "docs/checking.md describes the lines of a history")
        })?;
        if operation.return_ns.is_some_and(|return_ns| return_ns < operation.call_ns) {
            return Err(lines.wrong(
                format!("operation {} returned before it was called", operation.id),
                "both times come from one monotonic clock; a wall clock may run backwards",
            ));
        }
        if operation.return_ns.is_none() && operation.outcome != Outcome::Info {
            return Err(lines.wrong(
                format!("operation {} has an outcome but no return", operation.id),
                "give return_ns, or say \"outcome\":\"info\"",
            ));
        }
        operations.push((lines.line, operation));
    }
    operations.sort_by_key(|(_, operation)| (operation.call_ns, operation.id));
    lines.check_order(&operations)?;
    let operations = operations.into_iter().map(|(_, operation)| operation).collect();
    Ok(History { heading, operations, is_whole })
}

fn heading<R: BufRead>(lines: &mut Lines<'_, R>) -> Result<Heading, BadHistory> {
    let hint = "a history begins with {\"history\":\"stampede\",\"version\":1,\"model\":\"stock\"}";
    let Some(value) = lines.next()? else {
        lines.line = 1;
        return Err(lines.wrong("the file is empty", hint));
    };
    if value.get("history").and_then(Value::as_str) != Some(FORMAT) {
        return Err(lines.wrong("this is not the first line of a history", hint));
    }
    if value.get("version").and_then(Value::as_u64) != Some(u64::from(VERSION)) {
        let found = value.get("version").cloned().unwrap_or(Value::Null);
        return Err(
            lines.wrong(format!("version {found} is not known, only {VERSION}"), "use the program that wrote it")
        );
    }
    Heading::deserialize(value).map_err(|error| lines.wrong(format!("the first line is wrong: {error}"), hint))
}

impl<R: BufRead> Lines<'_, R> {
    fn wrong(&self, why: impl Into<String>, hint: &'static str) -> BadHistory {
        BadHistory::Line { file: self.file.to_owned(), line: self.line, why: why.into(), hint }
    }

    /// The next line that is not empty.
    fn next(&mut self) -> Result<Option<Value>, BadHistory> {
        loop {
            self.text.clear();
            let mut limited = io::Read::take(&mut self.from, MAX_LINE);
            let length = limited.read_until(b'\n', &mut self.text).map_err(|source| self.unreadable(source))?;
            if length == 0 {
                return Ok(None);
            }
            self.line += 1;
            let is_ended = self.text.last() == Some(&b'\n');
            if !is_ended && length as u64 == MAX_LINE {
                return Err(self.wrong("the line is longer than 1 MiB", "one operation a line"));
            }
            if self.text.trim_ascii().is_empty() {
                continue;
            }
            return serde_json::from_slice(&self.text).map(Some).map_err(|error| {
                if is_ended {
                    self.wrong(format!("this is no JSON: {error}"), "one JSON object a line")
                } else {
                    self.wrong(
                        "the file ends in the middle of a line",
                        "the run that wrote it was cut off; run it again",
                    )
                }
            });
        }
    }

    fn unreadable(&self, source: io::Error) -> BadHistory {
        BadHistory::Read { file: self.file.to_owned(), source }
    }

    /// Each id once; no process begins anything while it is at something else.
    fn check_order(&self, operations: &[(u64, Operation)]) -> Result<(), BadHistory> {
        let mut ids = HashSet::with_capacity(operations.len());
        let mut busy_until: HashMap<u64, (u64, u64)> = HashMap::new();
        for (line, operation) in operations {
            let wrong = |why: String, hint| BadHistory::Line { file: self.file.to_owned(), line: *line, why, hint };
            if !ids.insert(operation.id) {
                return Err(wrong(
                    format!("operation {} is there twice", operation.id),
                    "each operation has its own id",
                ));
            }
            if let Some((until_ns, other)) = busy_until.get(&operation.process)
                && *until_ns > operation.call_ns
            {
                return Err(wrong(
                    format!("process {} begins operation {} during operation {other}", operation.process, operation.id),
                    "a process does one thing at a time; after an unknown outcome the client takes a new number",
                ));
            }
            busy_until.insert(operation.process, (operation.return_ns.unwrap_or(u64::MAX), operation.id));
        }
        Ok(())
    }
}
