//! `stampede autoscale` from the shell: real replicas come and go with a real load, and what is shown of it.

mod folder;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{remarked, said, stampede};
use folder::Folder;

/// What is true of a machine that does other things as well; what it promises to clients is another file's business.
const PATIENT: &str = "p95 = \"5s\"\nwindow = \"5s\"\nerrors = \"0.1%\"\n";

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Three to eight gateways of twelve requests a second each; a look every second, a minute and a half are six.
fn gateways() -> String {
    format!(
        r#"
[autoscaler]
name = "gw"
min = 3
max = 8
[[autoscaler.metric]]
pods = "requests"
average = 12
[autoscaler.scale_down]
stabilization = "90s"
[run]
cluster = "target.toml"
service = "gw"
interval = "15s"
compress = 15
requests = "requests"
[load]
scenario = "load.toml"
[expect]
replicas = [3, 8, 3]
{PATIENT}"#
    )
}

const LOAD: &str = r#"
target = { url = "http://127.0.0.1:1" }
[[scenario]]
name = "hump"
arrivals = { curve = [["0s", 6], ["5s", 6], ["1s", 100], ["13s", 100], ["1s", 6], ["16s", 6]], max_in_flight = 64 }
steps = [{ get = "/readyz", expect = { status = 200 } }]
"#;

#[test]
fn three_replicas_become_eight_and_three_again_and_nobody_notices() {
    let folder = Folder::new(&[("autoscale.toml", &gateways()), ("load.toml", LOAD)]);
    let (json, html) = (folder.file("run.json"), folder.file("run.html"));
    let file = folder.file("autoscale.toml");
    let words = ["autoscale", "run", &file, "--dir", &folder.file("cluster"), "--json", &json, "--html", &html];
    let output = stampede(&words);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), remarked(&output));
    assert_eq!(said(&output).matches("PASS").count(), 4, "{}", said(&output));
    let run: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(run["counts"]["failed"], 0, "{}", said(&output));
    let downs: Vec<&Value> =
        run["changes"].as_array().unwrap().iter().filter(|one| one["to"].as_u64() < one["from"].as_u64()).collect();
    assert!(!downs.is_empty(), "{run:#}");
    let most = run["moments"].as_array().unwrap().iter().map(|moment| moment["ready"].as_u64().unwrap()).max();
    assert_eq!(most, Some(8));
    // What it started has ended with it.
    let gone = stampede(&["cluster", "status", "--dir", &folder.file("cluster")]);
    assert!(!gone.status.success(), "{}", said(&gone));
    let page = fs::read_to_string(&html).unwrap();
    for word in [
        "Requests per second",
        "p95 from the intended start",
        "Replicas",
        "requests, target 12 a replica",
        "minReplicas: 3",
    ] {
        assert!(page.contains(word), "{word}");
    }
    let again = stampede(&["autoscale", "report", &json]);
    assert_eq!(said(&again), said(&output));
}

/// Workers that take a job from a list, and take a while for it.
const WORKERS: &str = r#"
[[cluster.service]]
name = "worker"
grace = "2s"
command = ["sh", "-c", '''
say() ( redis-cli -u "$1" --no-auth-warning "$2" "$3" )
while :; do
  if [ -n "$(say "$1" LPOP jobs)" ]; then sleep 0.15; say "$1" INCR done > /dev/null; else sleep 0.1; fi
done
''', "sh", "{redis_url}"]
"#;

const BURST: &str = r#"
target = { url = "http://127.0.0.1:1" }
[[scenario]]
name = "jobs"
arrivals = { curve = [["0s", 1], ["2s", 1], ["0s", 25], ["8s", 25], ["0s", 1], ["45s", 1]], max_in_flight = 32 }
steps = [{ post = "/redis", json = ["RPUSH", "jobs", "x"] }]
"#;

#[test]
fn workers_come_when_a_queue_takes_too_long_and_leave_when_it_is_clear() {
    let file = format!(
        r#"
[autoscaler]
name = "worker"
min = 1
max = 4
[[autoscaler.metric]]
external = "seconds_to_clear"
value = 2
[autoscaler.scale_down]
stabilization = "90s"
[run]
cluster = "target.toml"
service = "worker"
compress = 15
queue = {{ metric = "seconds_to_clear", list = "jobs", done = "done" }}
[load]
scenario = "load.toml"
[expect]
replicas = [1, 4, 1]
{PATIENT}"#
    );
    let folder = Folder::new(&[("autoscale.toml", &file), ("load.toml", BURST)]);
    folder.add_to_target(WORKERS);
    let (file, json) = (folder.file("autoscale.toml"), folder.file("run.json"));
    let output = stampede(&["autoscale", "run", &file, "--dir", &folder.file("cluster"), "--json", &json]);
    assert_eq!(output.status.code(), Some(0), "{}{}", said(&output), remarked(&output));
    let run: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let longest = run["moments"].as_array().unwrap().iter().filter_map(|moment| moment["values"][0].as_f64());
    assert!(longest.fold(0.0, f64::max) > 2.2, "it took longer than was promised at some time: {}", said(&output));
}

#[test]
fn the_manifest_is_that_of_the_file() {
    let file = repository("scenarios/autoscale.toml");
    let output = stampede(&["autoscale", "manifest", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", remarked(&output));
    let manifest = said(&output);
    for line in [
        "name: kv-erp-api",
        "minReplicas: 3",
        "maxReplicas: 8",
        "averageValue: \"600\"",
        "stabilizationWindowSeconds: 300",
    ] {
        assert!(manifest.contains(line), "{line}: {manifest}");
    }
}

#[test]
fn what_cannot_be_run_is_said() {
    let folder = Folder::new(&[("autoscale.toml", &gateways()), ("load.toml", LOAD)]);
    let (file, dir) = (folder.file("autoscale.toml"), folder.file("cluster"));
    for (name, from, to, word) in [
        ("autoscale.toml", "max = 8", "max = 2", "max at least min"),
        ("autoscale.toml", "service = \"gw\"", "servise = \"gw\"", "unknown field"),
        ("load.toml", "get = \"/readyz\"", "get = \"readyz\"", "load.toml"),
        ("target.toml", "balance = \"requests\"", "", "add balance = \"requests\""),
        ("autoscale.toml", "service = \"gw\"", "service = \"web\"", "there are gw"),
    ] {
        let whole = folder.replace(name, from, to);
        let output = stampede(&["autoscale", "run", &file, "--dir", &dir]);
        assert_eq!(output.status.code(), Some(2), "{to}: {}", remarked(&output));
        assert!(remarked(&output).contains(word), "{word}: {}", remarked(&output));
        fs::write(folder.file(name), whole).unwrap();
    }
    let row = stampede(&["autoscale", "row", "/nowhere.toml"]);
    assert_eq!(row.status.code(), Some(2), "{}", remarked(&row));
}
