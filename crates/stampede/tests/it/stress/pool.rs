//! The loss of all database connections: a service that takes it well and those that do not must be told apart.

use sandbox::{Listen, Login, Postgres, PostgresOptions};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::service::{Manners, serve};
use super::{figure, password, read, result_file, runtime};
use crate::{remarked, said, stampede};

/// A small PostgreSQL, and a role that is no superuser: superusers have places of their own.
struct Small {
    runtime: Runtime,
    server: Postgres,
}

impl Small {
    fn start() -> Self {
        let runtime = runtime();
        let options = PostgresOptions::ephemeral().listen(Listen::AnyPort).setting("max_connections", "20");
        let server = runtime.block_on(Postgres::start(options)).unwrap();
        runtime.block_on(async {
            let session = server.connect("postgres").await.unwrap();
            let sql =
                "CREATE ROLE app LOGIN PASSWORD 'app'; CREATE TABLE orders (id int); GRANT SELECT ON orders TO app";
            session.batch_execute(sql).await.unwrap();
        });
        Self { runtime, server }
    }

    fn service(&self, manners: Manners) -> String {
        let database = self.server.url_for("postgres", Login::Role { name: "app", password: "app" });
        self.runtime.block_on(serve(manners, database, "SELECT count(*) FROM orders"))
    }

    /// Runs the command against a service; returns its exit, its text and its record.
    fn judged(&self, manners: Manners, more: &[&str]) -> (Option<i32>, String, Value) {
        let url = self.service(manners);
        let (_folder, file) = result_file();
        let database = self.server.url();
        let words = ["stress", "pool", &url, "--database", &database, "--json", file.to_str().unwrap()];
        let times = ["--before", "1s", "--for", "2s", "--rate", "20", "--timeout", "1500ms", "--recover-within", "4s"];
        let output = stampede(&[&words[..], &times, more].concat());
        let text = format!("{}\n{}", said(&output), remarked(&output));
        assert!(file.exists(), "{text}");
        let run = read(&file);
        assert!(!format!("{text}{run}").contains(&password(&database)), "the password is shown");
        (output.status.code(), text, run)
    }
}

/// Requests of a phase that ended as `status`.
fn answered(run: &Value, phase: usize, status: &str) -> u64 {
    run["pool"]["phases"][phase]["statuses"][status].as_u64().unwrap_or(0)
}

#[test]
fn a_service_that_says_503_and_recovers_passes() {
    let small = Small::start();
    let (exit, text, run) = small.judged(Manners::Says503, &[]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("\nPASS\n"), "{text}");
    assert!(figure(&run, "held") >= 10.0, "{run}");
    assert_eq!(run["pool"]["hold"]["free_least"], 0, "{run}");
    assert!(answered(&run, 0, "200") > 0 && answered(&run, 0, "503") == 0, "{run}");
    assert!(answered(&run, 1, "503") > 0, "{run}");
    assert_eq!(run["pool"]["phases"][1]["retry_after"], run["pool"]["phases"][1]["unavailable"]);
    assert!(answered(&run, 2, "200") > 0, "{run}");
    assert!(run["pool"]["first_good_ns"].as_u64().unwrap() < 4_000_000_000, "{run}");
    let left: i64 = small.runtime.block_on(async {
        let session = small.server.connect("postgres").await.unwrap();
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'stampede%'";
        session.query_one(sql, &[]).await.unwrap().get(0)
    });
    assert_eq!(left, 0, "every connection is given back");
}

#[test]
fn a_500_is_a_violation() {
    let (exit, text, run) = Small::start().judged(Manners::Says500, &[]);
    assert_eq!(exit, Some(3), "{text}");
    assert!(text.contains("FAIL  while connections were held answers were neither good nor 503"), "{text}");
    assert!(answered(&run, 1, "500") > 0, "{run}");
}

#[test]
fn silence_is_a_violation() {
    let (exit, text, run) = Small::start().judged(Manners::Hangs, &[]);
    assert_eq!(exit, Some(3), "{text}");
    assert!(text.contains("hung until their time-out"), "{text}");
    assert!(run["pool"]["phases"][1]["failures"]["timeout"].as_u64().unwrap() > 0, "{run}");
}

#[test]
fn a_connection_closed_without_an_answer_is_a_violation() {
    let (exit, text, _) = Small::start().judged(Manners::HangsUp, &[]);
    assert_eq!(exit, Some(3), "{text}");
    assert!(text.contains("FAIL  while connections were held"), "{text}");
}

#[test]
fn a_service_that_never_recovers_is_a_violation() {
    let (exit, text, run) = Small::start().judged(Manners::NeverRecovers, &[]);
    assert_eq!(exit, Some(3), "{text}");
    assert!(text.contains("not one good answer") && text.contains("first good answer never"), "{text}");
    assert!(run["pool"]["first_good_ns"].is_null());
}

#[test]
fn a_locked_table_is_felt_although_connections_are_free() {
    let small = Small::start();
    let (exit, text, run) = small.judged(Manners::Says503, &["--hold", "1", "--lock", "orders"]);
    assert_eq!(exit, Some(0), "{text}");
    assert_eq!(run["pool"]["hold"]["manner"], "LOCK TABLE orders");
    assert_eq!(figure(&run, "held") as u64, 1);
    assert!(answered(&run, 1, "503") > 0, "{run}");
}

#[test]
fn an_exhaustion_that_nobody_felt_is_said() {
    let (exit, text, _) = Small::start().judged(Manners::Says500, &["--hold", "all-but", "12"]);
    assert_eq!(exit, Some(0), "{text}");
    assert!(text.contains("note  no request felt the lack of connections"), "{text}");
}
