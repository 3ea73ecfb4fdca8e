//! A stress run as files.

use std::path::Path;

use stampede_model::stress::StressRun;

use super::{junit, markdown, summary};
use crate::export::{self, ExportError, Format, write::whole};
use crate::html;

/// Whether `path` could be written now, its ending of a kind that holds a stress run; nothing is changed.
///
/// # Errors
/// As [`export::check`], and when the kind is for load runs alone.
pub fn check(path: &Path) -> Result<(), ExportError> {
    check_as(path, Format::of(path)?)
}

/// The same, whatever the ending.
///
/// # Errors
/// As [`check`], the ending excepted.
pub fn check_as(path: &Path, format: Format) -> Result<(), ExportError> {
    if !matches!(format, Format::Html | Format::Json | Format::Markdown | Format::Junit) {
        return Err(ExportError::NotForStress { format: format.name() });
    }
    export::check_as(path)
}

/// The file's content.
///
/// # Errors
/// When the kind is for load runs alone, or a figure cannot be put into it.
pub fn render(format: Format, run: &StressRun) -> Result<Vec<u8>, ExportError> {
    let text = match format {
        Format::Html => html::stress_page(run),
        Format::Json => return summary::document(run),
        Format::Markdown => markdown::document(run),
        Format::Junit => junit::document(run),
        Format::Oha | Format::Csv | Format::Hgrm | Format::Hlog | Format::Prometheus => {
            return Err(ExportError::NotForStress { format: format.name() });
        }
    };
    Ok(text.into_bytes())
}

/// Writes `run` to `path`, as the ending says.
///
/// # Errors
/// When the ending is of no fitting kind or the file cannot be written; what stood there before is then unharmed.
pub fn write(path: &Path, run: &StressRun) -> Result<(), ExportError> {
    write_as(path, Format::of(path)?, run)
}

/// Writes `run` to `path` as `format`, whatever the ending says.
///
/// # Errors
/// As [`write()`], the ending excepted.
pub fn write_as(path: &Path, format: Format, run: &StressRun) -> Result<(), ExportError> {
    whole(path, &render(format, run)?)
}
