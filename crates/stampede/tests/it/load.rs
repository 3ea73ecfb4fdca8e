//! `stampede load`: verdict, figures, files, interruption.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::server::Server;
use crate::{remarked, said, stampede};

#[test]
fn a_good_run_passes_and_leaves_a_run_file() {
    let server = Server::answering(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let output = stampede(&["load", &server.url(), "-n", "50", "-c", "5", "-o", file.to_str().unwrap()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    let verdict = text.find("PASS  errors < 1%").unwrap();
    assert!(verdict < text.find("asked 50, sent 50, answered 50, failed 0, not sent 0").unwrap(), "{text}");
    for row in ["service ", "from intent ", "status 200  50", "generator: 1 thread"] {
        assert!(text.contains(row), "no {row:?} in {text}");
    }
    assert_eq!(server.requests(), 50);

    let run: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(run["format"], "stampede.load");
    assert_eq!(run["metrics"]["success_rate"], 1.0);
    assert!(run["metrics"]["requests_per_sec"].as_f64().unwrap() > 0.0);
    let latency = &run["metrics"]["latency_ms"];
    for name in ["min", "mean", "p50", "p95", "p99"] {
        assert!(latency[name].as_f64().unwrap() > 0.0, "{name} in {latency}");
    }
    assert_eq!(run["result"]["counts"]["succeeded"], 50);
    assert_eq!(run["plan"]["arrivals"]["model"], "closed");
}

#[test]
fn an_older_run_file_is_replaced_whole() {
    let server = Server::answering(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
    let output = stampede(&["load", &server.url(), "-n", "5", "--json", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(serde_json::from_slice::<Value>(&std::fs::read(&file).unwrap()).is_ok());
}

#[test]
fn errors_fail_a_run_that_set_no_threshold() {
    let server = Server::answering(500);
    let output = stampede(&["load", &server.url(), "-n", "20"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(99), "{text}");
    assert!(text.contains("FAIL  errors < 1%  measured 100.00 %"), "{text}");
    assert!(text.contains("error  20 x status 5xx"), "{text}");
    let output = stampede(&["load", &server.url(), "-n", "20", "--no-thresholds"]);
    assert_eq!(output.status.code(), Some(0), "nothing was to be judged");
    let output = stampede(&["load", &server.url(), "-n", "20", "--expect-status", "500,200"]);
    assert_eq!(output.status.code(), Some(0), "these were expected");
}

#[test]
fn a_broken_threshold_fails_and_a_kept_one_passes() {
    let server = Server::answering(200);
    let judged = |limit: &str| stampede(&["load", &server.url(), "-n", "20", "--threshold", limit]).status.code();
    assert_eq!(judged("p95<1ns"), Some(99));
    assert_eq!(judged("p(95)>0"), Some(0));
    assert_eq!(judged("rps>1m"), Some(99));
}

#[test]
fn an_open_run_shows_what_was_asked() {
    let server = Server::answering(200);
    // A limit far above anything keeps a busy machine's lag from being a doubt.
    let words = ["load", &server.url(), "-R", "100", "-d", "500ms", "--spacing", "poisson", "--threshold", "p99<60s"];
    let output = stampede(&words);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    assert!(text.contains("open model, 100/s poisson") && text.contains("100/s asked, "), "{text}");
}

#[test]
fn a_dry_run_says_all_and_sends_nothing() {
    let server = Server::answering(200);
    let words = ["load", &server.url(), "-R", "1k", "-d", "30s", "-H", "Authorization: Bearer secret", "--dry-run"];
    let output = stampede(&words);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("open, 1000/s uniform") && text.contains("30,000 at most"), "{text}");
    assert!(text.contains("authorization: (not shown)") && !text.contains("secret"), "{text}");
    assert_eq!(server.requests(), 0);
}

#[test]
fn once_shows_one_exchange() {
    let server = Server::answering(404);
    let output = stampede(&["load", &server.url(), "--once"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(99), "a 404 is no success: {text}");
    assert!(
        text.contains("GET /a to 127.0.0.1") && text.contains("HTTP/1.1 404") && text.contains("0123456789"),
        "{text}"
    );
    assert_eq!(server.requests(), 1);
}

#[test]
fn an_interrupted_run_still_reports() {
    let server = Server::answering(200);
    let running = Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["load", &server.url(), "-d", "10m", "-c", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while server.requests() < 20 {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
    let output = running.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(130), "{text} {}", remarked(&output));
    assert!(text.contains("(interrupted)") && text.contains("from intent"), "{text}");
    assert!(remarked(&output).contains("Ctrl-C again"), "{}", remarked(&output));
}
