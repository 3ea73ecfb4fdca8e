//! Campaigns with checked load: a system that copes is called right, one that cannot cope is named, and what nobody knows is no pass.

use std::fs;

use serde_json::Value;
use tokio_postgres::NoTls;

use super::place::{Place, all};
use super::{remarked, said};

/// A stock level of SQL behind the gateways. Its requests have no key of idempotency, so a second delivery takes a second unit.
const STOCK: &str = r#"
[target]
name = "levels"
url = "http://127.0.0.1:1"
ready = { path = "/readyz", status = 200, within = "20s" }
timeout = "5s"

[user]
ann = { name = "ann" }

[request.new_level]
method = "POST"
path = "/sql"
json = { text = "insert into levels (key, available) values ($1, $2)", params = ["{key}", "{units}"] }
expect = [200]

[request.take]
method = "POST"
path = "/sql"
json = { text = "update levels set available = available - $2, version = version + 1 where key = $1 and available >= $2 returning version, available", params = ["{key}", "{units}"] }
expect = [200]
refuse = [404]
take = { version = "/rows/0/version?", available = "/rows/0/available?" }

[request.put]
method = "POST"
path = "/sql"
json = { text = "update levels set available = available + $2, version = version + 1 where key = $1 returning version, available", params = ["{key}", "{units}"] }
expect = [200]
take = { version = "/rows/0/version", available = "/rows/0/available" }

[request.look]
method = "POST"
path = "/sql"
json = { text = "select available, version from levels where key = $1", params = ["{key}"] }
expect = [200]
take = { available = "/rows/0/available", version = "/rows/0/version" }

[request.torn_levels]
method = "POST"
path = "/sql"
json = { text = "select key from levels where available < 0 or version < 0" }
expect = [404]
refuse = [200]

[[workload]]
id = "stock"
model = "stock"
users = ["ann"]
clients = 16
operations = 3000
keys = 2
setup = ["new_level"]
settings = { initial = 5 }
bind = { reserve = "take", receive = "put", read = "look" }
weights = { reserve = 5, receive = 3, read = 2 }
audit = ["torn_levels"]
"#;

fn plan(fault: &str) -> String {
    format!(
        "seed = 7\nlasts = \"60s\"\ngap = \"1500ms\"\n[load]\npath = \"/readyz\"\nrate = \"50/s\"\ntimeout = \"2s\"\n\
         [load.checked]\ntarget = \"stock.toml\"\nevery = \"100ms\"\n[load.checked.workload.stock]\nclients = 4\nround = 24\n\
         [watch]\nlists = [\"queue:default\"]\n[[fault]]\n{fault}\n"
    )
}

/// Carries a plan out; its exit code and its report.
fn run(place: &Place, fault: &str, more: &[&str]) -> (i32, Value, String) {
    fs::write(place.file("plan.toml"), plan(fault)).unwrap();
    let (file, report) = (place.file("plan.toml"), place.file("report.json"));
    let words = ["chaos", "run", file.to_str().unwrap(), "--json", report.to_str().unwrap()];
    let output = place.say(&[&words, more].concat());
    let text = format!("{}{}", said(&output), remarked(&output));
    let read = fs::read(&report).unwrap_or_else(|error| panic!("{error}: {text}"));
    (output.status.code().unwrap(), serde_json::from_slice(&read).unwrap(), text)
}

fn count(report: &Value, way: &str) -> Option<u64> {
    let row = all(&report["checked"]["rows"]).iter().find(|row| row["way"] == way).unwrap();
    row["count"].as_u64()
}

