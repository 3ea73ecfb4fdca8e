//! The service refuses a role or a schema under which one tenant could read another's rows.

use kv_store::admin::{AdminError, check_role, migrate};

use crate::support::{APP_PASSWORD, app_config, database};

#[tokio::test]
async fn the_service_role_is_harmless() {
    let database = database().await;
    check_role(&app_config(&database)).await.unwrap();
}

#[tokio::test]
async fn a_superuser_is_refused() {
    let database = database().await;
    let error = check_role(&database.url().parse().unwrap()).await.unwrap_err();
    assert!(matches!(&error, AdminError::UnsafeRole { fault: "is a superuser", .. }), "{error}");
    assert!(error.to_string().contains("hint: let the service log in as kv_app"), "{error}");
}

#[tokio::test]
async fn bypassrls_and_ownership_are_refused() {
    let database = database().await;
    let superuser = database.connect().await.unwrap();
    let suffix = database.name().to_owned();
    for (attribute, expected) in [("bypassrls", "has BYPASSRLS"), ("in role kv_owner", "owns the tables")] {
        let role = format!("odd_{suffix}_{}", attribute.len());
        superuser.batch_execute(&format!("create role \"{role}\" login password 'odd' {attribute}")).await.unwrap();
        superuser.batch_execute(&format!("grant kv_app to \"{role}\"")).await.unwrap();
        let config = database.url_for(sandbox::Login::Role { name: &role, password: "odd" }).parse().unwrap();
        let error = check_role(&config).await.unwrap_err();
        superuser.batch_execute(&format!("drop role \"{role}\"")).await.unwrap();
        assert!(matches!(&error, AdminError::UnsafeRole { fault, .. } if *fault == expected), "{error}");
    }
}

#[tokio::test]
async fn a_table_without_forced_security_is_refused() {
    let faults = [
        ("alter table orders disable row level security", "row-level security is off"),
        ("alter table orders no force row level security", "its security is not forced"),
        ("drop policy tenant on orders", "it has no policy"),
    ];
    for (damage, expected) in faults {
        let database = database().await;
        database.connect().await.unwrap().batch_execute(damage).await.unwrap();
        let error = check_role(&app_config(&database)).await.unwrap_err();
        let AdminError::UnsafeTable { table, fault } = &error else { panic!("{damage}: {error}") };
        assert_eq!((table.as_str(), *fault), ("orders", expected));
    }
}

#[tokio::test]
async fn an_empty_database_asks_for_migration() {
    let database = sandbox::testing::postgres().await.empty_database().await.unwrap();
    // The role exists on the server once any database was migrated.
    let migrated = crate::support::database().await;
    let error = check_role(&app_config(&database)).await.unwrap_err();
    assert!(matches!(error, AdminError::SchemaVersion { found: 0, .. }), "{error}");
    drop(migrated);
}

#[tokio::test]
async fn migrating_twice_and_side_by_side_is_harmless() {
    let database = sandbox::testing::postgres().await.empty_database().await.unwrap();
    let config: tokio_postgres::Config = database.url().parse().unwrap();
    let (first, second) = tokio::join!(migrate(&config, Some(APP_PASSWORD)), migrate(&config, Some(APP_PASSWORD)));
    first.unwrap();
    second.unwrap();
    migrate(&config, None).await.unwrap();
    check_role(&app_config(&database)).await.unwrap();
}

/// Roles belong to the cluster, so databases that are set up side by side meet there.
#[tokio::test]
async fn databases_of_one_cluster_are_migrated_side_by_side() {
    let postgres = sandbox::testing::postgres().await;
    let mut databases = Vec::new();
    for _ in 0..6 {
        databases.push(postgres.empty_database().await.unwrap());
    }
    let migrations = databases.iter().map(|database| async {
        let config: tokio_postgres::Config = database.url().parse().unwrap();
        migrate(&config, Some(APP_PASSWORD)).await
    });
    for outcome in futures_util::future::join_all(migrations).await {
        outcome.unwrap();
    }
}
