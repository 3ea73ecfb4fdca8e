//! `stampede compare` and `stampede baseline`: verdicts, exit codes, files, names.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use stampede_model::histogram::{Histogram, Packed};
use stampede_model::run::{ArrivalsRecord, PlanRecord, RunFile};
use stampede_model::run_result::{Counts, LoadResult, StepResult, StepSecond};
use stampede_model::run_trust::Doubt;
use stampede_model::threshold::Threshold;
use tempfile::TempDir;

use crate::server::Server;
use crate::{remarked, said};

/// A folder with run files, which is also the working directory of the commands.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, run: &RunFile) {
        std::fs::write(self.path(name), serde_json::to_vec(run).unwrap()).unwrap();
    }

    fn stampede(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
        command.args(words).current_dir(self.folder.path()).env_remove("STAMPEDE_BASELINES").output().unwrap()
    }
}

/// A run of `seconds` at 200/s whose latencies lie around `median_us`, a little different in every second.
fn run(median_us: u64, seconds: u32) -> RunFile {
    let mut result = LoadResult { point_s: 1, elapsed_ns: u64::from(seconds) * 1_000_000_000, ..LoadResult::default() };
    let mut step = StepResult { name: "GET /".to_owned(), method: "GET".to_owned(), ..StepResult::default() };
    for second in 0..seconds {
        let level_ns = median_us * (1_000 + u64::from(second * 7_919 % 13));
        let mut latency = Histogram::new();
        (0..200).for_each(|sample| latency.record(level_ns + level_ns * sample / 400));
        result.latency.intent.merge(&latency);
        step.seconds.push(StepSecond { second, succeeded: 200, failed: 0, latency: Packed::of(&latency) });
    }
    let all = u64::from(seconds) * 200;
    step.counts = Counts { asked: all, sent: all, answered: all, succeeded: all, ..Counts::default() };
    result.counts = step.counts;
    result.steps = vec![step];
    let plan = PlanRecord {
        method: "GET".to_owned(),
        url: "http://127.0.0.1:1/".to_owned(),
        header_names: Vec::new(),
        body_bytes: 0,
        arrivals: ArrivalsRecord::Closed { connections: 10 },
        requests: None,
        duration_ns: Some(result.elapsed_ns),
        timeout_ns: 1_000_000_000,
        keep_alive: true,
        threads: 1,
        scenario: None,
        flows: Vec::new(),
    };
    RunFile::conclude(1_800_000_000_000_000_000, plan, &[Threshold::IMPLICIT], result)
}

