//! `stampede check` and `stampede selftest`: small servers judged over their HTTP face, histories judged from files, mistakes named.

use std::path::PathBuf;

use stampede_faulty::{Config, Server, by_id};

use crate::{remarked, said, stampede};

/// The faulty servers' own API, as a target.
fn target() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/selftest/target.toml");
    path.display().to_string()
}

fn server(bug: Option<&str>) -> Server {
    let bug = bug.map(|id| by_id(id).unwrap());
    Server::start(bug, 7, Config::default()).unwrap()
}

#[test]
fn a_sound_server_passes_with_the_strength_that_its_versions_give() {
    let server = server(None);
    let output = stampede(&["check", &target(), "--url", &server.url(), "--only", "counter", "-n", "400"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), remarked(&output));
    assert!(said(&output).contains("proved by witness"), "{}", said(&output));
}

#[test]
fn a_lost_update_is_named_and_its_history_can_be_judged_again() {
    let server = server(Some("lost-update"));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let page = folder.path().join("check.html");
    let output = stampede(&[
        "check",
        &target(),
        "--url",
        &server.url(),
        "--only",
        "stock",
        "-n",
        "800",
        "--keep",
        kept.to_str().unwrap(),
        "--edn",
        "-o",
        page.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(3), "{}{}", said(&output), remarked(&output));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("allowed"), "the page shows the counterexample");
    assert!(std::fs::read_to_string(kept.join("stock.edn")).unwrap().contains(":f :reserve"));
    let history = kept.join("stock.jsonl");
    let again = stampede(&["check", "--history", history.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));

    let text = std::fs::read_to_string(&history).unwrap();
    let cut = folder.path().join("cut.jsonl");
    std::fs::write(&cut, text.split_inclusive('\n').take(100).collect::<String>()).unwrap();
    let refused = stampede(&["check", "--history", cut.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(remarked(&refused).contains("cut off") && remarked(&refused).contains("--allow-truncated"));
}

#[test]
fn mistakes_are_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.toml");
    let text = std::fs::read_to_string(target()).unwrap();
    for (from, to, words) in [
        ("read = \"get_counter\"", "look = \"get_counter\"", "the model counter has no operation `look`"),
        (
            "bind = { increment = \"add\", read = \"get_counter\" }",
            "bind = { read = \"get_counter\" }",
            "increment is missing",
        ),
        ("take = { held = \"/held\" }", "", "must take `held`"),
        ("json = { by = \"{by}\" }", "json = { by = \"{buy}\" }", "slot `{buy}` has no value"),
        ("model = \"counter\"", "model = \"count\"", "unknown variant `count`"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let output = stampede(&["check", file.to_str().unwrap(), "--url", "http://127.0.0.1:9", "--list"]);
        let said = remarked(&output);
        assert_eq!(output.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains(words) && said.contains("t.toml:") && said.contains("hint: "), "{words} in {said}");
    }
    let output = stampede(&["check", &target(), "--only", "nothing"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(remarked(&output).contains("there is no workload `nothing`"));
}

#[test]
fn a_server_that_talks_nonsense_is_no_pass_and_no_panic() {
    let server = crate::server::Server::answering(200);
    let url = format!("http://127.0.0.1:{}", server.port());
    let output = stampede(&["check", &target(), "--url", &url, "--only", "counter", "-n", "100", "-c", "4"]);
    assert!(
        matches!(output.status.code(), Some(1 | 3 | 5)),
        "{:?} {}{}",
        output.status,
        said(&output),
        remarked(&output)
    );
    assert!(!remarked(&output).contains("panicked"), "{}", remarked(&output));
}

#[test]
fn the_self_test_finds_a_bug_and_clears_a_sound_server() {
    let output = stampede(&["selftest", "--bug", "lost-update", "--bug", "cross-tenant-lock"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), remarked(&output));
    assert!(said(&output).contains("2 of 2 planted bugs named"), "{}", said(&output));
    let unknown = stampede(&["selftest", "--bug", "no-such-bug"]);
    assert_eq!(unknown.status.code(), Some(2));
}
