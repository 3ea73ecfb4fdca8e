//! `stampede cluster` and `stampede chaos` from the shell: what runs, what breaks, and that it is whole again.

mod campaign;
mod haproxy;
mod place;
mod promotion;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use sandbox::testing::eventually;
use serde_json::{Value, json};

use super::{remarked, said, stampede};
use place::{Place, all, is_alive, pid};

const LONG: Duration = Duration::from_mins(1);
/// What is promised of a target when the bench is killed in the middle of a fault.
const WHOLE_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_cluster_is_scaled_restarted_heals_itself_and_goes_without_a_trace() {
    let place = Place::up();
    let members = || all(&place.status()["services"][0]["members"]).to_vec();
    assert_eq!(members().len(), 2);
    assert!(place.troubles().is_empty(), "{:?}", place.troubles());
    let url = format!("{}/readyz", place.status()["url"].as_str().unwrap());
    for _ in 0..4 {
        let asked = stampede(&["load", &url, "--once"]);
        assert!(asked.status.success(), "{}{}", said(&asked), remarked(&asked));
    }

    let output = place.say(&["cluster", "scale", "gw=3"]);
    assert!(output.status.success(), "{}", remarked(&output));
    assert_eq!(members().iter().map(|one| one["state"].as_str().unwrap()).collect::<Vec<_>>(), ["ready"; 3]);
    assert!(place.say(&["cluster", "scale", "gw=2"]).status.success());
    assert_eq!(members().len(), 2);

    let first = |members: Vec<Value>| pid(&members[0]["process"]);
    let before = first(members());
    assert!(place.say(&["cluster", "restart", "gw-1"]).status.success());
    let after = first(members());
    assert!(after.is_some() && before != after);

    let output = place.say(&["chaos", "kill", "--on", "gw-1"]);
    assert!(output.status.success(), "{}", remarked(&output));
    assert!(
        said(&output).contains("kill on gw-1: undone") && said(&output).contains("gw-1 is ready"),
        "{}",
        said(&output)
    );
    assert_ne!(first(members()), after);
    assert_eq!(members()[0]["ended"], 1);

    let watched = place.say(&["watch", "--json", "--every", "200ms", "--for", "1s"]);
    assert!(watched.status.success(), "{}", remarked(&watched));
    let lines: Vec<Value> = said(&watched).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert!(last["postgres"]["connections_max"].as_u64().unwrap() > 1, "{last:#}");
    assert!(last["redis"]["used_memory_bytes"].as_u64().unwrap() > 1, "{last:#}");
    let names: Vec<&str> = all(&last["processes"]).iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["gw-1", "gw-2", "postgres", "redis"]);
    assert!(all(&last["troubles"]).is_empty(), "{last:#}");

    let refused = place.say(&["cluster", "scale", "web=2"]);
    assert!(!refused.status.success() && remarked(&refused).contains("there are gw"), "{}", remarked(&refused));
    let processes = place.processes();
    assert!(place.say(&["cluster", "down"]).status.success());
    assert!(!place.run().join("cluster.json").exists());
    eventually(LONG, async || processes.iter().all(|one| !is_alive(*one))).await;
    let gone = place.say(&["cluster", "status"]);
    assert!(remarked(&gone).contains("stampede cluster up"), "{}", remarked(&gone));
}

#[tokio::test]
async fn a_killed_cluster_takes_all_it_started_with_it() {
    let place = Place::up();
    let processes = place.processes();
    assert!(processes.len() > 4);
    end(place.holder());
    eventually(LONG, async || processes.iter().all(|one| !is_alive(*one))).await;
    assert!(!place.say(&["cluster", "status"]).status.success());
}

