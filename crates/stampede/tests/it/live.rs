//! The live view in a terminal: keys change the run, the run file says so, and the terminal is given back.

use serde_json::Value;

use crate::pty::Pty;
use crate::server::Server;

/// How a program takes the screen, and gives it back.
const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?1049l";

fn kinds(run: &Value) -> Vec<&str> {
    run["result"]["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[test]
fn keys_change_an_open_run_and_the_terminal_is_given_back() {
    let server = Server::answering(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let url = server.url();
    let words = ["load", &url, "-R", "200", "-d", "10m", "--no-thresholds", "-o", file.to_str().unwrap()];
    let mut pty = Pty::stampede(&words);
    pty.wait_for(ENTERED);
    pty.wait_to_see("open, 200/s uniform");
    pty.wait_until("answers", || server.requests() > 20);
    assert!(!pty.is_as_a_shell_wants_it(), "keys come one by one");
    pty.press("?");
    pty.wait_to_see("Ctrl-C   the same");
    pty.press("?+");
    pty.wait_to_see("220/s");
    pty.press("p");
    pty.wait_to_see("paused: p goes on");
    let paused_at = server.requests();
    pty.press("p");
    pty.wait_until("more answers", || server.requests() > paused_at + 20);
    pty.press("q");
    let status = pty.end();
    assert_eq!(status.code(), Some(130), "{}", pty.text());
    pty.wait_for(LEFT);
    pty.wait_for("from intent");
    assert!(pty.is_as_a_shell_wants_it());
    let text = pty.text();
    assert!(text.rfind("from intent") > text.rfind(LEFT), "the summary belongs to the ordinary screen: {text:?}");

    let run: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kinds(&run), ["rate", "pause", "resume", "stop"], "{}", run["result"]["events"]);
    // The server saw each one that was sent, also those around the pause.
    assert_eq!(run["result"]["counts"]["sent"], server.requests());
}

#[test]
fn keys_change_the_users_of_a_closed_run() {
    let server = Server::answering(200);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let url = server.url();
    let words = ["load", &url, "-c", "2", "-d", "10m", "--no-thresholds", "-o", file.to_str().unwrap()];
    let mut pty = Pty::stampede(&words);
    pty.wait_to_see("closed, 2 connections");
    pty.wait_until("answers", || server.requests() > 20);
    pty.press("W");
    pty.wait_to_see("users: 12");
    pty.press("s");
    pty.wait_to_see("users: 11");
    pty.press("q");
    assert_eq!(pty.end().code(), Some(130), "{}", pty.text());
    let run: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kinds(&run), ["users", "users", "stop"], "{}", run["result"]["events"]);
}

#[test]
fn a_second_control_c_leaves_at_once_and_gives_the_terminal_back() {
    let server = Server::silent();
    let url = server.url();
    let mut pty = Pty::stampede(&["load", &url, "-c", "2", "-d", "10m", "--drain", "10m", "--timeout", "10m"]);
    pty.wait_for(ENTERED);
    pty.wait_until("requests", || server.requests() == 2);
    pty.press("\x03");
    pty.wait_to_see("Ctrl-C again leaves");
    pty.press("\x03");
    assert_eq!(pty.end().code(), Some(130));
    pty.wait_for("left without a report");
    assert!(pty.text().contains(LEFT) && pty.is_as_a_shell_wants_it());
}

#[test]
fn a_signal_from_outside_ends_the_view_in_good_order() {
    let server = Server::answering(200);
    let url = server.url();
    let pty = &mut Pty::stampede(&["load", &url, "-c", "2", "-d", "10m", "--no-thresholds"]);
    pty.wait_for(ENTERED);
    pty.wait_until("requests", || server.requests() > 20);
    pty.signal("-TERM");
    assert_eq!(pty.end().code(), Some(130));
    pty.wait_for("from intent");
    assert!(pty.text().contains(LEFT) && pty.is_as_a_shell_wants_it());
}

#[test]
fn without_the_view_a_terminal_gets_a_line() {
    let server = Server::answering(200);
    let url = server.url();
    for flag in ["--no-tui", "--quiet"] {
        let mut pty = Pty::stampede(&["load", &url, "-n", "50", flag]);
        assert_eq!(pty.end().code(), Some(0));
        pty.wait_for("from intent");
        assert!(!pty.text().contains(ENTERED), "{flag}: {:?}", pty.text());
    }
}