#[tokio::test]
async fn checked_load_tells_a_system_that_copes_from_one_that_does_not() {
    let place = Place::up();
    let status = place.status();
    let server = all(&status["servers"]).iter().find(|server| server["name"] == "postgres").unwrap();
    let (client, connection) = tokio_postgres::connect(server["url"].as_str().unwrap(), NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let sql =
        "create table levels (key text primary key, available bigint not null, version bigint not null default 0)";
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    fs::write(place.file("stock.toml"), STOCK).unwrap();

    // A slow way harms nobody: every count is zero, and what nobody looked for is not called so.
    let page = place.file("report.html");
    let latency = "kind = \"latency\"\non = \"client-gw\"\nlatency = \"20ms\"\nfor = \"2s\"";
    let (code, report, text) = run(&place, latency, &["-o", page.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    for way in ["oversold", "lost", "invariants", "other", "unresolved", "undecided"] {
        assert_eq!(count(&report, way), Some(0), "{way}: {text}");
    }
    assert_eq!((count(&report, "cross_tenant"), count(&report, "double")), (None, None));
    assert!(report["checked"]["run"]["workloads"][0]["operations"].as_u64().unwrap() > 100, "{text}");
    assert!(text.contains("oversold units") && text.contains("not checked") && text.contains("seed 7"), "{text}");

    // One time axis: clients, servers, the fault as a band.
    let panels: Vec<&str> =
        all(&report["timeline"]["panels"]).iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    for title in ["Latency of answers", "Requests", "Sessions of PostgreSQL", "Lengths of queues in Redis"] {
        assert!(panels.contains(&title), "{panels:?}");
    }
    assert_eq!(report["timeline"]["bands"][0]["name"], "latency 20ms on client-gw");
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("latency 20ms on client-gw") && html.contains("Was it right meanwhile?"), "{html}");
    let again = place.say(&["chaos", "report", place.file("report.json").to_str().unwrap()]);
    assert!(again.status.success() && said(&again).contains("oversold units"), "{}", remarked(&again));

    // Without a key of idempotency a request that arrives twice takes two units and tells of one.
    let twice = "kind = \"http-twice\"\non = \"client-gw\"\nshare = \"50%\"\nfor = \"2s\"";
    let (code, report, text) = run(&place, twice, &[]);
    assert_eq!(code, 3, "{text}");
    let proved: u64 = ["oversold", "lost", "double", "other"].iter().filter_map(|way| count(&report, way)).sum();
    assert!(proved > 0, "{text}");

    // An answer that never came leaves open what nobody can ask for.
    let lost = "kind = \"http-no-answer\"\non = \"client-gw\"\nshare = \"30%\"\nfor = \"1s\"";
    let (code, report, text) = run(&place, lost, &[]);
    assert_eq!(code, 5, "{text}");
    assert!(count(&report, "unresolved").unwrap() > 0, "{text}");
    assert!(place.troubles().is_empty(), "{:?}", place.troubles());
}

#[test]
fn a_plan_that_cannot_be_carried_out_breaks_nothing() {
    let place = Place::up();
    fs::write(place.file("stock.toml"), STOCK.replace("id = \"stock\"", "id = \"level\"")).unwrap();
    let fault = "kind = \"kill\"\non = \"gw\"";
    for (text, word) in [
        (plan(fault), "it has level"),
        (plan(fault).replace("stock.toml", "none.toml"), "load.checked.target: cannot read"),
    ] {
        fs::write(place.file("plan.toml"), text).unwrap();
        let output = place.say(&["chaos", "run", place.file("plan.toml").to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{}", remarked(&output));
        assert!(remarked(&output).contains(word), "{word}: {}", remarked(&output));
    }
    let timed = "lasts = \"9s\"\n[load]\npath = \"/\"\nrate = \"9/s\"\n[[fault]]\nkind = \"kill\"\n";
    fs::write(place.file("plan.toml"), timed).unwrap();
    let output = place.say(&["chaos", "run", place.file("plan.toml").to_str().unwrap(), "--quick"]);
    assert_eq!(output.status.code(), Some(2), "{}", remarked(&output));
    assert!(remarked(&output).contains("`gap`"), "{}", remarked(&output));
    assert_eq!(place.entries("intent"), 0);
    assert!(place.troubles().is_empty());
}
