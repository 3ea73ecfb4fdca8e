//! What no output may show.

use std::sync::{Arc, Mutex};

use serde_json::json;
use stampede_engine::load::{Control, run};
use stampede_engine::script::once_plan;

use super::server::{Asked, Server};
use super::{loaded, ok, plan};

#[test]
fn a_token_is_shown_in_no_exchange() {
    let server = Server::answering(|_| ok(r#"{"token": "tok-4711", "id": "id-1"}"#));
    let text = "[user.u]\nlogin = { post = \"/login\", take = { token = \"$.token\", id = \"$.id\" } }\nheaders = { authorization = \"Bearer {token}\" }\n[[scenario]]\nas = \"u\"\niterations = 1\nsteps = [{ get = \"/{id}\" }]\n";
    let told = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&told);
    let once = once_plan(&plan(&server, text), Arc::new(move |text: &str| to.lock().unwrap().push_str(text))).unwrap();
    run(&once, &Control::new()).unwrap();
    let told = told.lock().unwrap();
    assert!(told.contains("\"token\": \"***\"") && told.contains("id-1") && !told.contains("tok-4711"), "{told}");
    assert!(server.of("GET /id-1")[0].header("authorization") == Some("Bearer tok-4711"));
}

#[test]
fn secrets_are_in_no_exemplar_and_no_exchange() {
    let server = Server::answering(|asked: &Asked| ok(&json!({ "echo": asked.body }).to_string()));
    let text = "[[scenario]]\niterations = 3\nsteps = [{ post = \"/a\", form = { pw = \"${env:PW}\" }, headers = { x-pw = \"${env:PW}\", authorization = \"Basic abc\" } }, { post = \"/b\", json = { pw = \"${env:PW}\" } }]\n";
    let plan = plan(&server, text);
    let result = run(&loaded(&plan, 1), &Control::new()).unwrap();
    let written = serde_json::to_string(&result).unwrap();
    assert!(!written.contains("s3cret") && written.contains("***"), "{written}");
    let told = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&told);
    let once = once_plan(&plan, Arc::new(move |text: &str| to.lock().unwrap().push_str(text))).unwrap();
    let result = run(&once, &Control::new()).unwrap();
    let told = told.lock().unwrap();
    assert_eq!(result.counts.succeeded, 2, "each task once");
    assert!(
        told.contains("POST /a") && told.contains("--- POST /b") && told.contains("authorization: (not shown)"),
        "{told}"
    );
    assert!(!told.contains("s3cret") && !told.contains("Basic"), "{told}");
}

#[test]
fn a_secret_is_hidden_before_a_text_is_cut() {
    // Cut behind 2,000 letters in an exchange, behind 120 in a failure.
    let server = Server::answering(|asked: &Asked| {
        let letters = if asked.line == "GET /long" { 1_990 } else { 112 };
        ok(&json!({ "a": format!("{}s3cret word", "x".repeat(letters)) }).to_string())
    });
    let text = "[[scenario]]\niterations = 1\nsteps = [{ get = \"/long\", headers = { x-pw = \"${env:PW}\" } }, { get = \"/b\", expect = { json = { \"$.a\" = 1 } } }]\n";
    let plan = plan(&server, text);
    let told = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&told);
    let once = once_plan(&plan, Arc::new(move |text: &str| to.lock().unwrap().push_str(text))).unwrap();
    let result = run(&once, &Control::new()).unwrap();
    let told = told.lock().unwrap();
    assert!(told.contains("xx***") && !told.contains("xxs"), "{told}");
    let example = &result.failures[0].example;
    assert!(example.contains("xx***") && !example.contains("xxs"), "{example}");
}
