//! Scenario files against real servers: what arrives is what the file says.

mod recorded;
mod secrets;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stampede_engine::load::{Control, LoadError, LoadPlan, LoadResult, run};
use stampede_engine::script::load_plan;
use stampede_model::failure::FailureKind;
use stampede_model::scenario::{Outside, Overrides, Plan, compile_text};

use self::server::{Said, Server};

/// A secret in the environment, and no files.
struct World;

impl Outside for World {
    fn read(&self, _path: &Path) -> Result<Vec<u8>, String> {
        Err("there are no files here".to_owned())
    }

    fn env(&self, name: &str) -> Option<String> {
        (name == "PW").then(|| "s3cret word".to_owned())
    }
}

fn plan(server: &Server, text: &str) -> Plan {
    let text = format!("target = {{ url = \"{}\" }}\n{text}", server.url());
    compile_text(Path::new("t.toml"), text, &World, &Overrides::default())
        .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn loaded(plan: &Plan, threads: u32) -> LoadPlan {
    let mut load = load_plan(plan).unwrap();
    load.threads = NonZeroU32::new(threads).unwrap();
    load
}

fn carried_out(server: &Server, text: &str, threads: u32) -> Result<LoadResult, LoadError> {
    run(&loaded(&plan(server, text), threads), &Control::new())
}

fn ok(body: &str) -> Said {
    (200, Vec::new(), body.to_owned())
}

fn step<'r>(result: &'r LoadResult, name: &str) -> &'r stampede_model::run_result::StepResult {
    result.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}"))
}

#[test]
fn a_user_logs_in_once_and_its_token_goes_along() {
    let server = Server::answering(|asked| match asked.line.as_str() {
        "POST /login" => {
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            ok(&json!({ "token": format!("T-{}", body["user"]) }).to_string())
        }
        _ => ok("{}"),
    });
    let text = r#"
[user.clerk]
login = { post = "/login", json = { user = "{user}", password = "${env:PW}" }, take = { token = "$.token" } }
headers = { authorization = "Bearer {token}" }
on_stop = [{ post = "/logout" }]
[[scenario]]
as = "clerk"
users = 4
iterations = 20
steps = [{ get = "/a" }, { get = "/b", headers = { authorization = "none" } }]
"#;
    let result = carried_out(&server, text, 2).unwrap();
    assert!(result.is_balanced());
    assert_eq!((server.of("POST /login").len(), server.of("POST /logout").len()), (4, 4));
    assert!(server.of("POST /login").iter().all(|asked| asked.header("authorization").is_none()));
    let numbers: BTreeSet<String> =
        server.of("GET /a").iter().map(|asked| asked.header("authorization").unwrap().to_owned()).collect();
    assert!(numbers.iter().all(|token| token.starts_with("Bearer T-")), "{numbers:?}");
    assert!(server.of("GET /b").iter().all(|asked| asked.header("authorization") == Some("none")));
    assert!(server.of("POST /logout").iter().all(|asked| asked.header("authorization").unwrap().contains("T-")));
    assert_eq!((server.of("GET /a").len(), step(&result, "GET /a").counts.succeeded), (20, 20));
    let body: Value = serde_json::from_str(&server.of("POST /login")[0].body).unwrap();
    assert_eq!(body["password"], "s3cret word");
    assert!(body["user"].is_u64(), "a lone slot keeps its type: {body}");
}

