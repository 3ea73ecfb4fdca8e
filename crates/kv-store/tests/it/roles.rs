//! The service refuses a role or a schema under which one tenant could read another's rows.

use kv_store::Server;
use kv_store::admin::{self, AdminError, check_role, migrate};
use tokio_postgres::error::SqlState;

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
async fn what_a_role_is_or_may_become_is_refused() {
    let database = database().await;
    let superuser = database.connect().await.unwrap();
    let unbound = format!("unbound_{}", database.name());
    superuser.batch_execute(&format!("create role \"{unbound}\" bypassrls")).await.unwrap();
    let inherited = format!("in role \"{unbound}\"");
    let faults = [
        ("bypassrls", "has BYPASSRLS"),
        ("in role kv_owner", "owns the tables"),
        ("in role kv_auth", "may act as kv_auth, which reads the logins of all tenants"),
        (inherited.as_str(), "may act as a role that security does not bind"),
    ];
    for (number, (attribute, expected)) in faults.into_iter().enumerate() {
        let role = format!("odd_{}_{number}", database.name());
        superuser.batch_execute(&format!("create role \"{role}\" login password 'odd' {attribute}")).await.unwrap();
        superuser.batch_execute(&format!("grant kv_app to \"{role}\"")).await.unwrap();
        let config = database.url_for(sandbox::Login::Role { name: &role, password: "odd" }).parse().unwrap();
        let outcome = check_role(&config).await;
        superuser.batch_execute(&format!("drop role \"{role}\"")).await.unwrap();
        let error = outcome.unwrap_err();
        assert!(matches!(&error, AdminError::UnsafeRole { fault, .. } if *fault == expected), "{attribute}: {error}");
    }
    superuser.batch_execute(&format!("drop role \"{unbound}\"")).await.unwrap();
}

/// What no statement of the service does, its role may not do, so that a hole in the service is none in the database.
#[tokio::test]
async fn the_service_role_may_do_no_more_than_it_does() {
    let database = database().await;
    let client = admin::connect(&app_config(&database)).await.unwrap();
    for forbidden in [
        "select password_hash from users",
        "update users set tenant_id = 1",
        "update users set created_at = now()",
        "insert into users (active) values (true)",
        "delete from users",
        "select slug from tenants",
        "update tenants set status = 'active'",
        "insert into tenants (slug, name) values ('x', 'x')",
        "update api_tokens set expires_at = now()",
        "update api_tokens set scopes = null",
        "update api_tokens set user_id = user_id",
        "update audit_log set operation = 'x'",
        "delete from audit_log",
        "insert into audit_log (at) values (now())",
        "delete from api_tokens",
        "update receipts set reference = 'x'",
        "delete from adjustments",
        "update adjustments set reason = 'x'",
        "update transfers set to_warehouse_id = from_warehouse_id",
        "delete from transfers",
        "update customers set tenant_id = 1",
        "update products set id = gen_random_uuid()",
        "update warehouses set created_at = now()",
        "insert into customers (version) values (7)",
        "update stock_levels set warehouse_id = warehouse_id",
        "insert into stock_levels (quantity) values (5)",
        "delete from stock_levels",
        "update stock_movements set actor_id = actor_id",
        "delete from stock_movements",
        "truncate stock_movements",
        "update orders set total_minor = 0",
        "update orders set customer_id = customer_id",
        "insert into orders (number) values (1)",
        "delete from orders",
        "update order_items set unit_price_minor = 0",
        "delete from order_items",
        "update reservations set quantity = 1",
        "update reservations set order_id = null",
        "insert into reservations (fulfilled_quantity) values (1)",
        "delete from reservations",
        "update lock_fences set resource = 'x'",
        "delete from lock_fences",
        "update idempotency_keys set body = null",
        "insert into idempotency_keys (expires_at) values (now())",
        "select setval('order_numbers', 1)",
        "insert into refinery_schema_history (version) values (99)",
        "create table app.mine ()",
        "set role kv_auth",
    ] {
        let error = client.batch_execute(forbidden).await.expect_err(forbidden);
        assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{forbidden}: {error:?}");
        // A policy that refuses a row has the same code.
        let message = error.as_db_error().unwrap().message();
        assert!(message.starts_with("permission denied"), "{forbidden}: {message}");
    }
}

/// The server of the tests does not wait for its disk. What the session's options settle does not count against it; what the URL
/// turns off again does.
#[tokio::test]
async fn settings_that_may_lose_a_commit_are_named() {
    let database = database().await;
    let config = app_config(&database);
    assert_eq!(admin::weak_settings(&config).await.unwrap(), ["fsync = off", "full_page_writes = off"]);
    for value in ["off", "local"] {
        let mut careless = config.clone();
        careless.config_mut().options(format!("-c synchronous_commit={value}"));
        let named = admin::weak_settings(&careless).await.unwrap();
        assert_eq!(named.last(), Some(&format!("synchronous_commit = {value}")));
        check_role(&careless).await.unwrap();
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
    let config: Server = database.url().parse().unwrap();
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
        let config: Server = database.url().parse().unwrap();
        migrate(&config, Some(APP_PASSWORD)).await
    });
    for outcome in futures_util::future::join_all(migrations).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn an_extension_where_nobody_finds_it_is_named_with_what_to_do() {
    let database = sandbox::testing::postgres().await.empty_database().await.unwrap();
    let superuser = database.connect().await.unwrap();
    superuser.batch_execute("create schema elsewhere; create extension pg_trgm schema elsewhere").await.unwrap();
    let error = migrate(&database.url().parse().unwrap(), None).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"pg_trgm\"") && text.contains("schema elsewhere") && text.contains("hint: "), "{text}");
    let made = superuser.query_one("select to_regclass('public.customers') is null", &[]).await.unwrap();
    assert!(made.get::<_, bool>(0), "nothing was migrated");
}
