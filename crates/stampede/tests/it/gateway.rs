//! `stampede gateway`: Redis and PostgreSQL by HTTP, and what is made of them, checked.

use std::path::PathBuf;
use std::process::Output;

use crate::{remarked, said, stampede};

fn target(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../targets").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Checks a target that is given as text.
fn check(text: &str, words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("target.toml");
    std::fs::write(&file, text).unwrap();
    stampede(&[&["check", file.to_str().unwrap()], words].concat())
}

#[test]
fn a_lock_and_a_limit_of_redis_scripts_are_proved() {
    // A lease has to run out under its holder, so the run has to last for several.
    for (workload, operations) in [("lock", "5000"), ("limit", "600")] {
        let output = check(&target("redis.toml"), &["--only", workload, "-n", operations]);
        assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), remarked(&output));
        assert_eq!(said(&output).matches("proved by witness").count(), 2, "{}", said(&output));
    }
}

#[test]
fn a_queue_and_a_level_of_sql_are_proved() {
    let output = check(&target("postgres.toml"), &["-n", "300"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), remarked(&output));
    assert_eq!(said(&output).matches("proved by witness").count(), 4, "{}", said(&output));
}

#[test]
fn a_release_that_asks_nobody_is_named() {
    let sound = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return false";
    let text = target("redis.toml");
    assert!(text.contains(sound));
    let wrong = text.replace(sound, "if redis.call('DEL', KEYS[1]) == 1 then return 1 end return false");
    let output = check(&wrong, &["--only", "lock"]);
    assert_eq!(output.status.code(), Some(3), "{}{}", said(&output), remarked(&output));
    assert!(
        ["released-by-stranger", "granted-twice"].iter().any(|rule| said(&output).contains(rule)),
        "{}",
        said(&output)
    );
}

#[test]
fn an_audit_that_finds_something_fails_the_check() {
    let text = target("postgres.toml").replace("where available < 0 or version < 0", "where version > 0 limit 1");
    let output = check(&text, &["--only", "stock", "-n", "200"]);
    assert_eq!(output.status.code(), Some(3), "{}{}", said(&output), remarked(&output));
    assert!(said(&output).contains("audit-failed") && said(&output).contains("`torn_levels`"), "{}", said(&output));
}

#[test]
fn it_stands_before_something_and_on_the_loopback_only() {
    let nothing = stampede(&["gateway"]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(remarked(&nothing).contains("give --redis URL"), "{}", remarked(&nothing));
    let open = stampede(&["gateway", "--listen", "0.0.0.0:0", "--redis", "redis://127.0.0.1:1"]);
    assert_eq!(open.status.code(), Some(2));
    assert!(remarked(&open).contains("loopback"), "{}", remarked(&open));
    let secret = stampede(&["gateway", "--redis", "redis//:hush@nowhere"]);
    assert_eq!(secret.status.code(), Some(2));
    assert!(!remarked(&secret).contains("hush"), "{}", remarked(&secret));
}
