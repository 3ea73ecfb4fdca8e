//! A stress run as JSON: the file itself, and the figures without the measurement.

use serde::Serialize;
use stampede_model::stress::{Figure, Finding, StressFile, StressKind, StressRun};
use stampede_model::threshold::Judged;

use crate::export::ExportError;
use crate::words::Outcome;

/// What scripts ask for.
#[derive(Serialize)]
pub(crate) struct Brief<'a> {
    verdict: &'static str,
    kind: StressKind,
    target: &'a str,
    thresholds: &'a [Judged],
    findings: &'a [Finding],
    figures: &'a [Figure],
}

impl<'a> Brief<'a> {
    pub(crate) fn of(run: &'a StressRun) -> Self {
        Self {
            verdict: Outcome::of_stress(run).word(),
            kind: run.kind,
            target: &run.target,
            thresholds: &run.thresholds,
            findings: &run.findings,
            figures: &run.figures,
        }
    }
}

/// The chief figures as indented text.
pub(super) fn figures(run: &StressRun) -> String {
    let mut text = serde_json::to_string_pretty(&Brief::of(run)).expect("numbers and words are always JSON");
    text.push('\n');
    text
}

/// The file as bytes, on one line; it can be read again.
pub(crate) fn document(run: &StressRun) -> Result<Vec<u8>, ExportError> {
    let file: StressFile = run.clone().into_file();
    let bytes = serde_json::to_vec(&file);
    let mut bytes = bytes.map_err(|source| ExportError::Content { format: "JSON", source: source.into() })?;
    bytes.push(b'\n');
    Ok(bytes)
}