#[test]
fn a_slower_run_ends_with_4_and_leaves_its_table_behind() {
    let place = Place::new();
    place.write("a.json", &run(10_000, 30));
    place.write("b.json", &run(12_000, 30));
    let output = place.stampede(&["compare", "a.json", "b.json", "--json", "c.json", "--markdown", "c.md"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text} {}", remarked(&output));
    assert!(text.starts_with("verdict: worse (margin 5 %, nothing below 2 % counts)\n"), "{text}");
    assert!(text.contains("+20.0 %") && text.contains("28 s compared"), "{text}");
    let comparison: Value = serde_json::from_slice(&std::fs::read(place.path("c.json")).unwrap()).unwrap();
    assert_eq!((&comparison["format"], &comparison["verdict"]), (&"stampede.compare".into(), &"worse".into()));
    assert_eq!(comparison["rows"].as_array().unwrap().len(), 7);
    let markdown = std::fs::read_to_string(place.path("c.md")).unwrap();
    assert!(markdown.starts_with("### verdict: worse") && markdown.contains("| whole run | p95 |"), "{markdown}");
    assert!(markdown.contains("| **worse** |"), "{markdown}");
    assert_eq!(place.stampede(&["compare", "b.json", "a.json"]).status.code(), Some(0), "better passes");
}

#[test]
fn the_same_run_is_the_same() {
    let place = Place::new();
    place.write("a.json", &run(10_000, 30));
    let output = place.stampede(&["compare", "a.json", "a.json", "--strict"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).starts_with("verdict: same"), "{}", said(&output));
    let wide = place.stampede(&["compare", "a.json", "a.json", "--margin", "90%"]);
    assert_eq!(wide.status.code(), Some(2));
    let figures = place.stampede(&["compare", "a.json", "a.json", "--metric", "p42"]);
    assert!(remarked(&figures).contains("p50, p90"), "{}", remarked(&figures));
}

#[test]
fn what_cannot_be_told_passes_unless_strict() {
    let place = Place::new();
    place.write("a.json", &run(10_000, 6));
    place.write("b.json", &run(30_000, 6));
    let output = place.stampede(&["compare", "a.json", "b.json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).starts_with("verdict: cannot tell") && said(&output).contains("too short: 4 points"));
    assert!(remarked(&output).contains("cannot tell"), "{}", remarked(&output));
    assert_eq!(place.stampede(&["compare", "a.json", "b.json", "--strict"]).status.code(), Some(5));
}

#[test]
fn runs_that_must_not_be_compared_are_refused() {
    let place = Place::new();
    place.write("a.json", &run(10_000, 30));
    let mut other = run(10_000, 30);
    other.plan.arrivals = ArrivalsRecord::Closed { connections: 50 };
    place.write("b.json", &other);
    let refused = place.stampede(&["compare", "a.json", "b.json"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(remarked(&refused).contains("arrivals.connections: 10 and 50"), "{}", remarked(&refused));
    let allowed = place.stampede(&["compare", "a.json", "b.json", "--allow-different"]);
    assert_eq!(allowed.status.code(), Some(0));
    assert!(said(&allowed).contains("note: the plans differ"), "{}", said(&allowed));
    other.trust.doubts.push(Doubt::Behind { arrivals: 50, asked: 100 });
    place.write("b.json", &other);
    let doubtful = place.stampede(&["compare", "a.json", "b.json", "--allow-different"]);
    assert_eq!(doubtful.status.code(), Some(2));
    assert!(remarked(&doubtful).contains("run B is not trustworthy"), "{}", remarked(&doubtful));
    std::fs::write(place.path("broken.json"), "{\"format\":\"stampede.load\"").unwrap();
    let broken = place.stampede(&["compare", "a.json", "broken.json"]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(remarked(&broken).contains("broken.json"), "{}", remarked(&broken));
}

#[test]
fn a_baseline_is_kept_listed_compared_replaced_and_forgotten() {
    let place = Place::new();
    place.write("a.json", &run(10_000, 30));
    place.write("b.json", &run(12_000, 30));
    assert_eq!(place.stampede(&["baseline", "save", "main", "a.json"]).status.code(), Some(0));
    let kept = place.path(".stampede/baselines/main.json");
    assert!(kept.exists());
    let listed = said(&place.stampede(&["baseline", "list"]));
    assert!(listed.starts_with("main  2027-01-15") && listed.contains("GET http://127.0.0.1:1/"), "{listed}");
    assert!(said(&place.stampede(&["baseline", "show", "main"])).contains("asked 6,000"));
    assert_eq!(place.stampede(&["compare", "main", "b.json"]).status.code(), Some(4));

    let again = place.stampede(&["baseline", "save", "main", "b.json"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(remarked(&again).contains("--force"), "{}", remarked(&again));
    assert_eq!(place.stampede(&["baseline", "save", "main", "b.json", "--force"]).status.code(), Some(0));
    assert_eq!(place.stampede(&["compare", "main", "b.json"]).status.code(), Some(0));
    assert_eq!(files(kept.parent().unwrap()), ["main.json"], "nothing half written is left");

    assert_eq!(place.stampede(&["baseline", "remove", "main"]).status.code(), Some(0));
    let gone = place.stampede(&["compare", "main", "b.json"]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(remarked(&gone).contains("no baseline `main`"), "{}", remarked(&gone));
    assert_eq!(place.stampede(&["baseline", "remove", "main"]).status.code(), Some(2));
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn no_name_reaches_outside_the_folder() {
    let place = Place::new();
    place.write("a.json", &run(10_000, 30));
    for name in ["../x", "/tmp/x", "..", ".x", "a.json", "a b"] {
        let output = place.stampede(&["baseline", "save", name, "a.json"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(remarked(&output).contains("cannot name a baseline"), "{}", remarked(&output));
    }
    assert_eq!(files(place.folder.path()), ["a.json"]);
    let elsewhere = place.stampede(&["baseline", "--dir", "kept", "save", "x", "a.json"]);
    assert_eq!(elsewhere.status.code(), Some(0), "{}", remarked(&elsewhere));
    assert_eq!(files(&place.path("kept")), ["x.json"]);
    assert_eq!(place.stampede(&["compare", "x", "a.json", "--dir", "kept"]).status.code(), Some(0));
}

#[test]
fn what_is_not_trustworthy_cannot_be_a_baseline() {
    let place = Place::new();
    let mut late = run(10_000, 30);
    late.trust.doubts.push(Doubt::Behind { arrivals: 50, asked: 100 });
    place.write("a.json", &late);
    let output = place.stampede(&["baseline", "save", "main", "a.json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!place.path(".stampede").exists());
}

#[test]
fn a_load_is_held_against_its_baseline() {
    let place = Place::new();
    let server = Server::answering(200);
    let url = server.url();
    let load = |more: &[&str]| {
        let mut words = vec!["load", url.as_str(), "-c", "2", "-d", "500ms", "--quiet"];
        words.extend(more);
        place.stampede(&words)
    };
    let missing = load(&["--baseline", "main"]);
    assert_eq!((missing.status.code(), server.requests()), (Some(2), 0), "found before the first request");
    assert_eq!(load(&["--json", "a.json"]).status.code(), Some(0));
    assert_eq!(place.stampede(&["baseline", "save", "main", "a.json"]).status.code(), Some(0));
    let sent = server.requests();
    let other = load(&["--baseline", "main", "-m", "POST"]);
    assert_eq!((other.status.code(), server.requests()), (Some(2), sent), "another plan sends nothing");
    let output = load(&["--baseline", "main"]);
    assert_eq!(output.status.code(), Some(0), "{} {}", said(&output), remarked(&output));
    assert!(said(&output).contains("verdict: cannot tell"), "half a second tells nothing: {}", said(&output));
}

#[test]
fn a_load_that_is_slower_than_its_baseline_ends_with_4() {
    let place = Place::new();
    let server = Server::answering(200);
    let url = server.url();
    // The baseline claims a hundredth of what any server on this machine can do.
    let mut quick = run(1, 30);
    let dry = place.stampede(&["load", &url, "-n", "5", "--json", "dry.json", "--quiet"]);
    assert_eq!(dry.status.code(), Some(0), "{}", remarked(&dry));
    let asked: RunFile = serde_json::from_slice(&std::fs::read(place.path("dry.json")).unwrap()).unwrap();
    quick.plan = asked.plan;
    place.write("quick.json", &quick);
    let output = place.stampede(&["load", &url, "-d", "12500ms", "--baseline", "quick.json", "--quiet"]);
    assert_eq!(output.status.code(), Some(4), "{} {}", said(&output), remarked(&output));
}
