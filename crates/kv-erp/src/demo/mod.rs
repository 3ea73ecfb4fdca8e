//! The demonstration's data: two tenants with accounts, a catalogue and stock.
//!
//! Invariants: a database that holds somebody else's tenants is left alone; every step leaves alone what is there already, and
//! the account that is made last says that all is there, so an interrupted seeding is taken up by the next start. Stock comes
//! in through the ledger, as any goods do.
//! Absent on purpose: randomness. The same data every time, but for ids and tokens.

mod words;

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use kv_store::access::Role;
use kv_store::access::provision::{NewUser, ProvisionError, Provisioner};
use kv_store::stock::{LevelFilter, StockError};
use kv_store::{Store, StoreError};
use kv_types::stock::{MAX_LINES, Receive, ReceiveLine};
use kv_types::{ProductId, Quantity, TenantId, UserId, WarehouseId};
use thiserror::Error;

use crate::credentials::password::{self, PasswordError};
use crate::credentials::token::{Token, TokenKind};

/// The password of every demonstration account.
pub const PASSWORD: &str = "password";
/// Customers, and products, of each tenant.
const CATALOGUE_SIZE: usize = 1_000;
/// Products with many times the stock of the others, so that a load test on one of them does not run dry.
const DEEP_PRODUCTS: usize = 10;
/// How many receipt lines of the largest quantity a level of such a product gets.
const DEEP_LINES: usize = 10;
/// Rows of a page while reading back what was made.
const PAGE: i64 = kv_store::catalogue::MAX_PAGE;
/// How long the printed API tokens work.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// One account of the demonstration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoLogin {
    /// The tenant's slug.
    pub tenant: &'static str,
    /// The address to log in with.
    pub email: &'static str,
    /// Requests per minute, where the account has a number of its own.
    pub rate_limit_per_minute: Option<u32>,
}

const fn login(tenant: &'static str, email: &'static str, rate_limit_per_minute: Option<u32>) -> DemoLogin {
    DemoLogin { tenant, email, rate_limit_per_minute }
}

const TENANTS: [(&str, &str); 2] = [("acme", "Acme Trading"), ("rival", "Rival Goods")];

/// The accounts, the first of each tenant first. The last one is made last.
pub const LOGINS: [DemoLogin; 12] = [
    login("acme", "test@example.com", Some(6_000)),
    login("acme", "load@example.com", Some(10_000_000)),
    login("acme", "clerk1@example.com", None),
    login("acme", "clerk2@example.com", None),
    login("acme", "clerk3@example.com", None),
    login("acme", "clerk4@example.com", None),
    login("acme", "clerk5@example.com", None),
    login("acme", "clerk6@example.com", None),
    login("acme", "clerk7@example.com", None),
    login("acme", "clerk8@example.com", None),
    login("rival", "rival@example.com", None),
    login("rival", "load@rival.example.com", Some(10_000_000)),
];

/// The accounts that get an API token at every start, one of each tenant.
const TOKEN_HOLDERS: [&str; 2] = ["load@example.com", "load@rival.example.com"];

