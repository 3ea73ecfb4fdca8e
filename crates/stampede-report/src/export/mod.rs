//! A run file as the files other tools read; the kind follows from the name's ending.
//!
//! Invariants: what is written comes from the run file alone; a file is there whole or not at all (it is written beside
//! its place and renamed), so a full disk never leaves half of one; whether a place can be written is known before a run
//! ([`check`]).
//! Absent on purpose: sending anywhere.

mod csv;
mod error;
mod hdr;
mod json;
pub(crate) mod junit;
pub(crate) mod markdown;
mod prometheus;
pub(crate) mod write;

use std::path::Path;
use std::str::FromStr;

use stampede_model::run::RunFile;

pub use error::{BadFormat, ExportError};
pub(crate) use json::figures_json;
pub use write::{check, check_as};

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The report as one page that needs nothing else.
    Html,
    /// The run file itself, with the chief figures under oha's names beside it; it can be read again.
    Json,
    /// Those chief figures alone.
    Oha,
    /// One line per second and step.
    Csv,
    /// Tables for a pull request.
    Markdown,
    /// One test case per threshold and per step.
    Junit,
    /// The percentile distribution as HdrHistogram's plotter reads it.
    Hgrm,
    /// The interval log of HdrHistogram, one line per second and step.
    Hlog,
    /// Prometheus' text format.
    Prometheus,
}

impl Format {
    /// Each kind with its name and the ending it has by itself.
    const ALL: [(Self, &'static str, Option<&'static str>); 9] = [
        (Self::Html, "html", Some("html")),
        (Self::Json, "json", Some("json")),
        (Self::Oha, "oha", None),
        (Self::Csv, "csv", Some("csv")),
        (Self::Markdown, "md", Some("md")),
        (Self::Junit, "junit", Some("xml")),
        (Self::Hgrm, "hgrm", Some("hgrm")),
        (Self::Hlog, "hlog", Some("hlog")),
        (Self::Prometheus, "prom", Some("prom")),
    ];

    /// The kind that `path`'s ending names.
    ///
    /// # Errors
    /// When the ending is of no kind.
    pub fn of(path: &Path) -> Result<Self, ExportError> {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, _, its)| its.is_some() && *its == ending.as_deref());
        found.map(|(format, ..)| *format).ok_or_else(|| ExportError::Ending { path: path.to_owned() })
    }

    /// The name under which it can be given.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// The endings that [`Format::of`] knows, for messages.
    pub fn endings() -> String {
        let endings: Vec<String> =
            Self::ALL.iter().filter_map(|(_, _, ending)| ending.map(|ending| format!(".{ending}"))).collect();
        endings.join(", ")
    }

    /// The names that can be given, for messages.
    pub fn names() -> String {
        Self::ALL.map(|(_, name, _)| name).join(", ")
    }
}

impl FromStr for Format {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<Self, BadFormat> {
        let mut all = Self::ALL.iter();
        let found = all.find(|(_, name, ending)| *name == text || *ending == Some(text));
        found.map(|(format, ..)| *format).ok_or_else(|| BadFormat { given: text.to_owned() })
    }
}

/// The file's content.
///
/// # Errors
/// When a figure cannot be put into the format.
pub fn render(format: Format, run: &RunFile) -> Result<Vec<u8>, ExportError> {
    let text = match format {
        Format::Html => crate::html::render(run),
        Format::Json => return json::document(run),
        Format::Oha => figures_json(run),
        Format::Csv => return csv::render(run),
        Format::Markdown => markdown::render(run),
        Format::Junit => junit::render(run),
        Format::Hgrm => hdr::distribution(run),
        Format::Hlog => return hdr::log(run),
        Format::Prometheus => prometheus::render(run),
    };
    Ok(text.into_bytes())
}

/// Writes `run` to `path`, as the ending says.
///
/// # Errors
/// When the ending is unknown or the file cannot be written; what stood there before is then unharmed.
pub fn write(path: &Path, run: &RunFile) -> Result<(), ExportError> {
    write_as(path, Format::of(path)?, run)
}

/// Writes `run` to `path` as `format`, whatever the ending says.
///
/// # Errors
/// As [`write()`], the ending excepted.
pub fn write_as(path: &Path, format: Format, run: &RunFile) -> Result<(), ExportError> {
    write::whole(path, &render(format, run)?)
}

/// What every format calls the run as a whole where it stands among its steps.
const WHOLE: &str = "(all)";
