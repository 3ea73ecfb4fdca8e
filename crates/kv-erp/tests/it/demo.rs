//! The demonstration's data: all there after one seeding, and nothing twice after another.

use kv_erp::demo::{self, DemoError, LOGINS};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::stock::LevelFilter;
use kv_store::{Page, Store, StoreError};
use kv_types::TenantId;
use sandbox::testing::TestDatabase;

use crate::world::{Guard, database, store};

async fn provisioner(database: &TestDatabase) -> Provisioner {
    Provisioner::connect(&database.url().parse().unwrap()).await.unwrap()
}

/// Customers, products, warehouses and stock levels of a tenant, and all its units.
async fn counts(store: &Store, tenant: TenantId) -> Result<([usize; 4], i64), StoreError> {
    let levels = store.stock_levels(tenant, LevelFilter::default(), None, 10_000).await?.rows;
    let counts = [
        count(async |after| store.customers(tenant, after, 100).await, |customer| customer.id).await?,
        count(async |after| store.products(tenant, after, 100).await, |product| product.id).await?,
        store.warehouses(tenant, None, 100).await?.rows.len(),
        levels.len(),
    ];
    Ok((counts, levels.iter().map(|level| level.quantity).sum()))
}

/// The rows of a list, over all its pages.
async fn count<T, K>(
    page: impl AsyncFn(Option<K>) -> Result<Page<T>, StoreError>,
    key: impl Fn(&T) -> K,
) -> Result<usize, StoreError> {
    let (mut after, mut rows) = (None, 0);
    loop {
        let page = page(after).await?;
        rows += page.rows.len();
        after = page.rows.last().map(&key);
        if !page.has_more {
            return Ok(rows);
        }
    }
}

const WHOLE: ([usize; 4], i64) = ([1_000, 1_000, 2, 2_000], (990 * 2 + 10 * 2 * 10) * 1_000_000);

#[tokio::test]
async fn both_tenants_are_filled_once() {
    let database = database().await;
    let store = store(&database, Guard::Both);
    let mut provisioner = provisioner(&database).await;
    let first = demo::seed(&mut provisioner, &store).await.unwrap();
    let again = demo::seed(&mut provisioner, &store).await.unwrap();
    let mut tenants = Vec::new();
    for demo in [&first, &again] {
        assert_eq!(demo.logins, LOGINS);
        for (email, token) in &demo.tokens {
            let session = store.find_token(&token.hash()).await.unwrap().expect("the token works");
            assert_eq!(session.account.email, *email);
            tenants.push(session.account.tenant);
        }
    }
    assert_eq!(tenants.iter().map(|tenant| tenant.get()).collect::<Vec<_>>(), [1, 2, 1, 2]);
    for tenant in &tenants[..2] {
        assert_eq!(counts(&store, *tenant).await.unwrap(), WHOLE);
        assert_eq!(store.audit_stock(*tenant).await.unwrap(), vec![]);
    }
    for login in LOGINS {
        let known = store.find_login(login.email).await.unwrap().expect("every account can log in");
        assert_eq!(known.account.rate_limit_per_minute, login.rate_limit_per_minute, "{}", login.email);
        assert_eq!(known.account.tenant.get(), if login.tenant == "acme" { 1 } else { 2 });
    }
}

#[tokio::test]
async fn an_interrupted_seeding_is_taken_up() {
    let database = database().await;
    let store = store(&database, Guard::Both);
    let mut provisioner = provisioner(&database).await;
    demo::seed(&mut provisioner, &store).await.unwrap();
    // As if the process had ended before the second tenant's goods were all in, and before its last account.
    let superuser = database.connect().await.unwrap();
    superuser
        .batch_execute(
            "delete from api_tokens where tenant_id = 2;
             delete from users where email = 'load@rival.example.com';
             set session_replication_role = replica;
             delete from stock_movements where tenant_id = 2 and product_id > (select id from products where sku = 'VLV-0910' and tenant_id = 2);
             delete from stock_levels where tenant_id = 2 and product_id > (select id from products where sku = 'VLV-0910' and tenant_id = 2);
             delete from customers where tenant_id = 2 and code > 'C-0500'",
        )
        .await
        .unwrap();
    let rival = TenantId::new(2).unwrap();
    assert_ne!(counts(&store, rival).await.unwrap(), WHOLE);
    demo::seed(&mut provisioner, &store).await.unwrap();
    assert_eq!(counts(&store, rival).await.unwrap(), WHOLE);
    assert_eq!(store.audit_stock(rival).await.unwrap(), vec![]);
}

#[tokio::test]
async fn somebody_else_s_database_is_left_alone() {
    let database = database().await;
    let store = store(&database, Guard::Both);
    let mut provisioner = provisioner(&database).await;
    let tenant = provisioner.create_tenant("own", "Own").await.unwrap();
    let new = NewUser {
        tenant: "own",
        email: "me@own.example",
        password_hash: "-",
        role: Role::Owner,
        rate_limit_per_minute: None,
    };
    provisioner.create_user(&new).await.unwrap();
    assert!(matches!(demo::seed(&mut provisioner, &store).await, Err(DemoError::Foreign)));
    assert_eq!(counts(&store, tenant).await.unwrap(), ([0; 4], 0));
}
