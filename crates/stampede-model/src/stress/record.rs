//! A stress run as it stands in a file: which tools ran, what they and the server said, what was concluded.
//!
//! Invariants: a file names its format and version; every list is bounded by whoever fills it; figures have unique names;
//! times are nanoseconds in integers where they are counted by us, and [`Unit::Ns`] where a tool measured them.

use serde::{Deserialize, Serialize};

use super::figure::Figure;
#[cfg(doc)]
use super::figure::Unit;
use super::pgbench::StatementLatency;
use super::pool::PoolRecord;
use super::postgres::{PostgresFindings, PostgresSample};
use super::redis::{RedisFindings, RedisSample};
use super::steps::StepsRecord;
use crate::run::Environment;
use crate::run_result::Ending;
use crate::threshold::{Judged, Judgement};

/// What stands in `format` of a file of its own.
pub const STRESS_FORMAT: &str = "stampede.stress";
/// The only version this build writes.
pub const STRESS_VERSION: u32 = 1;

/// What was stressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StressKind {
    /// A PostgreSQL, by pgbench.
    Postgres,
    /// A Redis, by redis-benchmark.
    Redis,
    /// A service whose database has no connection left.
    Pool,
    /// A service, by rising rates.
    Http,
}

/// One stress run in a file of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StressFile {
    /// Always [`STRESS_FORMAT`].
    pub format: String,
    /// Always [`STRESS_VERSION`].
    pub version: u32,
    /// The run.
    #[serde(flatten)]
    pub run: StressRun,
}

/// One stress run with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StressRun {
    /// What was stressed.
    pub kind: StressKind,
    /// Where, without a password.
    pub target: String,
    /// When it began, nanoseconds since 1970 (UTC).
    pub started_unix_ns: u64,
    /// How long it took, in nanoseconds.
    pub elapsed_ns: u64,
    /// How it came to its end.
    pub ending: Ending,
    /// Thresholds and how they came out.
    pub thresholds: Vec<Judged>,
    /// What was found out beyond figures, gravest first.
    pub findings: Vec<Finding>,
    /// Every figure of the run, by name.
    pub figures: Vec<Figure>,
    /// The tools that ran, in order.
    pub tools: Vec<ToolRecord>,
    /// The server, second by second.
    pub samples: Vec<ServerSample>,
    /// What was seen inside PostgreSQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresFindings>,
    /// What was seen inside Redis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisFindings>,
    /// How a service took the loss of its connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolRecord>,
    /// How a service took rising rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsRecord>,
    /// The machine and program that measured.
    pub environment: Environment,
}

/// Something worth saying in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it means for the verdict.
    pub grade: Grade,
    /// In words.
    pub text: String,
}

/// What a finding means for the verdict. The order is from gravest to lightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// The system did what it never may.
    Violation,
    /// A limit is broken.
    Missed,
    /// The verdict stays open.
    Doubt,
    /// Nothing, but worth knowing.
    Note,
}

/// A tool that ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolRecord {
    /// Its name, such as `pgbench`.
    pub tool: String,
    /// Its version, as it says.
    pub version: String,
    /// The command line, without a password.
    pub command: String,
    /// How it ended.
    pub exit: String,
    /// What it measured.
    pub figures: Vec<Figure>,
    /// What it said while it ran, second by second.
    pub series: Vec<SecondFigures>,
    /// The statements it timed one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementLatency>,
    /// The last lines it printed.
    pub raw_tail: String,
}

/// What a tool said of one second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecondFigures {
    /// Nanoseconds after the tool's start.
    pub at_ns: u64,
    /// What it measured since its last word.
    pub figures: Vec<Figure>,
}

/// A look at the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "server", rename_all = "snake_case")]
pub enum ServerSample {
    /// At PostgreSQL.
    Postgres(PostgresSample),
    /// At Redis.
    Redis(RedisSample),
}

impl StressRun {
    /// A run that has only begun.
    pub fn begun(kind: StressKind, target: impl Into<String>, started_unix_ns: u64) -> Self {
        Self {
            kind,
            target: target.into(),
            started_unix_ns,
            elapsed_ns: 0,
            ending: Ending::Complete,
            thresholds: Vec::new(),
            findings: Vec::new(),
            figures: Vec::new(),
            tools: Vec::new(),
            samples: Vec::new(),
            postgres: None,
            redis: None,
            pool: None,
            steps: None,
            environment: Environment::default(),
        }
    }

    /// Adds what was found out.
    pub fn find(&mut self, grade: Grade, text: impl Into<String>) {
        self.findings.push(Finding { grade, text: text.into() });
        self.findings.sort_by_key(|finding| finding.grade);
    }

    /// Whether any finding is of this grade.
    pub fn has(&self, grade: Grade) -> bool {
        self.findings.iter().any(|finding| finding.grade == grade)
    }

    /// Whether any threshold came out as `judgement`.
    pub fn any(&self, judgement: Judgement) -> bool {
        self.thresholds.iter().any(|judged| judged.judgement == judgement)
    }

    /// The value of a figure.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    /// The run as a file of its own.
    pub fn into_file(self) -> StressFile {
        StressFile { format: STRESS_FORMAT.to_owned(), version: STRESS_VERSION, run: self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stress::figure::Unit;

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let mut run = StressRun::begun(StressKind::Postgres, "postgres://me:***@h/d", 5);
        run.figures.push(Figure::new("tps", 12.5, Unit::PerSecond));
        run.find(Grade::Note, "worth knowing");
        run.find(Grade::Violation, "a 500");
        assert_eq!(run.findings[0].grade, Grade::Violation, "gravest first");
        let file = run.into_file();
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!((&json["format"], &json["version"]), (&"stampede.stress".into(), &1.into()));
        assert_eq!(json["figures"][0]["unit"], "per_second");
        assert_eq!(serde_json::from_value::<StressFile>(json).unwrap(), file);
    }
}