#[test]
fn what_is_taken_is_used_by_the_next_step() {
    let server = Server::answering(|asked| match asked.line.as_str() {
        "POST /things" => {
            (201, vec![("Location", "/things/17?a=b".to_owned())], r#"{"id": 17, "tags": ["x", "y z"]}"#.to_owned())
        }
        _ => ok("<p>order=4711;</p>"),
    });
    let text = r#"
[[scenario]]
iterations = 1
steps = [
  { post = "/things", take = { id = "$.id", tag = "$.tags[1]", place = { header = "location" }, none = { json = "$.none", default = 5 } } },
  { get = "{place}", take = { order = { regex = 'order=(\d+)' } } },
  { put = "/things/{id}/{tag}", json = { id = "{id}", order = "{order}", none = "{none}", text = "n{id}" } },
]
"#;
    carried_out(&server, text, 1).unwrap();
    let lines: Vec<String> = server.asked().iter().map(|asked| asked.line.clone()).collect();
    assert_eq!(lines, ["POST /things", "GET /things/17?a=b", "PUT /things/17/y%20z"]);
    let body: Value = serde_json::from_str(&server.of("PUT")[0].body).unwrap();
    assert_eq!(body, json!({"id": 17, "order": "4711", "none": 5, "text": "n17"}));
    assert_eq!(server.of("PUT")[0].header("content-type"), Some("application/json"));
}

#[test]
fn tasks_are_drawn_by_weight_and_the_seed_repeats_them() {
    let text = "seed = 5\n[[scenario]]\niterations = 3000\nusers = 3\ntask = [{ weight = 3, steps = [{ get = \"/a\" }] }, { weight = 2, steps = [{ get = \"/b\" }] }, { weight = 1, steps = [{ get = \"/c\" }] }]\n";
    let counts = || {
        let server = Server::answering(|_| ok(""));
        carried_out(&server, text, 1).unwrap();
        ["GET /a", "GET /b", "GET /c"].map(|start| server.of(start).len())
    };
    let first = counts();
    // Four standard deviations of a binomial share of 3,000.
    for (count, expected) in first.iter().zip([1_500.0, 1_000.0, 500.0]) {
        let off = (*count as f64 - expected).abs();
        assert!(off < 4.0 * (expected * (1.0 - expected / 3_000.0)).sqrt(), "{first:?}");
    }
    let one_user = |seed: u64| {
        let server = Server::answering(|_| ok(""));
        let text = text
            .replace("users = 3", "users = 1")
            .replace("3000", "200")
            .replace("seed = 5", &format!("seed = {seed}"));
        carried_out(&server, &text, 1).unwrap();
        server.asked().iter().map(|asked| asked.line.clone()).collect::<Vec<_>>()
    };
    assert_eq!(one_user(5), one_user(5));
    assert_ne!(one_user(5), one_user(6));
}

#[test]
fn a_user_who_thinks_sends_less() {
    let server = Server::answering(|_| ok(""));
    // One user, half a second, at least 50 ms between two: no more than eleven, whatever the machine.
    let text = "[[scenario]]\nusers = 1\nduration = \"500ms\"\nthink = \"50ms..60ms\"\nsteps = [{ get = \"/a\" }]\n[[scenario]]\nname = \"paced\"\nusers = 1\nduration = \"500ms\"\nthink = { throughput = \"20/s\" }\nsteps = [{ get = \"/p\" }]\n[[scenario]]\nname = \"in a step\"\nusers = 1\nduration = \"500ms\"\nsteps = [{ get = \"/s\", think = \"50ms\" }]\n";
    carried_out(&server, text, 1).unwrap();
    for start in ["GET /a", "GET /p", "GET /s"] {
        let count = server.of(start).len();
        assert!((1..=11).contains(&count), "{start}: {count}");
    }
}

#[test]
fn a_unique_feed_gives_each_row_once_over_all_threads() {
    let server = Server::answering(|_| ok(""));
    let rows = (0..200).map(|row| row.to_string()).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[feed.f]\nrows = [{rows}]\nmode = \"unique\"\n[[scenario]]\nusers = 8\niterations = 200\nsteps = [{{ get = \"/{{f.value}}\" }}, {{ get = \"/again/{{f.value}}\" }}]\n"
    );
    carried_out(&server, &text, 2).unwrap();
    let again = server.of("GET /again/").len();
    let lines: BTreeSet<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!((lines.len(), again), (400, 200), "each row in one iteration, the same row in both of its steps");
    let ended = carried_out(&server, &text.replace("iterations = 200", "iterations = 201"), 2).unwrap_err().to_string();
    assert!(ended.contains("feed `f` is used up") && ended.contains("200 rows"), "{ended}");
}

#[test]
fn other_feeds_go_round_or_are_drawn() {
    let server = Server::answering(|_| ok(""));
    let text = "[feed.c]\nrows = [1, 2, 3]\n[feed.r]\nrows = [1, 2, 3]\nmode = \"random\"\n[feed.u]\nrows = [\"x\", \"y\"]\n[user.p]\nheaders = { who = \"{u.value}\" }\n[[scenario]]\nas = \"p\"\nusers = 2\niterations = 300\nsteps = [{ get = \"/{c.value}/{r.value}\" }]\n";
    carried_out(&server, text, 2).unwrap();
    let count = |part: usize| {
        let mut counts = BTreeMap::new();
        for asked in server.asked() {
            *counts.entry(asked.line.split('/').nth(part).unwrap().to_owned()).or_insert(0) += 1;
        }
        counts
    };
    assert!(count(1).values().all(|times| *times == 100), "{:?}", count(1));
    assert!(count(2).len() == 3 && count(2).values().any(|times| *times != 100), "{:?}", count(2));
    let people: BTreeSet<String> = server.asked().iter().map(|asked| asked.header("who").unwrap().to_owned()).collect();
    assert_eq!(people.len(), 2, "each user keeps its own row");
}

