//! The null server in a process of its own: what the two sides say to each other.
//!
//! The child's first line is its URL; to each line it is sent it answers with one: requests and CPU time so far.
//! Invariant: the child ends with its standard input, so it never outlives a parent, however that one ended.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use super::{Habits, NullServer};
use crate::process::process_cpu_ns;

/// The child's side: serves until `from` ends.
///
/// # Errors
/// When the server cannot start, or the parent does not read.
pub fn attend(habits: Habits, from: impl BufRead, mut to: impl Write) -> io::Result<()> {
    let server = NullServer::start(habits)?;
    writeln!(to, "{}", server.url())?;
    to.flush()?;
    for line in from.lines() {
        line?;
        writeln!(to, "{} {}", server.requests(), process_cpu_ns())?;
        to.flush()?;
    }
    Ok(())
}

/// The parent's side; the child ends when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    url: String,
}

/// What the server has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests read.
    pub requests: u64,
    /// CPU time of its process, in nanoseconds.
    pub cpu_ns: u64,
}

impl Child {
    /// Runs `program`, which is to call [`attend`] when it gets these words, and waits for its URL.
    ///
    /// # Errors
    /// When the program cannot be run or says no URL.
    pub fn spawn(program: &Path, words: &[String]) -> io::Result<Self> {
        let mut process = Command::new(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both were asked for as pipes")
        };
        let mut child = Self { process, to, from: BufReader::new(from), url: String::new() };
        child.url = child.line()?;
        Ok(child)
    }

    /// A URL of it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// When it does not live any more.
    pub fn tally(&mut self) -> io::Result<Tally> {
        self.to.write_all(b"\n")?;
        let line = self.line()?;
        let read = || {
            let (requests, cpu_ns) = line.split_once(' ')?;
            Some(Tally { requests: requests.parse().ok()?, cpu_ns: cpu_ns.parse().ok()? })
        };
        read().ok_or_else(|| io::Error::other(format!("the null server says {line:?}")))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the null server ended"));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only for a process that has ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
