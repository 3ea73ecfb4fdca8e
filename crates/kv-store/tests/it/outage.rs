//! PostgreSQL goes away and comes back; the same store serves on.

use std::time::Duration;

use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::stock::StockError;
use kv_store::{Store, StoreConfig, StoreError, admin};
use kv_types::catalogue::NewCustomer;
use sandbox::testing::eventually;
use sandbox::{Login, Postgres, PostgresOptions};

use crate::support::{APP_PASSWORD, reserve};

#[tokio::test]
async fn a_killed_server_means_unavailable_and_recovery_without_a_new_store() {
    let mut server = Postgres::start(PostgresOptions::default()).await.unwrap();
    let admin_config = server.url_for("postgres", Login::Superuser).parse().unwrap();
    admin::migrate(&admin_config, Some(APP_PASSWORD)).await.unwrap();
    let mut provisioner = Provisioner::connect(&admin_config).await.unwrap();
    let tenant = provisioner.create_tenant("one", "One").await.unwrap();
    let new =
        NewUser { tenant: "one", email: "a@b.c", password_hash: "-", role: Role::Clerk, rate_limit_per_minute: None };
    let user = provisioner.create_user(&new).await.unwrap();
    let app = server.url_for("postgres", Login::Role { name: "kv_app", password: APP_PASSWORD }).parse().unwrap();
    let store = Store::open(&StoreConfig::new(app)).unwrap();
    let customer = |code: &str| NewCustomer { code: code.to_owned(), name: "N".to_owned(), email: None, phone: None };
    store.create_customer(tenant, &customer("before")).await.unwrap();
    let nothing = kv_types::ProductId::from_uuid(uuid::Uuid::now_v7());
    let nowhere = kv_types::WarehouseId::from_uuid(uuid::Uuid::now_v7());
    let unknown = || store.stock().reserve(tenant, user, reserve(&[((nothing, nowhere), 1)]), None);
    assert!(matches!(unknown().await, Err(StockError::Refused(_))));

    server.kill().await;
    // A backend notices a moment later that its postmaster is gone, and may answer until then.
    eventually(Duration::from_secs(10), async || store.ping().await.is_err()).await;
    eventually(Duration::from_secs(10), async || {
        matches!(unknown().await, Err(StockError::Store(StoreError::Unavailable(_))))
    })
    .await;
    let error = store.create_customer(tenant, &customer("during")).await.unwrap_err();
    assert!(error.is_transient() || matches!(error, StoreError::OutcomeUnknown), "{error:?}");

    server.restart().await.unwrap();
    eventually(Duration::from_secs(20), async || store.ping().await).await;
    store.create_customer(tenant, &customer("after")).await.unwrap();
    assert!(matches!(unknown().await, Err(StockError::Refused(_))));
    let codes: Vec<_> = store.customers(tenant, None, 10).await.unwrap().rows.into_iter().map(|row| row.code).collect();
    assert_eq!(codes, ["before", "after"]);
}