#[test]
fn users_wait_for_each_other_and_leave_together() {
    let waiting = Arc::new(Mutex::new((0_u32, 0_u32)));
    let seen = Arc::clone(&waiting);
    let server = Server::answering(move |asked| {
        let mut counts = seen.lock().unwrap();
        if asked.line == "GET /before" {
            counts.0 += 1;
        } else {
            // Nobody may be past the barrier before all ten were in front of it.
            assert!(counts.0 >= 10, "released after {}", counts.0);
            counts.1 += 1;
        }
        ok("")
    });
    let text = "[[scenario]]\nusers = 10\niterations = 10\nsteps = [{ get = \"/before\" }, { name = \"rush\", post = \"/rush\", together = 10 }]\n";
    let result = carried_out(&server, text, 2).unwrap();
    assert_eq!(*waiting.lock().unwrap(), (10, 10));
    assert_eq!(step(&result, "rush").counts.succeeded, 10);
    assert_eq!(
        result.meetings.iter().map(|meeting| (meeting.name.as_str(), meeting.users)).collect::<Vec<_>>(),
        [("rush", 10)]
    );
}

#[test]
fn conditions_and_repetitions() {
    let server = Server::answering(|asked| match asked.line.as_str() {
        "POST /full" => (409, Vec::new(), String::new()),
        _ => ok(""),
    });
    let text = "[[scenario]]\niterations = 1\nsteps = [{ post = \"/full\", expect = { status = [201, 409] } }, { get = \"/made\", if_status = 201 }, { get = \"/refused\", if_status = \"4xx\", repeat = 3 }, { get = \"/then\", if_status = [200] }]\n";
    let result = carried_out(&server, text, 1).unwrap();
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["POST /full", "GET /refused", "GET /refused", "GET /refused", "GET /then"]);
    assert_eq!(step(&result, "GET /made").counts.asked, 0);
}

