//! redis-benchmark against the sandbox's Redis.

use std::process::Command;

use sandbox::{Redis, RedisOptions};

use super::{figure, password, read, result_file, runtime};
use crate::{remarked, said, stampede};

#[test]
fn redis_benchmark_is_driven_and_lists_are_watched() {
    let runtime = runtime();
    let server = runtime.block_on(Redis::start(RedisOptions::default())).unwrap();
    let (_folder, file) = result_file();
    let url = server.url();
    let words = ["stress", "redis", "--url", &url, "-n", "20k", "-c", "5", "-t", "set,get,lpush"];
    let more = ["--watch-list", "mylist", "--watch-list", "queue:default", "--json", file.to_str().unwrap()];
    let output = stampede(&[&words[..], &more].concat());
    let (text, remarks) = (said(&output), remarked(&output));
    assert_eq!(output.status.code(), Some(0), "{text} {remarks}");
    assert!(text.find("PASS  evicted <= 0").unwrap() < text.find("set.rps").unwrap(), "{text}");
    assert!(remarks.contains("-a *** -t set,get,lpush -n 20000 -c 5 --csv"), "{remarks}");

    let run = read(&file);
    for name in ["set.rps", "get.rps", "get.p99", "lpush.p50", "memory.max", "clients.max"] {
        assert!(figure(&run, name) > 0.0, "{name}");
    }
    let samples = run["samples"].as_array().unwrap();
    assert_eq!(samples.last().unwrap()["lists"]["mylist"], 20_000);
    assert_eq!(samples.last().unwrap()["lists"]["queue:default"], 0);
    assert!(text.contains("list mylist:"), "{text}");
    assert!(!format!("{text}{remarks}{run}").contains(&password(&url)), "the password is shown");
}

#[test]
fn evictions_break_the_implied_limit() {
    let runtime = runtime();
    let options = RedisOptions::default().setting("maxmemory", "2mb").setting("maxmemory-policy", "allkeys-lru");
    let server = runtime.block_on(Redis::start(options)).unwrap();
    let output = stampede(&["stress", "redis", "--url", &server.url(), "-n", "400k", "-c", "20", "-t", "lpush"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(99), "{text} {}", remarked(&output));
    assert!(text.contains("FAIL  evicted <= 0"), "{text}");
}

#[test]
fn a_private_redis_needs_no_url() {
    let words = ["stress", "redis", "--private", "-n", "1000", "-c", "2", "-t", "get", "--threshold", "get.rps>1"];
    let output = stampede(&words);
    assert_eq!(output.status.code(), Some(0), "{} {}", said(&output), remarked(&output));
    assert!(said(&output).contains("PASS  get.rps > 1/s"), "{}", said(&output));
}

#[test]
fn a_tool_that_is_not_installed_is_named_with_its_package() {
    let output = Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["stress", "redis", "--url", "redis://127.0.0.1:1/"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(remarked(&output).contains("apt-get install redis-tools"), "{}", remarked(&output));
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_no_endless_wait() {
    let output = stampede(&["stress", "redis", "--url", "redis://:geheim@127.0.0.1:1/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(remarked(&output).contains("redis://:***@127.0.0.1:1/"), "{}", remarked(&output));
}
