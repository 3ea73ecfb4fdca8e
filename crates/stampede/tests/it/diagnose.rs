//! `stampede diagnose`: each planted trouble is named with its evidence, and nothing is on a healthy system.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sandbox::testing::{TestDatabase, eventually, postgres};
use sandbox::{Listen, Postgres, PostgresOptions, Redis, RedisOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::accept::shop::Bug;
use super::resp::Redis as Resp;
use super::{remarked, said, stampede};

const LONG: Duration = Duration::from_mins(1);

/// The findings of a kind.
fn of_kind<'f>(found: &'f [Value], kind: &str) -> Vec<&'f Value> {
    found.iter().filter(|finding| finding["kind"] == kind).collect()
}

fn findings(output: &Output) -> Vec<Value> {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}{}", said(output), remarked(output)))
}

/// Looks for a moment.
fn diagnose(words: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = stampede(&[&["diagnose", "--for", "200ms", "--json"], words].concat());
    (output.status.code(), findings(&output))
}

fn text(finding: &Value) -> String {
    let evidence =
        finding["evidence"].as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n");
    format!("{}\n{evidence}\n{}", finding["seen"].as_str().unwrap(), finding["hint"].as_str().unwrap())
}

async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.ok() });
    client
}

/// An empty database of the run's PostgreSQL, and a session to it.
async fn database() -> (TestDatabase, String, Client) {
    let database = postgres().await.empty_database().await.unwrap();
    let url = database.url();
    let client = session(&url).await;
    (database, url, client)
}

