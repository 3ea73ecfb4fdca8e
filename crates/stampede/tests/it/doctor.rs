//! `stampede doctor`: what it finds, and the server it offers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{remarked, said, stampede};

#[test]
fn the_doctor_looks_measures_and_says_a_rate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doctor.json");
    let output = stampede(&["doctor", "--no-stall", "--probe", "300ms", "--json", file.to_str().unwrap()]);
    let text = said(&output);
    // On a busy machine the answer may well be that it cannot be trusted now; then that is said, too.
    let code = output.status.code().unwrap();
    assert!(matches!(code, 0 | 5), "{text} {}", remarked(&output));
    assert_eq!(code == 5, text.contains("NOT TRUSTWORTHY: "), "{text}");
    for words in ["cores", "open files", "local ports", "as fast as possible on 64 connections", "1,000/s"] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert_eq!(code == 0, text.contains("can be trusted with "), "{text}");

    let found: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(found["format"], "stampede.doctor");
    assert!(found["machine"]["cores"].as_u64().unwrap() >= 1);
    let closed = &found["ceiling"]["closed"];
    assert!(closed["answered_per_s"].as_f64().unwrap() > 100.0, "{closed}");
    assert!(closed["cpu_ns_per_request"].as_u64().unwrap() > 500, "{closed}");
    let first = &found["ceiling"]["probes"][0];
    assert_eq!(first["asked_per_s"], 1_000);
    // The two counted apart from each other, in two processes.
    assert_eq!(first["by_generator"], first["by_server"], "{first}");
    assert!(first["by_server"].as_u64().unwrap() > 100, "{first}");
    assert!(found.get("stall").is_none());
}

#[test]
fn the_stall_is_seen_from_the_intended_start_and_hidden_from_a_closed_loop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stall.json");
    let output = stampede(&["doctor", "--stall", "--json", file.to_str().unwrap()]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    assert!(text.contains("nothing came back") && text.contains("########"), "{text}");
    let found: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let p99_ms = |way: &str| found["stall"][way]["p99_ns"].as_u64().unwrap() / 1_000_000;
    assert!((1_700..=2_000).contains(&p99_ms("intent")), "{text}");
    assert!(p99_ms("closed") < 500 && p99_ms("service") < 500, "{text}");
    let seconds = found["stall"]["seconds"].as_array().unwrap();
    assert!(seconds.iter().any(|second| second["answered"] == 0), "{text}");
    assert_eq!(found["stall"]["by_generator"], 10_000);
    assert_eq!(found["stall"]["by_server"], 10_000);
}

#[test]
fn the_server_that_does_nothing_answers_counts_and_ends_with_its_input() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["doctor", "--serve-null", "--delay", "5ms"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = server.stdin.take().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.next().unwrap();
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    to.write_all(b"\n").unwrap();
    assert!(lines.next().unwrap().starts_with("1 "));
    drop(to);
    assert!(server.wait().unwrap().success());
}

#[test]
fn mistakes_of_doctor_are_named() {
    for (words, named) in [
        (&["--probe", "1ms"][..], "not within 200ms and 1m"),
        (&["--delay", "5ms"], "--serve-null"),
        (&["--serve-null", "--freeze-after", "1s"], "--freeze-for"),
        (&["--stall", "--no-stall"], "cannot be used with"),
        (&["--json", "/does/not/exist/doctor.json"], "/does/not/exist/doctor.json"),
    ] {
        let output = stampede(&[&["doctor"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(remarked(&output).contains(named), "{words:?}: {}", remarked(&output));
    }
}
