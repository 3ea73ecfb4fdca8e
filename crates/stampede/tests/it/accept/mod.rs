//! `stampede accept` from the shell: what it prints, what it writes, how it ends.

mod planted;
mod server;
pub(crate) mod shop;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use server::{Manner, Server};

const TARGET: &str = r#"
[target]
name = "small"
url = "http://127.0.0.1:1"
ready = { path = "/readyz", status = 200, within = "5s" }
timeout = "5s"

[user]
one = {}
two = {}
other = {}

[request.list]
method = "GET"
path = "/list"
expect = [200]
refuse = [429]

[request.make]
method = "POST"
path = "/make"
expect = [201]

[request.level]
method = "GET"
path = "/level"
expect = [200]
take = { available = "/a", reserved = "/r" }

[[load]]
id = "load"
user = "one"
request = "list"
rate_per_s = 50
lasts = "60s"
thresholds = ["errors < 1%"]
quick = { rate_per_s = 50, lasts = "200ms" }

[[stock]]
id = "stock"
user = "one"
setup = ["make"]
stock = 10
units = 1
simultaneous = 2
reserve = "list"
level = "level"

[[rate_limit]]
id = "limit"
request = "list"
limit = 3
window = "60s"
kind = "sliding"
calls = 5
sequential_user = "one"
simultaneous_user = "two"
other_user = "other"
headers = { limit = "x-limit", remaining = "x-left", reset = "x-reset", retry_after = "retry-after" }
reset = "seconds-left"
"#;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stampede-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.0.join("target.toml");
        std::fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn stampede() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
    command.arg("accept");
    command
}

fn accept(target: &Path, more: &[&str]) -> Output {
    stampede().arg("--target").arg(target).args(more).output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs one row against a server of this manner and gives exit code, output, and the run file.
fn run(manner: Manner, row: &str) -> (Option<i32>, String, serde_json::Value) {
    let server = Server::start(manner);
    let folder = Folder::new(&format!("{manner:?}-{row}"));
    let file = folder.write(TARGET);
    let json = folder.0.join(format!("{manner:?}.json"));
    let more = ["--url", &server.url, "--quick", "--only", row, "--json", json.to_str().unwrap()];
    let output = accept(&file, &more);
    let (out, err) = texts(&output);
    let run = std::fs::read_to_string(&json).unwrap();
    (output.status.code(), format!("{out}{err}"), serde_json::from_str(&run).unwrap_or_default())
}

#[test]
fn a_run_that_passes_is_zero_and_prints_the_table() {
    let (code, text, run) = run(Manner::Open, "load");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("| Test      | Metric"), "{text}");
    assert!(text.contains("GET /list 50 req/s, 200ms"), "{text}");
    assert!(text.contains("1 of 1 rows passed"), "{text}");
    assert_eq!(run["rows"][0]["verdict"], "pass");
    assert_eq!(run["format"], "stampede.accept");
}

#[test]
fn a_violated_row_is_three() {
    let (code, text, run) = run(Manner::Open, "limit");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("sequential: 5 calls passed inside one window, the limit is 3"), "{text}");
    assert_eq!(run["rows"][0]["verdict"], "violated");
    assert!(run["rows"][0]["evidence"].as_array().unwrap().len() > 1);
}

#[test]
fn a_row_without_answers_is_five() {
    let (code, text, run) = run(Manner::Silent, "limit");
    assert_eq!(code, Some(5), "{text}");
    assert_eq!(run["rows"][0]["verdict"], "unknown");
    assert!(text.contains("UNKNOWN"), "{text}");
}

#[test]
fn a_missed_threshold_is_ninety_nine() {
    let (code, text, run) = run(Manner::Failing, "load");
    assert_eq!(code, Some(99), "{text}");
    assert_eq!(run["rows"][0]["verdict"], "missed");
}

#[test]
fn a_row_that_could_not_be_run_is_one_and_no_pass() {
    let (code, text, run) = run(Manner::Open, "stock");
    assert_eq!(code, Some(1), "{text}");
    assert_eq!(run["rows"][0]["verdict"], "not_run");
    assert!(text.contains("set-up: request `make` answered 200"), "{text}");
}

#[test]
fn mistakes_are_two_and_named_before_anything_is_sent() {
    let folder = Folder::new("mistakes");
    let file = folder.write(TARGET);
    let absent = folder.0.join("absent.toml");
    let unwritable = folder.0.join("no/such/folder/run.json");
    let cases: [(&Path, &[&str], &str); 5] = [
        (&absent, &[], "--target: cannot read"),
        (&file, &["--only", "lod"], "--only: there is no row `lod`"),
        (&file, &["--url", "ftp://x"], "--url"),
        (&file, &["--url", "http://x/path"], "has a path"),
        (&file, &["--json", unwritable.to_str().unwrap()], "cannot write"),
    ];
    for (target, more, expected) in cases {
        let output = accept(target, more);
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(2), ""), "{more:?}: {err}");
        assert!(err.contains(expected), "{more:?}: {err}");
    }
    let mistaken = folder.write(&TARGET.replace("calls = 5", "cals = 5"));
    let (_, err) = texts(&accept(&mistaken, &[]));
    assert!(err.contains("target.toml:") && err.contains("unknown field `cals`") && err.contains("hint:"), "{err}");
}

#[test]
fn the_list_shows_rows_and_demands_and_sends_nothing() {
    let folder = Folder::new("list");
    let output = accept(&folder.write(TARGET), &["--list", "--quick"]);
    let (out, _) = texts(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(out.starts_with("load   Load Test: GET /list 50 req/s, 200ms -> errors < 1%\n"), "{out}");
    assert_eq!(out.lines().count(), 3, "{out}");
}

#[test]
fn a_target_that_dies_at_its_start_is_one_with_its_log() {
    let folder = Folder::new("dies");
    let process = "[[target.process]]\nname = 'p'\ncommand = ['/bin/sh', '-c', 'echo out of luck; exit 4']\n[user]";
    let file = folder.write(&TARGET.replacen("[user]", process, 1));
    let output = accept(&file, &[]);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("`p` ended (exit status: 4)") && err.contains("out of luck"), "{err}");
}

#[test]
fn an_interrupt_is_one_hundred_and_thirty_with_a_report() {
    let server = Server::start(Manner::Open);
    let folder = Folder::new("interrupt");
    let mut child = stampede()
        .arg("--target")
        .arg(folder.write(TARGET))
        .args(["--url", &server.url, "--only", "load"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The row begins with its first request.
    server.wait_for("/list");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let err: Vec<String> = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{out}{err:?}");
    assert!(out.contains("0 of 1 rows passed") && out.contains("interrupted"), "{out}{err:?}");
}
