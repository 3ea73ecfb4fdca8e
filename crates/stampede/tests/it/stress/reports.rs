//! Stress runs as reports: alone, and beside a load run.

use std::path::Path;

use serde_json::Value;

use super::figure;
use crate::server::Server;
use crate::{remarked, said, stampede};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A tiny load run and its file.
fn load(file: &Path) {
    let server = Server::answering(200);
    let output = stampede(&["load", &server.url(), "-n", "20", "-c", "2", "--quiet", "--json", text(file)]);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
}

/// A tiny run of redis-benchmark and its file.
fn redis(file: &Path) {
    let words = ["stress", "redis", "--private", "-n", "1000", "-c", "2", "-t", "get", "--quiet", "--json", text(file)];
    let output = stampede(&words);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
}

#[test]
fn a_page_of_pgbench_has_its_rate_and_its_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let [json, page, merged, run, whole] =
        ["pg.json", "pg.html", "merged.json", "run.json", "whole.html"].map(|name| folder.path().join(name));
    let small = ["--scale", "1", "--clients", "2", "--jobs", "1", "-d", "2s", "--quiet"];
    let words = ["stress", "postgres", "--private", "--json", text(&json), "-o", text(&page)];
    let output = stampede(&[&words[..], &small].concat());
    assert_eq!(output.status.code(), Some(0), "{} {}", said(&output), remarked(&output));

    let stress: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let rate = format!("{:.1}/s", figure(&stress, "tps"));
    let commands: Vec<&str> =
        stress["tools"].as_array().unwrap().iter().map(|tool| tool["command"].as_str().unwrap()).collect();
    assert!(commands[1].contains(" pgbench -c 2 -j 1 -T 2 "), "{commands:?}");
    let has_all = |page: &Path| {
        let html = std::fs::read_to_string(page).unwrap();
        assert!(html.contains(&format!("<dd>{rate}</dd>")), "no {rate} in {html}");
        for command in &commands {
            assert!(html.contains(&format!(">{command}</code>")), "no {command} in {html}");
        }
        for chart in ["sessions", "commits", "tool-1-tps"] {
            assert!(html.contains(&format!("-{chart}\"")), "no {chart} in {html}");
        }
    };
    has_all(&page);

    load(&run);
    let words = ["report", text(&run), "--with", text(&json), "--json", text(&merged), "-o", text(&whole)];
    let output = stampede(&words);
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""), "{}", remarked(&output));
    has_all(&whole);
    let again = said(&stampede(&["report", text(&merged)]));
    assert!(again.contains("PASS  stress PostgreSQL ") && again.contains(commands[1]), "{again}");
    assert!(again.contains("asked 20, sent 20"), "{again}");
}

#[test]
fn a_stress_run_is_shown_again_and_put_beside_another() {
    let folder = tempfile::tempdir().unwrap();
    let [json, run, merged, markdown] =
        ["redis.json", "run.json", "merged.json", "x.md"].map(|name| folder.path().join(name));
    redis(&json);
    let shown = said(&stampede(&["report", text(&json)]));
    assert!(shown.starts_with("stress Redis ") && shown.contains("PASS  evicted <= 0"), "{shown}");
    let exported = said(&stampede(&["export", text(&json), "-f", "junit"]));
    assert!(exported.contains("classname=\"stampede.stress.redis\""), "{exported}");

    load(&run);
    let output =
        stampede(&["report", text(&run), "--with", text(&json), "--json", text(&merged), "-o", text(&markdown)]);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    let whole: Value = serde_json::from_slice(&std::fs::read(&merged).unwrap()).unwrap();
    assert_eq!((&whole["format"], &whole["stress"][0]["kind"]), (&"stampede.load".into(), &"redis".into()));
    assert!(std::fs::read_to_string(&markdown).unwrap().contains("\n## PASS: stress Redis "));

    let refused = |words: &[&str], part: &str| {
        let output = stampede(words);
        let told = remarked(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {told}");
        assert!(told.contains(part) && !told.contains("panicked"), "{words:?}: {told}");
    };
    refused(&["report", text(&merged), "--with", text(&json)], "the run has it already");
    refused(&["report", text(&run), "--with", text(&run)], "it is a load run");
    refused(&["report", text(&json), "--with", text(&json)], "name a load run first");
    let csv = folder.path().join("x.csv");
    refused(&["report", text(&json), "-o", text(&csv)], "a stress run cannot be put into csv");
    refused(&["export", text(&json), "-f", "oha"], "a stress run cannot be put into oha");
    refused(&["stress", "redis", "--private", "-o", text(&csv)], "a stress run cannot be put into csv");
    refused(&["stress", "redis", "--private", "--json", "/does/not/exist/x.json"], "does not exist");
    assert!(!csv.exists());
}
