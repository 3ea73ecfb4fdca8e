//! Result files.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use stampede_model::stress::StressFile;

use super::args::Output;
use crate::Failure;

/// Makes sure the file can be written before anything is started, without harming what stands there.
pub(super) fn check(output: &Output) -> Result<(), Failure> {
    let Some(path) = &output.json else { return Ok(()) };
    let opened = OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).with_context(|| format!("cannot write {}", path.display())).map_err(Failure::usage)
}

/// Writes a run.
pub(super) fn write(path: &Path, file: &StressFile) -> anyhow::Result<()> {
    let saved = || -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(file)?;
        text.push(b'\n');
        let mut file = OpenOptions::new().write(true).truncate(true).create(true).open(path)?;
        Ok(file.write_all(&text)?)
    };
    saved().with_context(|| format!("cannot write {}", path.display()))
}
