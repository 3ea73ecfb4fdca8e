//! pgbench against the sandbox's PostgreSQL.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox::testing;

use super::{figure, password, read, result_file, runtime};
use crate::{remarked, said, stampede};

const SMALL: [&str; 6] = ["--scale", "1", "--clients", "2", "--jobs", "1"];

#[test]
fn pgbench_is_driven_and_the_server_is_looked_into() {
    let runtime = runtime();
    let database = runtime.block_on(async { testing::postgres().await.empty_database().await.unwrap() });
    let (_folder, file) = result_file();
    let url = database.url();
    let words = ["stress", "postgres", "--url", &url, "-d", "2s", "-r", "--json", file.to_str().unwrap()];
    let output = stampede(&[&words[..], &SMALL].concat());
    let (text, remarks) = (said(&output), remarked(&output));
    assert_eq!(output.status.code(), Some(0), "{text} {remarks}");

    let verdict = text.find("PASS  failed < 1%").unwrap();
    let inside = text.find("\nPostgreSQL ").unwrap();
    assert!(verdict < text.find("\ntps ").unwrap() && verdict < inside, "{text}");
    assert!(remarks.contains("pgbench -i -s 1 ") && remarks.contains("pgbench -c 2 -j 1 -T 2 -r "), "{remarks}");
    assert!(remarks.contains("progress: 1.0 s"), "{remarks}");
    assert!(text.contains("UPDATE pgbench_accounts"), "-r names the statements: {text}");

    let run = read(&file);
    assert!(figure(&run, "tps") > 1.0 && figure(&run, "transactions") > 1.0);
    for name in ["latency", "latency.p50", "latency.p95", "latency.p99", "latency.max", "connections.max"] {
        assert!(figure(&run, name) > 0.0, "{name}");
    }
    assert!(figure(&run, "latency.p50") <= figure(&run, "latency.p99"));
    assert!(!run["samples"].as_array().unwrap().is_empty());
    assert_eq!(run["tools"].as_array().unwrap().len(), 2, "pgbench -i and pgbench");
    assert!(!run["tools"][1]["series"].as_array().unwrap().is_empty());
    let last = run["samples"].as_array().unwrap().last().unwrap();
    assert!(last["committed"].as_u64().unwrap() > 0, "{last}");

    let secret = password(&url);
    let whole = format!("{text}{remarks}{run}");
    assert!(!whole.contains(&secret), "the password is shown");
}

#[test]
fn a_lock_that_somebody_holds_is_seen_with_its_holder() {
    let runtime = runtime();
    let database = runtime.block_on(async { testing::postgres().await.empty_database().await.unwrap() });
    let url = database.url();
    let prepared = ["stress", "postgres", "--url", &url, "-d", "1s"];
    assert_eq!(stampede(&[&prepared[..], &SMALL].concat()).status.code(), Some(0));

    let holder = runtime.block_on(database.connect()).unwrap();
    // Within its transaction the holder would see the same sessions for ever, and its last statement is what blocks.
    let looker = runtime.block_on(database.connect()).unwrap();
    let lock = "BEGIN; LOCK TABLE pgbench_branches IN ACCESS EXCLUSIVE MODE";
    runtime.block_on(holder.batch_execute(lock)).unwrap();
    let (_folder, file) = result_file();
    let running = Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["stress", "postgres", "--url", &url, "-d", "4s", "--no-init", "--json", file.to_str().unwrap()])
        .args(SMALL)
        .args(["--slow", "500ms"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // pgbench's first look at its tables waits already; a wait of two seconds cannot fall between two looks.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                 AND clock_timestamp() - query_start > interval '2.5 seconds'";
    runtime.block_on(async {
        let seen = async || {
            let waiting: i64 = looker.query_one(waits, &[]).await.unwrap().get(0);
            if waiting > 0 { Ok(()) } else { Err("nobody waits") }
        };
        testing::eventually(Duration::from_mins(1), seen).await;
        holder.batch_execute("COMMIT").await.unwrap();
    });
    let output = running.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    let run = read(&file);
    assert!(figure(&run, "lock_waits.max") >= 1.0);
    let wait = &run["postgres"]["lock_waits"][0];
    assert_eq!(wait["lock"], "relation pgbench_branches", "{wait}");
    assert!(wait["blocker"].as_str().unwrap().contains("LOCK TABLE pgbench_branches"), "{wait}");
    assert_eq!(wait["blocker_state"], "idle in transaction", "{wait}");
    assert_ne!(wait["blocked_pid"], wait["blocker_pid"]);
    assert!(wait["waited_ns"].as_u64().unwrap() > 1_000_000_000, "{wait}");
    assert!(!run["postgres"]["slow"].as_array().unwrap().is_empty());
    assert!(text.contains("lock wait ") && text.contains("idle in transaction"), "{text}");
}

#[test]
fn a_private_postgresql_is_started_and_gone_afterwards() {
    let words = ["stress", "postgres", "--private", "-d", "1s", "--threshold", "tps>1", "--threshold", "deadlocks<=0"];
    let output = stampede(&[&words[..], &SMALL].concat());
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text} {}", remarked(&output));
    assert!(text.contains("PASS  tps > 1/s") && text.contains("PASS  deadlocks <= 0"), "{text}");
    assert!(text.contains("postgres:***@127.0.0.1"), "{text}");
}