async fn redis() -> Redis {
    Redis::start(RedisOptions::default().listen(Listen::AnyPort)).await.unwrap()
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[tokio::test]
async fn nothing_is_found_on_a_healthy_system() {
    let ((_database, postgres, _client), redis) = (database().await, redis().await);
    let mut resp = Resp::connect(&redis.url()).unwrap();
    let value = format!("token|7|{}|30000", unix_ms());
    resp.ask(&["SET", "lock:in-use", &value, "PX", "30000"]).unwrap();
    resp.ask(&["LPUSH", "queue:default", "1", "2", "3"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("api.log");
    fs::write(&log, "2026-01-01T00:00:00Z  INFO api: all is well, and ERROR is a word\n").unwrap();
    let url = redis.url();
    let words = ["--postgres", &postgres, "--redis", &url, "--list", "queue:default", "--locks", "lock:*"];
    let more = ["--lock-value", "{token}|{fence}|{since_ms}|{ttl_ms}", "--log", log.to_str().unwrap()];
    let (code, found) = diagnose(&[&words[..], &more[..]].concat());
    assert_eq!((code, found.len()), (Some(0), 0), "{found:#?}");
    let output = stampede(&[&["diagnose", "--for", "100ms"], &words[..]].concat());
    assert_eq!(said(&output), "nothing was found\n");
}

#[tokio::test]
async fn stuck_locks_are_named_and_given_back_only_as_they_were_seen() {
    let redis = redis().await;
    let url = redis.url();
    let mut resp = Resp::connect(&url).unwrap();
    resp.ask(&["CLIENT", "SETNAME", "worker-1"]).unwrap();
    let now = unix_ms();
    resp.ask(&["SELECT", "2"]).unwrap();
    let mut hold = |key: &str, holder: &str, since: u128, ttl: &str| {
        let value = format!("{holder}|{since}|30000");
        let forever = ["SET", key, &value];
        let lives = ["SET", key, &value, "PX", ttl];
        resp.ask(if ttl.is_empty() { &forever } else { &lives }).unwrap();
    };
    hold("lock:fine", "worker-1", now, "30000");
    hold("lock:forever", "worker-1", now, "");
    hold("lock:old", "worker-1", now - 90_000, "30000");
    hold("lock:gone", "worker-9", now, "30000");
    let locks =
        ["--redis", &url, "--locks", "lock:*", "--lock-database", "2", "--lock-value", "{holder}|{since_ms}|{ttl_ms}"];
    let (code, found) = diagnose(&locks);
    let stuck: Vec<String> = of_kind(&found, "stuck-lock").into_iter().map(text).collect();
    assert_eq!((code, stuck.len()), (Some(99), 3), "{found:#?}");
    for words in
        ["lock:forever lives for ever", "lock:old has been held for", "lock:gone is held by a connection that is gone"]
    {
        assert!(stuck.iter().any(|text| text.contains(words)), "{words}: {stuck:?}");
    }
    assert!(stuck.iter().all(|text| text.contains("stampede diagnose --release lock:")), "{stuck:?}");

    let release = ["diagnose", "--redis", &url, "--lock-database", "2", "--release", "lock:forever"];
    let mut asked = Command::new(env!("CARGO_BIN_EXE_stampede"));
    let refused = asked.args(release).stdin(Stdio::null()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", remarked(&refused));
    assert!(remarked(&refused).contains("--yes"), "{}", remarked(&refused));
    assert!(resp.text(&["GET", "lock:forever"]).is_some(), "nobody said yes");
    let given = stampede(&[&release[..], &["--yes"]].concat());
    assert!(given.status.success(), "{}", remarked(&given));
    assert!(resp.text(&["GET", "lock:forever"]).is_none() && resp.text(&["GET", "lock:fine"]).is_some());
    let again = stampede(&[&release[..], &["--yes"]].concat());
    assert_eq!(again.status.code(), Some(1));
    assert!(remarked(&again).contains("is not held in database 2"), "{}", remarked(&again));
}

#[tokio::test]
async fn a_chain_of_blocked_statements_is_shown_from_its_root() {
    let (_database, url, first) = database().await;
    first.batch_execute("CREATE TABLE shelf (id int PRIMARY KEY); INSERT INTO shelf VALUES (1), (2)").await.unwrap();
    let (second, third) = (session(&url).await, session(&url).await);
    let pid = async |client: &Client| client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get::<_, i32>(0);
    let pids = [pid(&first).await, pid(&second).await, pid(&third).await];
    let lock = |id: u32| format!("SELECT 1 FROM shelf WHERE id = {id} FOR UPDATE");
    first.batch_execute(&format!("BEGIN; {}", lock(1))).await.unwrap();
    second.batch_execute(&format!("BEGIN; {}", lock(2))).await.unwrap();
    let (of_first, of_second) = (lock(1), lock(2));
    tokio::spawn(async move { second.batch_execute(&of_first).await });
    tokio::spawn(async move { third.batch_execute(&of_second).await });
    let watch = session(&url).await;
    eventually(LONG, async || {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        (watch.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 2).then_some(())
    })
    .await;
    let (code, found) = diagnose(&["--postgres", &url]);
    let blocked = of_kind(&found, "blocked");
    assert_eq!((code, blocked.len()), (Some(99), 1), "{found:#?}");
    let text = text(blocked[0]);
    let root = format!("session {} (idle in transaction) blocks 2 others", pids[0]);
    assert!(text.contains(&root), "{text}");
    assert!(text.contains(&format!("{} waits for {}", pids[1], pids[0])), "{text}");
    assert!(text.contains(&format!("  {} waits for {}", pids[2], pids[1])), "{text}");
    assert!(text.contains(&format!("pg_terminate_backend({})", pids[0])), "{text}");
}

#[tokio::test]
async fn a_slow_statement_is_shown_with_its_time() {
    let (_database, url, client) = database().await;
    let cancel = client.cancel_token();
    let slow = tokio::spawn(async move { client.batch_execute("SELECT 'napping', pg_sleep(600)").await });
    let watch = session(&url).await;
    eventually(LONG, async || {
        let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%napping%' AND pid <> pg_backend_pid()
                       AND now() - query_start > interval '200 ms'";
        (watch.query_one(running, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
    })
    .await;
    let (_, found) = diagnose(&["--postgres", &url, "--slow", "100ms"]);
    let slow_ones = of_kind(&found, "slow-query");
    assert_eq!(slow_ones.len(), 1, "{found:#?}");
    assert!(text(slow_ones[0]).contains("pg_sleep(600)") && text(slow_ones[0]).contains("EXPLAIN"), "{found:#?}");
    cancel.cancel_query(NoTls).await.unwrap();
    assert!(slow.await.unwrap().is_err());
}

#[tokio::test]
async fn connections_that_run_out_are_shown_with_who_has_them() {
    let options = PostgresOptions::ephemeral().listen(Listen::AnyPort).setting("max_connections", "20");
    let server = Postgres::start(options).await.unwrap();
    let url = server.url();
    let leaky = format!("{url}{}application_name=leaky", if url.contains('?') { '&' } else { '?' });
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(session(&leaky).await);
    }
    let (_, found) = diagnose(&["--postgres", &url]);
    let connections = of_kind(&found, "connections");
    assert_eq!(connections.len(), 1, "{found:#?}");
    let text = text(connections[0]);
    assert!(text.contains("of 20 connections") && text.contains("by leaky has 16 idle"), "{text}");
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn a_limited_user_is_shown() {
    let redis = redis().await;
    let url = redis.url();
    let mut resp = Resp::connect(&url).unwrap();
    resp.ask(&["SELECT", "1"]).unwrap();
    for _ in 0..60 {
        resp.ask(&["RPUSH", "rl:user:7", "1"]).unwrap();
    }
    resp.ask(&["PEXPIRE", "rl:user:7", "60000"]).unwrap();
    resp.ask(&["SET", "rl:user:8", "59", "PX", "60000"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("look.toml");
    fs::write(&file, "[look.limits]\nkeys = \"rl:user:*\"\ndatabase = 1\nlimit = 60\n").unwrap();
    let (code, found) = diagnose(&["--redis", &url, "--look", file.to_str().unwrap()]);
    let limited = of_kind(&found, "limited");
    assert_eq!((code, limited.len()), (Some(0), 1), "{found:#?}");
    assert!(text(limited[0]).contains("rl:user:7 has used 60 of 60 calls"), "{found:#?}");
    resp.ask(&["INCR", "rl:user:8"]).unwrap();
    let (_, found) = diagnose(&["--redis", &url, "--look", file.to_str().unwrap()]);
    assert!(text(of_kind(&found, "limited")[0]).contains("2 users"), "{found:#?}");
}

const SHOP: &str = r#"
[target]
name = "shop"
url = "http://127.0.0.1:{port}"
ready = { path = "/readyz", status = 200, within = "60s" }
[target.redis]

[[cluster.service]]
name = "api"
replicas = 2
listen = "127.0.0.1:{port}"
ready = { path = "/readyz", status = 200, within = "60s" }
command = ["{env.SHOP}", "accept::shop::service", "--exact", "--ignored", "--nocapture"]
env = { SHOP_ROLE = "api", SHOP_PORT = "{self.port}", SHOP_REDIS = "{redis_url}", SHOP_NAME = "{self.name}" }
"#;

const LOOK: &str = r#"
[look]
queues = ["queue:default"]
workers = "api"
metrics = { jobs_done = "shop_lists_total", pool_waiting = "shop_waiting" }
"#;

/// A shop in two replicas that is taken down with the test.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn up(bug: Bug) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(shop.file("shop.toml"), SHOP).unwrap();
        fs::write(shop.file("look.toml"), LOOK).unwrap();
        let file = shop.file("shop.toml");
        let mut command = shop.command(&["cluster", "up", &file, "--detach"]);
        let output =
            command.env("SHOP", std::env::current_exe().unwrap()).env("SHOP_BUG", bug.to_string()).output().unwrap();
        assert!(output.status.success(), "{}", remarked(&output));
        shop
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
        command.args(words).env("STAMPEDE_CLUSTER", self.folder.path().join("run"));
        command
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.command(&["cluster", "status", "--json"]).output().unwrap().stdout).unwrap()
    }

    fn redis(&self) -> Resp {
        let status = self.status();
        let redis = status["servers"].as_array().unwrap().iter().find(|server| server["name"] == "redis").unwrap();
        Resp::connect(redis["url"].as_str().unwrap()).unwrap()
    }

    fn diagnose(&self) -> (Option<i32>, Vec<Value>) {
        let look = self.file("look.toml");
        let output = self.command(&["diagnose", "--for", "1s", "--json", "--look", &look]).output().unwrap();
        (output.status.code(), findings(&output))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        drop(self.command(&["cluster", "down"]).output());
    }
}

#[tokio::test]
async fn a_backlog_pool_waiters_and_a_burst_of_errors_are_found_in_a_cluster() {
    let shop = Shop::up(Bug::Complains);
    let url = shop.status()["url"].as_str().unwrap().to_owned();
    let mut redis = shop.redis();
    for number in 0..600 {
        redis.ask(&["LPUSH", "queue:default", &number.to_string()]).unwrap();
    }
    // Somebody asks for lists as long as it is looked at: each is a job done and an error logged.
    let list = format!("{url}/list");
    let mut asking = Command::new(env!("CARGO_BIN_EXE_stampede"));
    let mut asking = asking
        .args(["load", &list, "-d", "60s", "--rate", "40/s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A connection stays with its replica, so either may have all of them.
    let logged = |shop: &Shop| {
        let logs = ["log/api-1.log", "log/api-2.log"].map(|log| Path::new(&shop.file("run")).join(log));
        logs.map(|log| fs::read_to_string(log).unwrap_or_default().matches("ERROR shop").count()).iter().sum::<usize>()
    };
    eventually(LONG, async || (logged(&shop) >= 5).then_some(())).await;
    let (code, found) = shop.diagnose();
    asking.kill().unwrap();
    asking.wait().unwrap();
    assert_eq!(code, Some(99), "{found:#?}");
    let backlog = text(of_kind(&found, "backlog")[0]);
    assert!(backlog.contains("600 jobs wait") && backlog.contains("done by 2 replicas of api"), "{backlog}");
    assert!(backlog.contains("stampede cluster scale api="), "{backlog}");
    let waiting = of_kind(&found, "pool");
    assert!(waiting.len() == 2 && text(waiting[0]).contains("3 requests wait for a database connection"), "{found:#?}");
    let errors = of_kind(&found, "errors");
    assert_eq!(errors.len(), 1, "{found:#?}");
    let errors = text(errors[0]);
    assert!(
        errors.contains("while it was looked at: shop: no such shelf number=..") && errors.contains("\napi-"),
        "{errors}"
    );
}

#[test]
fn a_healthy_cluster_has_no_findings_and_a_killed_replica_is_one() {
    let shop = Shop::up(Bug::Nothing);
    let (code, found) = shop.diagnose();
    assert_eq!((code, found.len()), (Some(0), 0), "{found:#?}");
    let killed = shop.command(&["chaos", "kill", "--on", "api-1"]).output().unwrap();
    assert!(killed.status.success(), "{}", remarked(&killed));
    let (_, found) = shop.diagnose();
    assert_eq!(of_kind(&found, "ended").len(), 1, "{found:#?}");
    assert!(text(&found[0]).contains("api-1 has ended 1 times by itself"), "{found:#?}");
}

#[test]
fn mistakes_are_named() {
    for (words, word) in [
        (["--look", "/nowhere.toml"].as_slice(), "--look: cannot read /nowhere.toml"),
        (&["--log", "/nowhere.log"], "--log: there is no file /nowhere.log"),
        (&["--lock-database", "2", "--redis", "redis://127.0.0.1:1"], "add --locks 'lock:*'"),
        (&["--yes"], "--release"),
    ] {
        let output = stampede(&[&["diagnose"], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", remarked(&output));
        assert!(remarked(&output).contains(word), "{words:?}: {}", remarked(&output));
    }
    let away = stampede(&["diagnose", "--for", "1ms", "--redis", "redis://127.0.0.1:1"]);
    assert_eq!(away.status.code(), Some(99), "{}", remarked(&away));
    assert!(said(&away).contains("now   cannot look at redis"), "{}", said(&away));
}
