//! A standby that takes over: roles swap, what was committed is there, and the undo makes two of one again.

use std::process::Stdio;

use sandbox::testing::eventually;
use tokio_postgres::NoTls;

use super::place::{Place, is_alive};
use super::{LONG, remarked, said};

/// Runs one statement and gives its first column, a number.
async fn ask(url: &str, sql: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let rows = client.query(sql, &[]).await.unwrap();
    driver.abort();
    rows.first().map_or(0, |row| row.get(0))
}

#[tokio::test]
async fn a_standby_takes_over_and_the_bench_may_die_in_the_middle_of_it() {
    let place = Place::with_standby();
    assert!(place.troubles().is_empty(), "{:?}", place.troubles());
    let (name, url) = place.postgres("primary").unwrap();
    assert_eq!(name, "postgres");
    ask(&url, "CREATE TABLE kept (id int8)").await;
    ask(&url, "INSERT INTO kept VALUES (7)").await;

    // Links to PostgreSQL carry no HTTP.
    let refused = place.say(&["chaos", "http-error", "--share", "10%", "--on", "gw-postgres"]);
    assert_eq!(refused.status.code(), Some(2), "{}", remarked(&refused));
    assert!(remarked(&refused).contains("nobody speaks HTTP"), "{}", remarked(&refused));

    let mut command = place.command(&["chaos", "promote", "--how", "kill", "--for", "60s"]);
    let mut bench = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    eventually(LONG, || {
        assert!(bench.try_wait().unwrap().is_none(), "the fault ended by itself");
        let injected = place.entries("injected");
        async move { injected == 1 }
    })
    .await;
    let (name, url) = place.postgres("primary").unwrap();
    assert_eq!(name, "standby");
    assert_eq!(place.postgres("deposed").unwrap().0, "postgres");
    assert_eq!(ask(&url, "SELECT id FROM kept").await, 7, "what was committed is lost");
    // It takes writes, although nobody follows it yet.
    ask(&url, "INSERT INTO kept VALUES (8)").await;
    // A second failover has nobody to fail over to.
    let guardians = place.guardians();
    bench.kill().unwrap();
    bench.wait().unwrap();
    eventually(LONG, async || match place.troubles().as_slice() {
        [] if place.entries("undone") > 0 => Ok(()),
        troubles => Err(format!("{troubles:?}")),
    })
    .await;
    eventually(LONG, async || guardians.iter().all(|one| !is_alive(*one))).await;
    assert_eq!(place.postgres("standby").unwrap().0, "postgres");

    // Back to where the roles were, this time with nobody killed.
    let output = place.say(&["chaos", "promote", "--how", "fast", "--for", "200ms"]);
    assert!(output.status.success(), "{}", remarked(&output));
    assert!(said(&output).contains("postgres takes writes, standby follows it"), "{}", said(&output));
    let (name, url) = place.postgres("primary").unwrap();
    assert_eq!(name, "postgres");
    assert_eq!(ask(&url, "SELECT count(*) FROM kept").await, 2);
    assert!(place.troubles().is_empty(), "{:?}", place.troubles());
}

#[test]
fn a_cluster_without_a_standby_says_what_it_needs() {
    let place = Place::up();
    let output = place.say(&["chaos", "promote"]);
    assert_eq!(output.status.code(), Some(2), "{}", remarked(&output));
    assert!(remarked(&output).contains("standby = \"synchronous\""), "{}", remarked(&output));
    assert!(place.troubles().is_empty());
}
