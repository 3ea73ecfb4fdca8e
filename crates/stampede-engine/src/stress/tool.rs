//! Finds a tool, runs it under supervision, and reads what it prints while it runs.
//!
//! Invariants: the tool ends with the bench, even when that is killed; its output goes to a file for its owner's eyes, of
//! which at most [`READ_MAX`] bytes are read; passwords travel by environment where the tool allows it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sandbox::{ProcessSpec, Signal, Supervised};
use stampede_model::stress::redact;

use super::StressError;

/// Most bytes of a tool's output that are read, from its end.
const READ_MAX: u64 = 4 << 20;
/// Most lines of a tool's output that a record keeps.
const TAIL_LINES: usize = 40;
/// Where versions of PostgreSQL lie side by side; what Debian puts on PATH is a script that chooses among them.
const POSTGRES_ROOT: &str = "/usr/lib/postgresql";

/// A tool that is installed.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    name: &'static str,
    program: PathBuf,
    version: String,
}

/// What to run a tool with.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// Its arguments; the one after `-a` is not shown.
    pub(super) args: Vec<String>,
    /// Variables for it. Their values are shown, unless the name speaks of a password.
    pub(super) env: Vec<(String, String)>,
    /// What must not be shown wherever it stands.
    pub(super) secret: Option<String>,
}

/// A tool that runs.
#[derive(Debug)]
pub(super) struct Running {
    process: Supervised,
    output: PathBuf,
    read: u64,
    rest: String,
}

impl Tool {
    /// pgbench, as it lies on PATH or beside the newest PostgreSQL.
    pub(super) fn pgbench() -> Result<Self, StressError> {
        let wrapped = |path: &PathBuf| path.canonicalize().is_ok_and(|real| real.ends_with("pg_wrapper"));
        let program = on_path("pgbench").filter(|path| !wrapped(path)).or_else(|| newest("pgbench"));
        Self::of("pgbench", program.or_else(|| on_path("pgbench")), "postgresql")
    }

    /// redis-benchmark, as it lies on PATH.
    pub(super) fn redis_benchmark() -> Result<Self, StressError> {
        Self::of("redis-benchmark", on_path("redis-benchmark"), "redis-tools")
    }

    fn of(tool: &'static str, program: Option<PathBuf>, package: &'static str) -> Result<Self, StressError> {
        let program = program.ok_or(StressError::MissingTool { tool, package })?;
        let answer = Command::new(&program).arg("--version").output();
        let answer = answer.map_err(StressError::io(format!("run {}", program.display())))?;
        let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        Ok(Self { name: tool, program, version })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// The command line as a person would type it, without passwords.
    pub(super) fn command_line(&self, call: &Call) -> String {
        let mut words: Vec<String> = call.env.iter().map(|(name, value)| shown_variable(name, value)).collect();
        words.push(self.name.to_owned());
        let mut args = call.args.iter();
        while let Some(arg) = args.next() {
            words.push(quoted(arg));
            if arg == "-a" && args.next().is_some() {
                words.push("***".to_owned());
            }
        }
        redact::hide(&words.join(" "), call.secret.as_deref())
    }

    /// Starts it in `folder`, which also takes its output.
    pub(super) fn start(&self, call: &Call, folder: &Path) -> Result<Running, StressError> {
        let output = folder.join(format!("{}.out", self.name));
        // What an earlier call printed is not this one's.
        File::create(&output).map_err(StressError::io(format!("write {}", output.display())))?;
        let mut spec =
            ProcessSpec::new(&self.program).cwd(folder).log(&output).args(call.args.iter().map(OsString::from));
        spec = call.env.iter().fold(spec, |spec, (name, value)| spec.env(name, value));
        let process = Supervised::spawn(spec)?;
        Ok(Running { process, output, read: 0, rest: String::new() })
    }
}

impl Running {
    /// Waits for its end.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub(super) async fn ended(&self) -> std::process::ExitStatus {
        self.process.wait().await
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(super) async fn terminate(&self) {
        self.process.terminate().await;
    }

    /// The lines it has printed since the last call.
    pub(super) fn new_lines(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let read = File::open(&self.output).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.take(READ_MAX).read_to_end(&mut bytes)
        });
        // What cannot be read now is read at the end, where a failure is reported.
        let Ok(read) = read else { return Vec::new() };
        self.read += read as u64;
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let Some(end) = self.rest.rfind('\n') else { return Vec::new() };
        let whole: String = self.rest.drain(..=end).collect();
        whole.lines().map(str::to_owned).collect()
    }

    /// Everything it printed, or the end of it.
    pub(super) fn said(&self) -> Result<String, StressError> {
        let mut bytes = Vec::new();
        let read = File::open(&self.output).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(READ_MAX)))?;
            file.take(READ_MAX).read_to_end(&mut bytes)
        });
        read.map_err(StressError::io(format!("read {}", self.output.display())))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The last lines of what a tool printed; of a line that was overwritten, what was left standing.
pub(super) fn tail(text: &str, secret: Option<&str>) -> String {
    let lines: Vec<&str> = text.lines().map(|line| line.rsplit('\r').next().unwrap_or(line).trim_end()).collect();
    redact::hide(&lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"), secret)
}

/// A folder for a tool's output, gone with the handle.
pub(super) fn folder() -> Result<tempfile::TempDir, StressError> {
    let made = tempfile::Builder::new().prefix("stampede-stress-").tempdir();
    made.map_err(StressError::io("make a folder for the tool's output"))
}

/// `60s` as a tool wants it: whole seconds, at least one.
pub(super) fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().ceil().max(1.0).to_string()
}

fn shown_variable(name: &str, value: &str) -> String {
    if name.to_ascii_lowercase().contains("pass") { format!("{name}=***") } else { format!("{name}={}", quoted(value)) }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn newest(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir(POSTGRES_ROOT).ok()?.filter_map(Result::ok);
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(name))))
        .filter(|(_, program)| program.is_file())
        .collect();
    versions.sort_by_key(|(version, _)| *version);
    versions.pop().map(|(_, program)| program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_can_be_typed_again_but_holds_no_password() {
        let tool = Tool { name: "redis-benchmark", program: "/x".into(), version: String::new() };
        let words = ["-a", "geheim", "-n", "5", "a b"].map(str::to_owned).to_vec();
        let env = [("PGPASSWORD", "geheim"), ("PGHOST", "/run/x geheim")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let call = Call { args: words, env: env.to_vec(), secret: Some("geheim".to_owned()) };
        let line = tool.command_line(&call);
        assert_eq!(line, "PGPASSWORD=*** PGHOST='/run/x ***' redis-benchmark -a *** -n 5 'a b'");
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let error = Tool::of("pgbench", None, "postgresql").unwrap_err().to_string();
        assert!(error.contains("pgbench was not found") && error.contains("apt-get install postgresql"), "{error}");
    }

    #[test]
    fn a_tail_shows_what_was_left_standing() {
        let text = "SET: rps=1\rSET: 5 requests per second\nlogin pw failed\n";
        assert_eq!(tail(text, Some("pw")), "SET: 5 requests per second\nlogin *** failed");
        assert_eq!(tail(&"x\n".repeat(1_000), None).lines().count(), TAIL_LINES);
    }

    #[test]
    fn seconds_are_whole_and_never_none() {
        assert_eq!([0, 1, 1_500].map(|ms| seconds(Duration::from_millis(ms))), ["1", "1", "2"]);
    }
}
