//! `stampede report` and `stampede export` on a run that was really made.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::Server;
use crate::{remarked, said, stampede};

/// A run of twenty requests in a folder of its own.
fn run(status: u16) -> (TempDir, PathBuf) {
    let server = Server::answering(status);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let output = stampede(&["load", &server.url(), "-n", "20", "-c", "2", "--quiet", "--json", text(&path)]);
    assert!(path.is_file(), "{}", remarked(&output));
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_run_is_shown_again_without_its_server() {
    let (_folder, path) = run(200);
    let output = stampede(&["report", text(&path)]);
    let shown = said(&output);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    for part in ["PASS  errors < 1%", "asked 20, sent 20, answered 20", "distribution from intent", "phase "] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "colour belongs on a terminal");
    let short = said(&stampede(&["report", text(&path), "--summary", "short"]));
    assert!(short.len() < shown.len() && !short.contains("distribution"), "{short}");
    let json: Value = serde_json::from_str(&said(&stampede(&["report", text(&path), "--summary", "json"]))).unwrap();
    assert_eq!(json["counts"]["asked"], 20);
}

#[test]
fn a_failed_run_reports_well() {
    let (_folder, path) = run(500);
    let output = stampede(&["report", text(&path)]);
    assert_eq!(output.status.code(), Some(0), "the report succeeded: {}", remarked(&output));
    assert!(said(&output).contains("FAIL  errors < 1%  measured 100.00 %"), "{}", said(&output));
}

#[test]
fn files_of_every_kind_are_written_at_once() {
    let (folder, path) = run(200);
    let mut words = vec!["report", text(&path)];
    let files: Vec<PathBuf> = ["html", "json", "csv", "md", "xml", "hgrm", "hlog", "prom"]
        .map(|ending| folder.path().join(format!("out.{ending}")))
        .to_vec();
    for file in &files {
        words.extend(["-o", text(file)]);
    }
    let output = stampede(&words);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    assert_eq!(said(&output), "", "the files are the result");
    for (file, start) in files.iter().zip(["<!DOCTYPE html>", "{\"", "second,", "# PASS", "<?xml", " ", "#[", "# HELP"])
    {
        let content = std::fs::read_to_string(file).unwrap();
        assert!(content.starts_with(start), "{}: {}", file.display(), &content[..content.len().min(80)]);
    }
    let again = stampede(&["report", text(&files[1])]);
    assert_eq!(again.status.code(), Some(0), "the JSON is a run file: {}", remarked(&again));
}

#[test]
fn an_export_goes_to_a_file_or_to_standard_output() {
    let (folder, path) = run(200);
    let output = stampede(&["export", text(&path), "--format", "oha"]);
    let json: Value = serde_json::from_str(&said(&output)).unwrap();
    assert_eq!(
        (json["summary"]["successRate"].as_f64(), &json["statusCodeDistribution"]["200"]),
        (Some(1.0), &20.into())
    );
    let file = folder.path().join("metrics.txt");
    let output = stampede(&["export", text(&path), "-f", "prom", "-o", text(&file)]);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    assert!(std::fs::read_to_string(&file).unwrap().contains("stampede_requests_total{"));
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let (folder, path) = run(200);
    let refused = |words: &[&str], code: i32, part: &str| {
        let output = stampede(words);
        let told = remarked(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        assert!(told.contains(part) && !told.contains("panicked"), "{words:?}: {told}");
    };
    refused(&["report", text(&path), "-o", "report.pdf"], 2, "names no kind of report: use .html");
    refused(&["report", text(&path), "-o", "/does/not/exist/report.html"], 2, "does not exist");
    refused(&["report", "/does/not/exist.json"], 2, "/does/not/exist.json is no run to report");
    refused(&["export", text(&path)], 2, "--format");
    refused(&["export", text(&path), "-f", "pdf"], 2, "`pdf` is no format");
    refused(&["export", text(&path), "-f", "csv", "-o", "/dev/full"], 1, "the disk is full");
    let broken = folder.path().join("broken.json");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let report = folder.path().join("report.html");
    refused(&["report", text(&broken), "-o", text(&report)], 2, "it ends in the middle");
    assert!(!report.exists(), "nothing is written of a broken run");
}
