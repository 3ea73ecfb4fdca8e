//! Databases copied from a template.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sandbox::testing::{self, TestDatabase};
use sandbox::{SandboxError, Session};

async fn migrate(url: String) -> Result<(), tokio_postgres::Error> {
    Session::connect(&url).await?.batch_execute("CREATE TABLE shelf (n int); INSERT INTO shelf VALUES (1)").await
}

async fn count(database: &TestDatabase) -> i64 {
    database.connect().await.unwrap().query_one("SELECT count(*) FROM shelf", &[]).await.unwrap().get(0)
}

/// A name of this test process alone, as the server may be shared by several.
fn fingerprint() -> String {
    format!("{:016x}", rand::random::<u64>())
}

#[tokio::test]
async fn two_clones_are_independent_and_go_when_dropped() {
    let postgres = testing::postgres().await;
    let template = postgres.template("clones", &fingerprint(), migrate).await.unwrap();
    let (one, two) = (template.clone_database().await.unwrap(), template.clone_database().await.unwrap());
    one.connect().await.unwrap().batch_execute("INSERT INTO shelf VALUES (2), (3)").await.unwrap();
    assert_eq!((count(&one).await, count(&two).await), (3, 1));
    let (name, still_connected) = (one.name().to_owned(), one.connect().await.unwrap());
    drop(one);
    drop(still_connected);
    let admin = postgres.connect("postgres").await.unwrap();
    let left = admin.query_one("SELECT count(*) FROM pg_database WHERE datname = $1", &[&name]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
    assert_eq!(count(&two).await, 1);
}

#[tokio::test]
async fn many_askers_migrate_once() {
    let fingerprint = fingerprint();
    let migrated = Arc::new(AtomicU32::new(0));
    let askers: Vec<_> = (0..8)
        .map(|_| {
            let (fingerprint, migrated) = (fingerprint.clone(), Arc::clone(&migrated));
            tokio::spawn(async move {
                let count_and_migrate = |url| {
                    migrated.fetch_add(1, Ordering::SeqCst);
                    migrate(url)
                };
                let postgres = testing::postgres().await;
                let template = postgres.template("once", &fingerprint, count_and_migrate).await.unwrap();
                template.clone_database().await.unwrap()
            })
        })
        .collect();
    let mut databases = Vec::new();
    for asker in askers {
        databases.push(asker.await.unwrap());
    }
    for database in &databases {
        assert_eq!(count(database).await, 1);
    }
    assert_eq!(migrated.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn failed_migrations_are_told_and_tried_again() {
    let (postgres, fingerprint) = (testing::postgres().await, fingerprint());
    let fail = |_url: String| async { Err("column \"n\" is missing") };
    let error = postgres.template("failed", &fingerprint, fail).await.unwrap_err();
    let SandboxError::Migrations { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.to_string(), "column \"n\" is missing");
    let template = postgres.template("failed", &fingerprint, migrate).await.unwrap();
    assert_eq!(count(&template.clone_database().await.unwrap()).await, 1);
}

#[tokio::test]
async fn a_connection_left_open_by_migrations_does_not_block_copies() {
    let postgres = testing::postgres().await;
    let mut left_open = None;
    let keep = async |url: String| -> Result<(), tokio_postgres::Error> {
        let session = Session::connect(&url).await?;
        session.batch_execute("CREATE TABLE shelf (n int)").await?;
        left_open = Some(session);
        Ok(())
    };
    let template = postgres.template("left_open", &fingerprint(), keep).await.unwrap();
    assert_eq!(count(&template.clone_database().await.unwrap()).await, 0);
    assert!(left_open.unwrap().simple_query("SELECT 1").await.is_err());
}
