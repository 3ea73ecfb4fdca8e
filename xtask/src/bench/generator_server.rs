//! The server that all generators are measured against: `stampede doctor --serve-null` in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result};

use super::peers::{Core, pinned};

/// A running server; it ends when dropped.
pub(super) struct NullServer {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    pub(super) url: String,
}

impl NullServer {
    /// Starts it with these flags on its core.
    pub(super) fn start(stampede: &Path, flags: &[&str]) -> Result<Self> {
        let mut process = pinned(Core::Server, stampede)
            .args(["doctor", "--serve-null"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the null server")?;
        let to = process.stdin.take().context("the null server's input")?;
        let from = BufReader::new(process.stdout.take().context("the null server's output")?);
        let mut server = Self { process, to, from, url: String::new() };
        server.url = server.line()?;
        Ok(server)
    }

    /// Requests it has read so far.
    pub(super) fn requests(&mut self) -> Result<u64> {
        self.to.write_all(b"\n")?;
        let line = self.line()?;
        let count = line.split(' ').next().and_then(|count| count.parse().ok());
        count.with_context(|| format!("the null server says {line:?}"))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let length = self.from.read_line(&mut line).context("the null server is gone")?;
        anyhow::ensure!(length > 0, "the null server ended");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        // Both fail only for a process that has ended by itself.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