#[tokio::test]
async fn whatever_fault_is_in_force_when_the_bench_is_killed_the_target_is_whole_within_five_seconds() {
    let place = Place::up();
    let faults: [&[&str]; 20] = [
        &["pause", "--on", "gw-1"],
        &["pause", "--on", "postgres"],
        &["pause", "--on", "redis"],
        &["stop", "--on", "gw-2"],
        &["latency", "--latency", "100ms", "--jitter", "20ms", "--on", "gw-postgres"],
        &["bandwidth", "--rate", "1k", "--on", "gw-1-redis"],
        &["cut", "--on", "gw-redis"],
        &["cut", "--on", "client-gw"],
        &["half-open", "--on", "gw-postgres"],
        &["reset", "--on", "client-gw"],
        &["slow-close", "--latency", "1s", "--on", "client-gw"],
        &["http-error", "--share", "30%", "--on", "client-gw"],
        &["http-no-answer", "--share", "30%", "--on", "client-gw-1"],
        &["http-twice", "--share", "30%", "--on", "client-gw"],
        &["postgres-stop", "--how", "fast"],
        &["postgres-stop", "--how", "kill"],
        &["exhaust"],
        &["lock-rows", "--rows", "SELECT 1 FROM pg_class WHERE relname = 'pg_class' FOR SHARE"],
        &["redis-stop", "--how", "kill"],
        &["client-pause"],
    ];
    for (number, words) in faults.iter().enumerate() {
        let mut command = place.command(&["chaos"]);
        let mut bench = command.args(*words).args(["--for", "60s"]).stderr(Stdio::null()).spawn().unwrap();
        eventually(LONG, || {
            assert!(bench.try_wait().unwrap().is_none(), "{words:?} ended by itself");
            let injected = place.entries("injected");
            async move { injected == number + 1 }
        })
        .await;
        let guardians = place.guardians();
        assert_eq!(guardians.len(), 1, "{words:?}");
        bench.kill().unwrap();
        bench.wait().unwrap();
        eventually(WHOLE_WITHIN, async || match place.troubles().as_slice() {
            [] if place.entries("undone") > number => Ok(()),
            troubles => Err(format!("{words:?}: {troubles:?}")),
        })
        .await;
        eventually(WHOLE_WITHIN, async || guardians.iter().all(|one| !is_alive(*one))).await;
    }
    let recovered = place.say(&["chaos", "recover"]);
    assert!(recovered.status.success() && remarked(&recovered).contains("nothing is open"), "{}", remarked(&recovered));
}