#[test]
fn a_broken_limit_is_99() {
    let runtime = runtime();
    let database = runtime.block_on(async { testing::postgres().await.empty_database().await.unwrap() });
    let url = database.url();
    let words = ["stress", "postgres", "--url", &url, "-d", "1s", "--threshold", "tps>100m"];
    let output = stampede(&[&words[..], &SMALL].concat());
    assert_eq!(output.status.code(), Some(99), "{}", said(&output));
    assert!(said(&output).contains("FAIL  tps > 100000000/s"), "{}", said(&output));
}

#[test]
fn an_interrupted_run_still_reports() {
    let runtime = runtime();
    let database = runtime.block_on(async { testing::postgres().await.empty_database().await.unwrap() });
    let mut running = Command::new(env!("CARGO_BIN_EXE_stampede"))
        .args(["stress", "postgres", "--url", &database.url(), "-d", "10m"])
        .args(SMALL)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("progress: 1.0 s")));
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
    // Nobody may write into a closed pipe.
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let output = running.wait_with_output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(130), "{text} {rest:?}");
    assert!(text.contains("(interrupted)") && text.contains("tps "), "{text}");
}

#[test]
fn clients_that_do_not_fit_are_refused_before_anything_is_changed() {
    let runtime = runtime();
    let database = runtime.block_on(async { testing::postgres().await.empty_database().await.unwrap() });
    let output = stampede(&["stress", "postgres", "--url", &database.url(), "--clients", "5k", "--scale", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(remarked(&output).contains("5000 clients do not fit"), "{}", remarked(&output));
    let tables = runtime.block_on(async {
        let session = database.connect().await.unwrap();
        let sql = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'pgbench%'";
        session.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    });
    assert_eq!(tables, 0);
}

#[test]
fn mistakes_are_named_before_anything_is_started() {
    let refused = |words: &[&str], word: &str| {
        let output = stampede(&[&["stress"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", remarked(&output));
        assert!(remarked(&output).contains(word), "{words:?}: {}", remarked(&output));
    };
    refused(&["postgres"], "--url");
    refused(&["postgres", "--private", "--threshold", "speed>5"], "latency.p95");
    refused(&["postgres", "--private", "--threshold", "latency<5"], "a number and a unit");
    refused(&["postgres", "--private", "--guide", "--scale", "1"], "cannot be used with");
    refused(&["postgres", "--private", "-d", "200ms"], "whole seconds");
    refused(&["postgres", "--url", "mysql://me:geheim@h/d"], "cannot be used");
    refused(&["redis", "--url", "http://:geheim@h/d"], "cannot be used");
    refused(&["redis", "--private", "--threshold", "set.speed>5"], "set.rps");
    refused(&["pool", "http://127.0.0.1:9/", "--database", "postgres://me@h/d", "--hold", "most"], "all-but");
    refused(&["pool", "http://127.0.0.1:9/"], "--database");
    refused(&["http", "http://127.0.0.1:9/", "--steps", "200,100"], "must rise");
    let output = stampede(&["stress", "postgres", "--url", "mysql://me:geheim@h/d"]);
    assert!(!remarked(&output).contains("geheim"), "{}", remarked(&output));
}

#[test]
fn a_database_that_is_not_there_is_an_error_without_its_password() {
    let output = stampede(&["stress", "postgres", "--url", "postgres://me:geheim@127.0.0.1:1/d"]);
    let text = remarked(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("postgres://me:***@127.0.0.1:1/d") && !text.contains("geheim"), "{text}");
}
