//! A run's deadlocks: a planted one is found in the log of its server, an expected one is not counted.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use sandbox::testing::{DEADLOCK_LOG_VARIABLE, Deadlocks, EXPECT_DEADLOCKS, read_deadlocks};
use sandbox::{Login, PostgresAddress, Session};

/// Two sessions that each hold what the other wants; the second one is the victim.
async fn plant(url: &str) {
    let (first, second) = (Session::connect(url).await.unwrap(), Session::connect(url).await.unwrap());
    first.batch_execute("create table t (id int); insert into t values (1), (2)").await.unwrap();
    first.batch_execute("set deadlock_timeout = '1min'; begin; delete from t where id = 1").await.unwrap();
    second.batch_execute("set deadlock_timeout = '10ms'; begin; delete from t where id = 2").await.unwrap();
    let (waited, met) = tokio::join!(
        first.batch_execute("delete from t where id = 2"),
        second.batch_execute("delete from t where id = 1")
    );
    waited.unwrap();
    assert_eq!(met.unwrap_err().code().map(tokio_postgres::error::SqlState::code), Some("40P01"));
}

/// Servers that write down their deadlocks, what they say (a program whose output is closed ends), and the first line of it.
fn serve(file: &Path) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut servers = Command::new(env!("CARGO_BIN_EXE_sandbox"))
        .arg("serve")
        .env(DEADLOCK_LOG_VARIABLE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(servers.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    (servers, lines, first)
}

#[tokio::test]
async fn a_planted_deadlock_is_found_when_its_server_has_stopped() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("deadlocks");
    let (mut servers, _lines, first) = serve(&file);
    let url = first.split(' ').nth(2).unwrap();
    let address: PostgresAddress = url.parse().unwrap();
    assert_eq!(read_deadlocks(&file).unwrap(), Deadlocks { running: 1, ..Deadlocks::default() });
    plant(url).await;
    let session = Session::connect(url).await.unwrap();
    session.batch_execute("create database planted").await.unwrap();
    let planted = address.url_for("planted", Login::Superuser);
    Session::connect(&planted).await.unwrap().batch_execute(EXPECT_DEADLOCKS).await.unwrap();
    plant(&planted).await;
    let told = Command::new("kill").args(["-TERM", &servers.id().to_string()]).status().unwrap();
    assert!(told.success() && servers.wait().unwrap().success());
    assert_eq!(read_deadlocks(&file).unwrap(), Deadlocks { servers: 1, deadlocks: 1, ..Deadlocks::default() });
}

#[tokio::test]
async fn a_server_whose_starter_was_killed_is_said_to_be_unread() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("deadlocks");
    let (mut servers, _lines, first) = serve(&file);
    assert!(first.starts_with("postgres "), "{first}");
    servers.kill().unwrap();
    servers.wait().unwrap();
    assert_eq!(read_deadlocks(&file).unwrap(), Deadlocks { unread: 1, ..Deadlocks::default() });
}
