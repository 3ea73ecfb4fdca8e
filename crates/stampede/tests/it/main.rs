//! The built command line, run as a user would: arguments in, text and exit code out.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise, and its helpers with it")]

mod ab;
mod accept;
mod autoscale;
mod chaos;
mod check;
mod compare;
mod diagnose;
mod doctor;
mod gateway;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod live;
mod load;
mod plan;
mod pty;
mod recorded;
mod report;
mod resp;
mod run;
mod server;
mod stress;
mod usage;

use std::process::{Command, Output};

/// Runs `stampede` with these words.
fn stampede(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stampede")).args(words).output().unwrap()
}

/// Standard output as text.
fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
fn remarked(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
