//! What a compile-time check would have said: every registered statement is one that the migrated schema understands.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::support::{app_config, database};

/// Prepared as the service's own role, so that a missing grant shows too, and compared with the golden file, so that a change of
/// a parameter's or column's type is seen.
#[tokio::test]
async fn every_statement_prepares() {
    let database = database().await;
    let client = kv_store::admin::connect(&app_config(&database)).await.unwrap();
    let mut golden = String::new();
    for statement in kv_store::statement::all() {
        let prepared = match client.prepare(statement.text).await {
            Ok(prepared) => prepared,
            Err(error) => panic!("{} does not prepare: {error:?}", statement.name),
        };
        let params: Vec<_> = prepared.params().iter().map(tokio_postgres::types::Type::name).collect();
        let columns: Vec<_> =
            prepared.columns().iter().map(|column| format!("{} {}", column.name(), column.type_().name())).collect();
        writeln!(golden, "{}({}) -> {}", statement.name, params.join(", "), columns.join(", ")).unwrap();
    }
    insta::assert_snapshot!(golden);
}

#[test]
fn statement_names_are_unique() {
    let mut names = HashSet::new();
    for statement in kv_store::statement::all() {
        assert!(names.insert(statement.name), "{} is registered twice", statement.name);
    }
}

/// The predicate stands in every statement on a tenant's table, beside row-level security.
#[test]
fn every_statement_names_the_tenant() {
    let untenanted =
        ["SET_TENANT", "PING", "IDENTIFY", "TRANSACTION_STATUS", "FIND_LOGIN", "FIND_TOKEN", "NEXT_LOCK_EPOCH"];
    for statement in kv_store::statement::all() {
        let names_tenant = statement.text.contains("tenant_id = $1")
            || statement.text.contains("select $1,")
            || statement.text.contains("values ($1,");
        assert!(names_tenant != untenanted.contains(&statement.name), "{} does not bind its tenant", statement.name);
    }
}
