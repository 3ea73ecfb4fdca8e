//! `stampede run`: a scenario file from its flags to its run file.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::server::Server;
use crate::{remarked, said, stampede};

/// A scenario file in a folder of its own.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &str, more: &[&str]) -> Output {
        let file = self.path("s.toml");
        let words: Vec<&str> = [command, file.to_str().unwrap()].into_iter().chain(more.iter().copied()).collect();
        stampede(&words)
    }
}

fn host(server: &Server) -> String {
    server.url().trim_end_matches("/a").to_owned()
}

const TWO_STEPS: &str = "target = { url = \"http://127.0.0.1:9\" }\nseed = 3\n[vars]\nn = 1\n[[scenario]]\nname = \"both\"\niterations = 10\nsteps = [{ get = \"/x/{n}\" }, { name = \"second\", get = \"/y\" }]\n[thresholds]\n\"second\" = [\"errors<1%\"]\n";

#[test]
fn a_scenario_is_run_and_recorded() {
    let server = Server::answering(200);
    let file = File::new(TWO_STEPS);
    let json = file.path("run.json");
    let output = file.run("run", &["--host", &host(&server), "--json", json.to_str().unwrap(), "--quiet"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    assert!(text.contains("GET /x/{n}") && text.contains("PASS  errors < 1% for second"), "{text}");
    assert_eq!(server.requests(), 20);
    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(run["plan"]["scenario"]["name"], "s");
    assert_eq!(run["plan"]["scenario"]["seed"], 3);
    assert_eq!(run["plan"]["scenario"]["text"], TWO_STEPS);
    assert_eq!(run["result"]["steps"][1]["counts"]["succeeded"], 10);
    assert_eq!(run["thresholds"][0]["step"], "second");
}

#[test]
fn every_scenario_of_a_file_is_recorded() {
    let server = Server::answering(200);
    let file = File::new(
        "[[scenario]]\nname = \"look\"\niterations = 5\nusers = 2\nsteps = [{ get = \"/a\" }]\n[[scenario]]\nname = \"buy\"\niterations = 5\narrivals = { rate = \"100/s\", max_in_flight = 3 }\nsteps = [{ get = \"/b\" }]\n",
    );
    let json = file.path("run.json");
    let output = file.run("run", &["--host", &host(&server), "--json", json.to_str().unwrap(), "--quiet"]);
    let text = said(&output);
    assert!(
        text.starts_with("s: look: closed model, 2 connections; buy: open model, 100/s uniform, at most 3 in"),
        "{text}"
    );
    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let flows = &run["plan"]["flows"];
    assert_eq!((flows[0]["name"].as_str(), flows[0]["users"].as_u64()), (Some("look"), Some(2)));
    assert_eq!((flows[1]["arrivals"]["rate_per_s"].as_f64(), flows[1]["users"].as_u64()), (Some(100.0), Some(3)));
}

#[test]
fn a_broken_limit_of_one_step_fails_the_run() {
    let server = Server::answering(200);
    let file = File::new(TWO_STEPS);
    let judged =
        |limit: &str| file.run("run", &["--host", &host(&server), "--quiet", "--threshold", limit]).status.code();
    assert_eq!(judged("p95<1ns for second"), Some(99));
    assert_eq!(judged("p(95)<60000 for second"), Some(0));
    let unknown = file.run("run", &["--host", &host(&server), "--threshold", "p95<1s for third"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(remarked(&unknown).contains("no step is called `third`"), "{}", remarked(&unknown));
}

#[test]
fn without_a_limit_errors_fail_the_run() {
    let server = Server::answering(500);
    let file = File::new("[[scenario]]\niterations = 5\nsteps = [{ get = \"/\" }]\n");
    let code = |more: &[&str]| {
        let words: Vec<&str> = ["--quiet"].iter().chain(more).copied().collect();
        let host = host(&server);
        let words: Vec<&str> = ["--host", &host].into_iter().chain(words).collect();
        file.run("run", &words).status.code()
    };
    assert_eq!(code(&[]), Some(99));
    assert_eq!(code(&["--no-thresholds"]), Some(0));
    assert_eq!(code(&["--once"]), Some(99));
}

#[test]
fn mistakes_are_shown_and_nothing_is_sent() {
    let server = Server::answering(200);
    let file = File::new("[[scenario]]\nas = \"nobody\"\nsteps = [{ gte = \"/\" }, { get = \"/{id}\" }]\n");
    let output = file.run("run", &["--host", &host(&server)]);
    let text = remarked(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for words in ["s.toml:2:6: no user is called `nobody`", "a step has no key `gte`", "3 | steps = [{ gte", "hint: "] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert_eq!(server.requests(), 0);
    let nothing = stampede(&["run"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(remarked(&nothing).contains("give a scenario file"), "{}", remarked(&nothing));
}

#[test]
fn a_dry_run_says_all_and_sends_nothing() {
    let server = Server::answering(200);
    let file = File::new(TWO_STEPS);
    let output = file.run("run", &["--host", &host(&server), "--dry-run", "--users", "7", "-d", "9s"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    assert!(
        text.contains("both: 7 users") && text.contains("GET /x/{n}, second") && text.contains("9s long"),
        "{text}"
    );
    assert_eq!(server.requests(), 0);
}

#[test]
fn once_shows_each_exchange() {
    let server = Server::answering(200);
    let file = File::new(TWO_STEPS);
    let output = file.run("run", &["--host", &host(&server), "--once", "--var", "n=5"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("--- GET /x/{n}\nGET /x/5\n") && text.contains("0123456789"), "{text}");
    assert_eq!(server.requests(), 2);
}

#[test]
fn once_of_what_sends_nothing_is_no_pass() {
    let server = Server::answering(200);
    let file = File::new("[[scenario]]\nsteps = [{ get = \"/\", if_status = 200 }]\n");
    let output = file.run("run", &["--host", &host(&server), "--once"]);
    assert_eq!((output.status.code(), server.requests()), (Some(5), 0), "{}", remarked(&output));
}

#[test]
fn a_server_whose_name_nobody_knows_is_named_before_anything_is_sent() {
    let server = Server::answering(200);
    let text = "[[scenario]]\nusers = 2\nduration = \"1s\"\nsteps = [{ get = \"/\" }, { get = \"http://no-such-host.invalid/\" }]\n";
    let output = File::new(text).run("run", &["--host", &host(&server), "--quiet"]);
    let text = remarked(&output);
    assert_eq!((output.status.code(), server.requests()), (Some(1), 0), "{text}");
    assert!(text.starts_with("error: cannot resolve `no-such-host.invalid`: ") && text.contains("\nhint: "), "{text}");
    assert_eq!(said(&output), "");
}

#[test]
fn a_secret_is_in_no_output() {
    let server = Server::answering(200);
    let text = "target = { url = \"${env:TEST_URL}\" }\n[[scenario]]\niterations = 2\nsteps = [{ get = \"/p\", headers = { x-key = \"${env:TEST_KEY}\" }, query = { k = \"${env:TEST_KEY}\" } }]\n";
    let file = File::new(text);
    let json = file.path("run.json");
    let with = |words: &[&str]| {
        let path = file.path("s.toml");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stampede"));
        command.arg(words[0]).arg(path).args(&words[1..]);
        command.env("TEST_URL", host(&server)).env("TEST_KEY", "hush hush!").output().unwrap()
    };
    for words in [
        &["run", "--quiet", "--json", json.to_str().unwrap()][..],
        &["run", "--dry-run"],
        &["run", "--once"],
        &["plan"],
    ] {
        let output = with(words);
        let all = said(&output) + &remarked(&output);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {all}");
        for secret in ["hush hush", "hush%20hush"] {
            assert!(!all.contains(secret), "{words:?}: {all}");
        }
    }
    let written = std::fs::read_to_string(&json).unwrap();
    assert!(
        !written.contains("hush") && !written.contains(&host(&server)) && written.contains("${env:TEST_URL}"),
        "{written}"
    );
    let missing = file.run("run", &[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(remarked(&missing).contains("the environment has no `TEST_KEY`"), "{}", remarked(&missing));
}

#[test]
fn a_list_of_urls_is_sent() {
    let server = Server::answering(200);
    let file = File::new("");
    let list = file.path("urls.txt");
    std::fs::write(&list, format!("# mine\nBASE = {}\n$BASE/one\n${{BASE}}/two?x=1\n", host(&server))).unwrap();
    let output = stampede(&["run", "--urls", list.to_str().unwrap(), "-u", "1", "-d", "300ms", "--quiet"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    assert!(text.contains("GET /one") && text.contains("GET /two"), "{text}");
    assert!(server.requests() > 1);
}

#[test]
fn a_feed_that_is_used_up_is_an_error_of_the_tool() {
    let server = Server::answering(200);
    let file = File::new(
        "[feed.f]\nrows = [1, 2]\nmode = \"unique\"\n[[scenario]]\niterations = 5\nsteps = [{ get = \"/{f.value}\" }]\n",
    );
    let output = file.run("run", &["--host", &host(&server), "--quiet"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(remarked(&output).contains("feed `f` is used up"), "{}", remarked(&output));
}

#[test]
fn a_baseline_of_another_plan_is_refused_before_anything_is_sent() {
    let server = Server::answering(200);
    let file = File::new(TWO_STEPS);
    let json = file.path("before.json");
    file.run("run", &["--host", &host(&server), "--json", json.to_str().unwrap(), "--quiet"]);
    let sent = server.requests();
    let against = |more: &[&str]| {
        let words = ["--host", &host(&server), "--quiet", "--baseline", json.to_str().unwrap()];
        file.run("run", &[&words[..], more].concat())
    };
    let other = against(&["-u", "3"]);
    assert_eq!(other.status.code(), Some(2), "{}", remarked(&other));
    assert_eq!(server.requests(), sent);
    let same = against(&[]);
    assert_eq!(same.status.code(), Some(0), "too short to tell, which is no failure: {}", remarked(&same));
    assert_eq!(server.requests(), 2 * sent);
}

#[test]
fn a_list_of_urls_is_sent_with_headers_that_are_not_shown() {
    let server = Server::answering(200);
    let file = File::new("");
    let list = file.path("urls.txt");
    std::fs::write(&list, format!("{0}/a\n{0}/b\n", host(&server))).unwrap();
    let json = file.path("run.json");
    let output = stampede(&[
        "run",
        "--urls",
        list.to_str().unwrap(),
        "-H",
        "Authorization: Bearer hush{1}",
        "-u",
        "2",
        "-d",
        "200ms",
        "--quiet",
        "--json",
        json.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{} {}", said(&output), remarked(&output));
    let text = std::fs::read_to_string(&json).unwrap() + &said(&output);
    assert!(!text.contains("hush"), "{text}");
    let run: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(run["result"]["counts"]["succeeded"], server.requests());
    let wrong = stampede(&["run", "--urls", list.to_str().unwrap(), "-H", "nothing"]);
    assert_eq!(wrong.status.code(), Some(2));
}
