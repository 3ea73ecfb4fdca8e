//! A migrated database of one's own with two tenants, and goods to move about.

use kv_store::access::Role;
use kv_store::access::provision::{NewUser, Provisioner};
use kv_store::{Server, Store, StoreConfig, admin};
use kv_types::catalogue::{NewProduct, NewWarehouse};
use kv_types::stock::{Receive, ReceiveLine, Reserve, ReserveLine};
use kv_types::{MinorUnits, ProductId, Quantity, TenantId, UserId, WarehouseId};
use sandbox::Login;
use sandbox::testing::{self, TestDatabase};

/// The service role's password in tests.
pub(crate) const APP_PASSWORD: &str = "test-app-password";

/// A database with tenants `one` and `two`, one user each.
pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) one: Account,
    pub(crate) two: Account,
}

/// Somebody of a tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) tenant: TenantId,
    pub(crate) user: UserId,
}

pub(crate) fn quantity(units: i64) -> Quantity {
    Quantity::parse(units).unwrap()
}

pub(crate) async fn database() -> TestDatabase {
    let postgres = testing::postgres().await;
    let fingerprint = admin::migrations_fingerprint();
    let template = postgres
        .template("kv_store", &fingerprint, |url| async move {
            admin::migrate(&url.parse().unwrap(), Some(APP_PASSWORD)).await
        })
        .await
        .unwrap();
    template.clone_database().await.unwrap()
}

/// The service's own login on a database.
pub(crate) fn app_config(database: &TestDatabase) -> Server {
    database.url_for(Login::Role { name: "kv_app", password: APP_PASSWORD }).parse().unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut StoreConfig)) -> Self {
        let database = database().await;
        let mut provisioner = Provisioner::connect(&database.url().parse().unwrap()).await.unwrap();
        let one = account(&mut provisioner, "one").await;
        let two = account(&mut provisioner, "two").await;
        let mut config = StoreConfig::new(app_config(&database));
        adjust(&mut config);
        Self { store: Store::open(&config).unwrap(), database, one, two }
    }

    pub(crate) async fn product(&self, account: Account, sku: &str) -> ProductId {
        let product = NewProduct {
            sku: sku.to_owned(),
            name: format!("Product {sku}"),
            description: None,
            uom: "unit".to_owned(),
            price: MinorUnits::parse_price(250).unwrap(),
            currency: "EUR".parse().unwrap(),
            active: true,
        };
        self.store.create_product(account.tenant, &product).await.unwrap().id
    }

    pub(crate) async fn warehouse(&self, account: Account, code: &str, priority: i32) -> WarehouseId {
        let warehouse = NewWarehouse { code: code.to_owned(), name: code.to_owned(), priority, active: true };
        self.store.create_warehouse(account.tenant, &warehouse).await.unwrap().id
    }

    pub(crate) async fn receive(&self, account: Account, key: (ProductId, WarehouseId), units: i64) {
        let line = ReceiveLine { product: key.0, warehouse: key.1, quantity: quantity(units) };
        let receive = Receive { lines: vec![line], reference: None };
        self.store.stock().receive(account.tenant, account.user, receive, None).await.unwrap();
    }

    /// A product with `units` in one warehouse.
    pub(crate) async fn stocked(&self, account: Account, sku: &str, units: i64) -> (ProductId, WarehouseId) {
        let key = (self.product(account, sku).await, self.warehouse(account, &format!("w-{sku}"), 100).await);
        self.receive(account, key, units).await;
        key
    }

    pub(crate) async fn assert_ledger_holds(&self) {
        for account in [self.one, self.two] {
            assert_eq!(self.store.audit_stock(account.tenant).await.unwrap(), vec![]);
        }
    }
}

async fn account(provisioner: &mut Provisioner, slug: &str) -> Account {
    let tenant = provisioner.create_tenant(slug, slug).await.unwrap();
    let email = format!("clerk@{slug}.example");
    let new =
        NewUser { tenant: slug, email: &email, password_hash: "-", role: Role::Owner, rate_limit_per_minute: None };
    Account { tenant, user: provisioner.create_user(&new).await.unwrap() }
}

/// A reservation of some units of some levels.
pub(crate) fn reserve(lines: &[((ProductId, WarehouseId), i64)]) -> Reserve {
    let lines = lines
        .iter()
        .map(|&((product, warehouse), units)| ReserveLine {
            product,
            warehouse: Some(warehouse),
            quantity: quantity(units),
        })
        .collect();
    Reserve { lines, reference: None, ttl: None }
}