#[tokio::test]
async fn an_open_journal_refuses_a_run_until_it_is_recovered() {
    let place = Place::up();
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    let started: u64 = {
        let stat = fs::read_to_string(format!("/proc/{}/stat", sleeper.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
    };
    signal(sleeper.id(), "STOP");
    let intent = json!({
        "entry": "intent", "id": 0, "at_unix_ms": 0, "fault": "pause", "on": "sleeper", "deadline_unix_ms": 0,
        "undo": { "undo": "continue", "processes": [{ "pid": sleeper.id(), "started": started }] },
    });
    fs::write(place.journal(), format!("{intent}\n")).unwrap();
    let refused = place.say(&["chaos", "cut", "--on", "gw-redis"]);
    assert_eq!(refused.status.code(), Some(6), "{}", remarked(&refused));
    assert!(remarked(&refused).contains("pause on sleeper") && remarked(&refused).contains("chaos recover"));
    assert!(place.troubles().is_empty());

    let recovered = place.say(&["chaos", "recover"]);
    assert!(
        recovered.status.success() && said(&recovered).contains("pause on sleeper: undone"),
        "{}",
        said(&recovered)
    );
    eventually(LONG, async || {
        fs::read_to_string(format!("/proc/{}/stat", sleeper.id())).is_ok_and(|stat| !stat.contains(") T "))
    })
    .await;
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();

    // An undo that nobody can see to have worked: the process lives, its socket does not answer.
    let me = json!({ "pid": std::process::id(), "started": own_start() });
    let intent = json!({
        "entry": "intent", "id": 1, "at_unix_ms": 0, "fault": "cut", "on": "a-b", "deadline_unix_ms": 0,
        "undo": { "undo": "link", "name": "a-b", "reach": { "socket": "/nowhere/control.sock", "process": me } },
    });
    fs::write(place.journal(), format!("{intent}\n")).unwrap();
    let open = place.say(&["chaos", "recover"]);
    assert_eq!(open.status.code(), Some(6), "{}", said(&open));
    assert!(said(&open).contains("NOT UNDONE"), "{}", said(&open));
}

#[test]
fn a_plan_tells_how_clients_got_over_each_fault() {
    let place = Place::up();
    let plan = |limit: &str| {
        format!(
            "seed = 7\nlasts = \"7s\"\n[load]\npath = \"/readyz\"\nrate = \"50/s\"\ntimeout = \"2s\"\n\
             [[fault]]\nkind = \"kill\"\non = \"gw\"\nat = \"1s\"\nrecovery = \"5s\"\n\
             [[fault]]\nkind = \"cut\"\non = \"client-gw\"\nat = \"4s\"\nfor = \"1s\"\nrecovery = \"{limit}\"\n"
        )
    };
    let (file, report) = (place.file("plan.toml"), place.file("report.json"));
    fs::write(&file, plan("3s")).unwrap();
    let words = ["chaos", "run", file.to_str().unwrap(), "--json", report.to_str().unwrap()];
    let output = place.say(&words);
    assert!(output.status.success(), "{}{}", said(&output), remarked(&output));
    let read: Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let (kill, cut) = (&read["faults"][0], &read["faults"][1]);
    assert!(kill["on"].as_str().unwrap().starts_with("gw-") && kill["verified"] == true, "{read:#}");
    let refused = cut["seen"]["errors"]["connect_refused"].as_u64().unwrap_or(0);
    assert!(refused > 10, "{read:#}");
    let recovered = cut["seen"]["recovered_after_ns"].as_u64().unwrap();
    assert!((900_000_000..3_000_000_000).contains(&recovered), "{read:#}");
    assert!(cut["seen"]["longest_dark_ns"].as_u64().unwrap() >= 800_000_000, "{read:#}");

    fs::write(&file, plan("100ms")).unwrap();
    let output = place.say(&words);
    assert_eq!(output.status.code(), Some(99), "{}{}", said(&output), remarked(&output));
    assert!(said(&output).contains("MISSED"), "{}", said(&output));
    assert!(place.troubles().is_empty());
}

#[test]
fn what_cannot_be_done_is_said_and_never_skipped() {
    for (words, code, word) in [
        (["chaos", "slow-disk"].as_slice(), 2, "io.max"),
        (&["chaos", "clock"], 2, "faketime"),
        (&["chaos", "packet-loss"], 2, "netem"),
        (&["chaos", "kil"], 2, "did you mean `kill`"),
        (&["chaos", "cut", "--table", "a"], 2, "lock-table"),
        (&["chaos", "http-error", "--on", "a"], 2, "share = \"20%\""),
        (&["chaos", "http-twice", "--share", "200%", "--on", "a"], 2, "share"),
        (&["chaos", "promote", "--how", "smart"], 2, "immediate"),
        (&["chaos", "run", "/nowhere.toml"], 2, "cannot read /nowhere.toml"),
        (&["chaos", "report", "/nowhere.json"], 2, "stampede chaos run --json"),
        (&["chaos", "cut", "--on", "a", "--dir", "/nowhere"], 1, "no cluster runs in /nowhere"),
        (&["cluster", "up", "/nowhere.toml"], 2, "cannot read /nowhere.toml"),
    ] {
        let output = stampede(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", remarked(&output));
        assert!(remarked(&output).contains(word), "{words:?}: {}", remarked(&output));
    }
    let cluster = concat!(env!("CARGO_MANIFEST_DIR"), "/../../targets/kv-erp-cluster.toml");
    let single = concat!(env!("CARGO_MANIFEST_DIR"), "/../../targets/kv-erp.toml");
    let output = stampede(&["check", single, "--start", cluster]);
    assert_eq!(output.status.code(), Some(2));
    assert!(remarked(&output).contains("stampede cluster up"), "{}", remarked(&output));
    let list = said(&stampede(&["chaos", "list"]));
    for word in ["half-open", "http-error", "http-no-answer", "http-twice", "promote", "not possible here"] {
        assert!(list.contains(word), "{word}: {list}");
    }
}

fn own_start() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
}

fn end(pid: u32) {
    signal(pid, "KILL");
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}