#[test]
fn an_answer_that_is_not_as_expected_is_a_counted_failure_and_ends_the_iteration() {
    let server = Server::answering(|asked| match asked.line.as_str() {
        "GET /good" => (200, vec![("X-Kind", "a; b".to_owned())], r#"{"n": 1.0, "who": "user 1"}"#.to_owned()),
        "GET /404" => (404, Vec::new(), String::new()),
        _ => ok(r#"{"n": 2, "password": "s3cret word"}"#),
    });
    let cases = [
        ("/404", "", FailureKind::Status4xx, ""),
        ("/json", "json = { \"$.n\" = 1 }", FailureKind::ContentUnexpected, "$.n is 2, not 1"),
        ("/missing", "json = { \"$.m\" = 1 }", FailureKind::ContentUnexpected, "$.m is missing"),
        ("/secret", "json = { \"$.password\" = \"x\" }", FailureKind::ContentUnexpected, "$.password is \"***\""),
        ("/text", "body_contains = \"nowhere\"", FailureKind::ContentUnexpected, "`nowhere` is not in the body"),
        ("/header", "header = { x-kind = \"c\" }", FailureKind::ContentUnexpected, "no header x-kind"),
        ("/slow", "max_time = \"1ns\"", FailureKind::ContentUnexpected, "took longer"),
        ("/status", "status = [201]", FailureKind::StatusUnexpected, ""),
    ];
    for (path, expect, kind, example) in cases {
        let text = format!(
            "[vars]\npw = \"${{env:PW}}\"\n[[scenario]]\niterations = 2\nsteps = [{{ get = \"{path}\", expect = {{ {expect} }} }}, {{ get = \"/after\" }}]\n"
        );
        let result = carried_out(&server, &text, 1).unwrap();
        let failed = &step(&result, &format!("GET {path}")).failures;
        assert_eq!((failed[0].kind, failed[0].count), (kind, 2), "{path}");
        assert!(failed[0].example.contains(example), "{path}: {}", failed[0].example);
    }
    assert_eq!(server.of("GET /after").len(), 0);
    let good = "[[scenario]]\nusers = 1\niterations = 1\nsteps = [{ get = \"/good\", expect = { status = \"2xx\", json = { \"$.n\" = 1, \"$.who\" = \"user {user}\" }, body_contains = [\"who\"], header = { X-Kind = \"b\" }, max_time = \"20s\" } }, { get = \"/after\" }]\n";
    assert_eq!(carried_out(&server, good, 1).unwrap().counts.failed, 0);
    assert_eq!(server.of("GET /after").len(), 1);
}

#[test]
fn nothing_to_take_is_a_failure() {
    let server = Server::answering(|_| ok("no json"));
    let text = "[[scenario]]\niterations = 1\nsteps = [{ get = \"/a\", take = { x = \"$.x\" } }]\n";
    let result = carried_out(&server, text, 1).unwrap();
    assert_eq!(result.failures_of(FailureKind::ContentUnexpected), 1);
    let lenient = text.replace("\"$.x\"", "{ json = \"$.x\", default = 1 }");
    assert_eq!(carried_out(&server, &lenient, 1).unwrap().counts.failed, 0);
}

#[test]
fn arrivals_make_iterations() {
    let server = Server::answering(|_| ok(""));
    let text = "[[scenario]]\narrivals = { rate = 100, max_in_flight = 20 }\nduration = \"500ms\"\nsteps = [{ get = \"/a/{iteration}\" }, { get = \"/b\" }]\n";
    let result = carried_out(&server, text, 1).unwrap();
    assert_eq!(step(&result, "GET /a/{iteration}").counts.asked, 50, "{:?}", result.counts);
    let numbers: BTreeSet<String> = server.of("GET /a/").into_iter().map(|asked| asked.line).collect();
    assert_eq!(numbers.len() as u64, step(&result, "GET /a/{iteration}").counts.sent);
}

#[test]
fn a_shared_login_is_sent_once_and_everybody_has_what_it_took() {
    let server = Server::answering(|asked| match asked.line.as_str() {
        "POST /login" => ok("{\"token\":\"t1\"}"),
        _ => ok(""),
    });
    let text = "[user.u]\nlogin = { post = \"/login\", take = { token = \"$.token\" } }\nshared = true\n\
        headers = { authorization = \"Bearer {token}\" }\n[[scenario]]\nas = \"u\"\nusers = 20\niterations = 200\n\
        steps = [{ get = \"/a\" }]\n";
    carried_out(&server, text, 2).unwrap();
    let asked = server.of("GET /a");
    assert_eq!((server.of("POST /login").len(), asked.len()), (1, 200));
    assert!(asked.iter().all(|asked| asked.header("authorization") == Some("Bearer t1")));
}

#[test]
fn a_shared_login_that_fails_is_tried_by_the_next() {
    let tries = std::sync::atomic::AtomicU32::new(0);
    let server = Server::answering(move |asked| match asked.line.as_str() {
        "POST /login" if tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
            (503, Vec::new(), String::new())
        }
        "POST /login" => ok("{\"token\":\"t2\"}"),
        _ => ok(""),
    });
    let text = "[user.u]\nlogin = { post = \"/login\", take = { token = \"$.token\" } }\nshared = true\n\
        headers = { authorization = \"Bearer {token}\" }\n[[scenario]]\nas = \"u\"\nusers = 4\niterations = 8\n\
        steps = [{ get = \"/a\" }]\n";
    carried_out(&server, text, 2).unwrap();
    assert_eq!(server.of("POST /login").len(), 2);
    assert!(server.of("GET /a").iter().all(|asked| asked.header("authorization") == Some("Bearer t2")));
}

#[test]
fn a_login_that_fails_is_not_hammered() {
    let server =
        Server::answering(|asked| if asked.line == "POST /login" { (401, Vec::new(), String::new()) } else { ok("") });
    let text = "[user.u]\nlogin = { post = \"/login\" }\n[[scenario]]\nas = \"u\"\nusers = 2\nduration = \"300ms\"\nsteps = [{ get = \"/a\" }]\n";
    let result = carried_out(&server, text, 1).unwrap();
    assert_eq!((server.of("POST /login").len(), server.of("GET /a").len()), (2, 0));
    assert_eq!(result.failures_of(FailureKind::Status4xx), 2);
}
