//! An acceptance run as a file: the only input of its report.

use serde::{Deserialize, Serialize};

use super::{Ruling, Verdict};

/// The `format` of the file.
pub const ACCEPT_FORMAT: &str = "stampede.accept";
/// The `version` of the file.
pub const ACCEPT_VERSION: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptRun {
    /// Always [`ACCEPT_FORMAT`].
    pub format: String,
    /// Always [`ACCEPT_VERSION`].
    pub version: u32,
    /// The target's name.
    pub target: String,
    /// Where it answered.
    pub url: String,
    /// When the run began, in milliseconds since 1970.
    pub started_unix_ms: i64,
    /// How long it took, start and stop of the target included.
    pub elapsed_ms: u64,
    /// Whether it came to its end.
    pub end: RunEnd,
    /// The rows, in the order they finished.
    pub rows: Vec<RowReport>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Every chosen row was run.
    Complete,
    /// Somebody stopped it.
    Interrupted,
}

/// One row of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowReport {
    /// The row's name.
    pub id: String,
    /// What kind of test.
    pub test: String,
    /// What was done.
    pub metric: String,
    /// What had to come out.
    pub target: String,
    /// What was measured.
    pub figure: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Why it is not a pass; empty for one.
    pub reason: String,
    /// The first few violations or doubts.
    pub evidence: Vec<String>,
    /// How long it took.
    pub elapsed_ms: u64,
}

impl RowReport {
    /// Puts a ruling into the row's report.
    #[must_use]
    pub fn ruled(mut self, ruling: Ruling) -> Self {
        self.verdict = ruling.verdict;
        self.figure = ruling.figure;
        self.reason = ruling.reason;
        self.evidence = ruling.evidence;
        self
    }
}

/// A file that is no acceptance run.
#[derive(Debug, thiserror::Error)]
pub enum BadRunFile {
    /// Not JSON of this shape.
    #[error("not an acceptance run file")]
    Shape(#[from] serde_json::Error),
    /// JSON of another kind or time.
    #[error("this is `{format}` version {version}, not `{ACCEPT_FORMAT}` version {ACCEPT_VERSION}")]
    Version {
        /// What it says it is.
        format: String,
        /// Of which version.
        version: u32,
    },
}

impl AcceptRun {
    /// Reads a run file's text.
    pub fn parse(text: &str) -> Result<Self, BadRunFile> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let Head { format, version } = serde_json::from_str(text)?;
        if format != ACCEPT_FORMAT || version != ACCEPT_VERSION {
            return Err(BadRunFile::Version { format, version });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Whether any row came out so.
    pub fn any(&self, verdict: Verdict) -> bool {
        self.rows.iter().any(|row| row.verdict == verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> AcceptRun {
        AcceptRun {
            format: ACCEPT_FORMAT.into(),
            version: ACCEPT_VERSION,
            target: "t".into(),
            url: "http://127.0.0.1:1".into(),
            started_unix_ms: 1,
            elapsed_ms: 2,
            end: RunEnd::Complete,
            rows: Vec::new(),
        }
    }

    #[test]
    fn a_run_survives_its_file() {
        let text = serde_json::to_string(&run()).unwrap();
        assert_eq!(AcceptRun::parse(&text).unwrap(), run());
    }

    #[test]
    fn another_kind_of_file_is_refused_by_name() {
        let text = serde_json::to_string(&AcceptRun { format: "stampede.load".into(), ..run() }).unwrap();
        let error = AcceptRun::parse(&text).unwrap_err();
        assert!(error.to_string().contains("`stampede.load` version 1"), "{error}");
        assert!(AcceptRun::parse("{}").is_err());
    }
}