/// What a person needs to look around.
#[derive(Debug)]
pub struct Demo {
    /// Every account; the password is [`PASSWORD`].
    pub logins: &'static [DemoLogin],
    /// A fresh API token for one account of each tenant.
    pub tokens: Vec<(&'static str, Token)>,
}

/// Why there is no demonstration.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The database is in use.
    #[error(
        "the database holds tenants that are not the demonstration's; hint: leave out --demo or name another --data-dir"
    )]
    Foreign,
    /// An account or tenant could not be made.
    #[error("a demonstration account could not be made")]
    Provision(#[from] ProvisionError),
    /// The password could not be hashed.
    #[error("the demonstration's password could not be hashed")]
    Password(#[from] PasswordError),
    /// The catalogue could not be written.
    #[error("the demonstration's catalogue could not be written")]
    Store(#[from] StoreError),
    /// The stock could not be booked.
    #[error("the demonstration's stock could not be booked")]
    Stock(#[from] StockError),
    /// What was just written is not there.
    #[error("the demonstration's data is not as it was written: {0}")]
    Incomplete(&'static str),
}

/// Makes what is missing of the demonstration's data, and two fresh API tokens.
///
/// # Errors
/// [`DemoError::Foreign`] when the database holds other tenants; nothing was written then.
/// # Cancel safety
/// What was made stays; the next call makes the rest.
pub async fn seed(provisioner: &mut Provisioner, store: &Store) -> Result<Demo, DemoError> {
    let [first, .., last] = &LOGINS;
    let is_complete = store.find_login(last.email).await?.is_some();
    if !is_complete {
        if provisioner.has_tenants().await? && store.find_login(first.email).await?.is_none() {
            return Err(DemoError::Foreign);
        }
        fill(provisioner, store).await?;
    }
    let expires_at = Timestamp::now().saturating_add(TOKEN_LIFE).unwrap_or(Timestamp::MAX);
    let mut tokens = Vec::with_capacity(TOKEN_HOLDERS.len());
    for email in TOKEN_HOLDERS {
        let token = Token::generate(TokenKind::Api);
        provisioner.create_token(email, &token.hash(), expires_at).await?;
        tokens.push((email, token));
    }
    Ok(Demo { logins: &LOGINS, tokens })
}

async fn fill(provisioner: &mut Provisioner, store: &Store) -> Result<(), DemoError> {
    // One hash for all: the accounts share the password, and each hash costs tens of milliseconds.
    let hash = tokio::task::spawn_blocking(|| password::hash(PASSWORD))
        .await
        .map_err(|_| DemoError::Incomplete("the hashing ended early"))??;
    for (slug, name) in TENANTS {
        unless_exists(provisioner.create_tenant(slug, name).await.map(drop))?;
        let mut accounts = LOGINS.iter().filter(|login| login.tenant == slug);
        // The first account leads to the tenant's id; the others wait until the data is there.
        let Some(first) = accounts.next() else { continue };
        create_user(provisioner, first, &hash).await?;
        let known = store.find_login(first.email).await?.ok_or(DemoError::Incomplete("an account is missing"))?;
        fill_tenant(store, known.account.tenant, known.account.user).await?;
        for account in accounts {
            create_user(provisioner, account, &hash).await?;
        }
    }
    Ok(())
}

async fn create_user(provisioner: &mut Provisioner, login: &DemoLogin, hash: &str) -> Result<(), DemoError> {
    let DemoLogin { tenant, email, rate_limit_per_minute } = *login;
    let new = NewUser { tenant, email, password_hash: hash, role: Role::Owner, rate_limit_per_minute };
    unless_exists(provisioner.create_user(&new).await.map(drop))
}

fn unless_exists(made: Result<(), ProvisionError>) -> Result<(), DemoError> {
    match made {
        Ok(()) | Err(ProvisionError::Exists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn fill_tenant(store: &Store, tenant: TenantId, actor: UserId) -> Result<(), DemoError> {
    let customers: Vec<_> = (0..CATALOGUE_SIZE).map(words::customer).collect();
    let products: Vec<_> = (0..CATALOGUE_SIZE).map(words::product).collect();
    store.create_customers(tenant, &customers).await?;
    store.create_products(tenant, &products).await?;
    for warehouse in words::warehouses() {
        match store.create_warehouse(tenant, &warehouse).await {
            Ok(_) | Err(StoreError::Constraint { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    receive_stock(store, tenant, actor).await
}

/// Books goods into every level that has none yet.
async fn receive_stock(store: &Store, tenant: TenantId, actor: UserId) -> Result<(), DemoError> {
    let products = product_ids(store, tenant).await?;
    let warehouses = store.warehouses(tenant, None, PAGE).await?.rows;
    let stocked = stocked_levels(store, tenant).await?;
    let units = Quantity::parse(Quantity::MAX).map_err(|_| DemoError::Incomplete("the largest quantity is none"))?;
    let mut lines = Vec::new();
    for (index, &product) in products.iter().enumerate() {
        let count = if index < DEEP_PRODUCTS { DEEP_LINES } else { 1 };
        for warehouse in &warehouses {
            if !stocked.contains(&(product, warehouse.id)) {
                lines.extend((0..count).map(|_| ReceiveLine { product, warehouse: warehouse.id, quantity: units }));
            }
        }
    }
    for lines in lines.chunks(MAX_LINES) {
        let receive = Receive { lines: lines.to_vec(), reference: Some("Opening stock".to_owned()) };
        store.stock().receive(tenant, actor, receive, None).await?;
    }
    Ok(())
}

async fn product_ids(store: &Store, tenant: TenantId) -> Result<Vec<ProductId>, StoreError> {
    let mut ids = Vec::with_capacity(CATALOGUE_SIZE);
    loop {
        let page = store.products(tenant, ids.last().copied(), PAGE).await?;
        ids.extend(page.rows.iter().map(|product| product.id));
        if !page.has_more {
            return Ok(ids);
        }
    }
}

async fn stocked_levels(store: &Store, tenant: TenantId) -> Result<HashSet<(ProductId, WarehouseId)>, StoreError> {
    let mut stocked = HashSet::new();
    let mut after = None;
    loop {
        let page = store.stock_levels(tenant, LevelFilter::default(), after, PAGE).await?;
        stocked.extend(page.rows.iter().map(|level| (level.product_id, level.warehouse_id)));
        after = page.rows.last().map(|level| (level.product_id, level.warehouse_id));
        if !page.has_more {
            return Ok(stocked);
        }
    }
}
