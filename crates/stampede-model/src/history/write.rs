//! A history as lines of JSON, written while the run goes on: memory does not grow with it.

use std::io::{self, Write};

use serde::Serialize;

use super::{Heading, Operation};

/// Writes the heading, then each operation as it ends, then the closing line.
#[derive(Debug)]
pub struct HistoryWriter<W: Write> {
    to: W,
    written: u64,
}

/// The last line: a history without it was cut off.
#[derive(Serialize)]
struct Closing {
    end: Count,
}

#[derive(Serialize)]
struct Count {
    operations: u64,
}

impl<W: Write> HistoryWriter<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn begin(mut to: W, heading: &Heading) -> io::Result<Self> {
        line(&mut to, heading)?;
        Ok(Self { to, written: 0 })
    }

    /// Adds one operation.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn add(&mut self, operation: &Operation) -> io::Result<()> {
        line(&mut self.to, operation)?;
        self.written += 1;
        Ok(())
    }

    /// Writes the closing line and hands the writer back, flushed.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn end(mut self) -> io::Result<W> {
        line(&mut self.to, &Closing { end: Count { operations: self.written } })?;
        self.to.flush()?;
        Ok(self.to)
    }
}

fn line(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}
