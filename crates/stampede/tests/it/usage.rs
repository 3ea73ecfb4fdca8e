//! Every mistake is one clear error that names its place, and nothing is sent.

use crate::server::Server;
use crate::{remarked, said, stampede};

/// Runs `stampede load URL ...` and expects a refusal that contains `word`.
fn refused(words: &[&str], word: &str) {
    let output = stampede(words);
    let text = remarked(&output);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
    assert!(text.contains(word), "{words:?} should name {word:?}: {text}");
    assert!(text.starts_with("error: "), "{words:?}: {text}");
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "{words:?}: {text}");
    assert!(said(&output).is_empty(), "{words:?}");
}

#[test]
fn mistakes_of_load_are_named() {
    let server = Server::answering(200);
    let url = server.url();
    let load = |more: &[&'static str], word: &str| {
        let words: Vec<&str> = ["load", &url].into_iter().chain(more.iter().copied()).collect();
        refused(&words, word);
    };
    load(&["-d", "30"], "a number and a unit");
    load(&["-n", "0"], "'--requests <N>'");
    load(&["-n", "ten"], "`ten` is no count");
    load(&["-R", "fast"], "`fast` is no rate");
    load(&["-R", "2000m"], "cannot be scheduled");
    load(&["-c", "0"], "`0` is no count");
    load(&["-c", "100k"], "100000 connections are too many");
    load(&["--spacing", "poisson"], "--rate");
    load(&["--max-in-flight", "5"], "--rate");
    load(&["-R", "5", "--spacing", "random"], "uniform or poisson");
    load(&["-R", "5", "-c", "5", "--max-in-flight", "5"], "cannot be used with");
    load(&["--threshold", "p95=500ms"], "compares nothing");
    load(&["--threshold", "speed<5"], "no metric is called `speed`");
    load(&["--threshold", "p95<1s", "--no-thresholds"], "cannot be used with");
    load(&["--once", "-n", "5"], "cannot be used with");
    load(&["-H", "nonsense"], "'Name: value'");
    load(&["-T", "text/csv"], "there is none");
    load(&["--body-file", "/does/not/exist"], "/does/not/exist");
    load(&["-o", "run.docx"], "names no kind of report");
    load(&["--stage", "30s"], "is no stage");
    load(&["--stage", "10000000000000000000s:5", "--stage", "10000000000000000000s:5"], "--stage: the stages are");
    load(&["--stage", "10000000000000000000s:5/s", "--stage", "10000000000000000000s:5/s"], "--stage: ");
    load(&["--stage", "30s:5", "-R", "5"], "contradict");
    load(&["--stage", "1s:5", "--stage", "1s:5/s"], "contradict");
    load(&["-R", "5", "--spawn-rate", "5"], "--spawn-rate belongs to the closed model");
    load(&["--transport", "pigeon"], "no transport");
    load(&["--http2", "--no-keepalive"], "contradict");
    load(&["--cacert", "/does/not/exist"], "/does/not/exist");
    load(&["--summary", "loud"], "short, full, json or none");
    load(&["--json", "/does/not/exist/run.json"], "/does/not/exist/run.json");
    load(&["--timeout", "0s"], "time-out of zero");
    load(&["-d", "0s"], "no request would be sent");
    load(&["--host", "http://x"], "contradict");
    load(&["-m", "GE T"], "no HTTP method");
    assert_eq!(server.requests(), 0);
}

#[test]
fn mistakes_in_the_url_are_named() {
    refused(&["load"], "nothing to load");
    refused(&["load", "localhost:8080"], "no URL");
    refused(&["load", "http://me:secret@x/"], "user name");
}

#[test]
fn mistakes_of_ab_are_named() {
    refused(&["ab", "-n", "5", "-c", "10", "http://127.0.0.1:9/"], "-c 10 is more than -n 5");
    refused(&["ab", "-X", "proxy", "http://127.0.0.1:9/"], "-X cannot be honoured");
    refused(&["ab", "-n", "1", "-p", "/does/not/exist", "http://127.0.0.1:9/"], "/does/not/exist");
    refused(&["ab", "-n", "1", "-g", "/does/not/exist/g", "http://127.0.0.1:9/"], "/does/not/exist/g");
}

#[test]
fn a_server_that_is_not_there_is_an_error_of_the_set_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for words in [["load", &url], ["ab", &url], ["load", "http://no.such.host.invalid/"]] {
        let output = stampede(&words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(remarked(&output).contains("error: cannot "), "{words:?}: {}", remarked(&output));
    }
}

#[test]
fn help_lists_the_exit_codes() {
    let output = stampede(&["load", "--help"]);
    assert!(output.status.success());
    assert!(said(&output).contains("130 interrupted"), "{}", said(&output));
    let output = stampede(&["ab", "-h"]);
    assert!(output.status.success() && said(&output).contains("-n VALUE"), "{}", said(&output));
}
