//! Who something that lasts acts for: it is asked again under way whether that account may still do it.

use axum::http::Method;
use kv_store::access::tenants::TenantStatus;
use kv_store::imports::ImportError;
use kv_store::{Store, StoreError};
use kv_types::{TenantId, UserId};

use super::access::{self, Who, rules};
use super::auth::confirm;
use super::ctx::Ctx;
use super::imports::Stopped;
use crate::app::App;

/// Who asks for work that lasts.
pub(crate) enum Acting<'a> {
    /// Whoever sent the request that is under way.
    Request(&'a App, &'a Ctx),
    /// The account that sent one which is over.
    Account {
        /// The database.
        store: &'a Store,
        /// Whose data it works on.
        tenant: TenantId,
        /// The account.
        user: UserId,
        /// The operation that it asked for.
        operation: &'static str,
    },
}

impl Acting<'_> {
    /// Whether it may still do what it asked for.
    ///
    /// # Errors
    /// What a new request would be told, or the store's.
    pub(crate) async fn confirm(&self) -> Result<(), Stopped> {
        match self {
            Self::Request(app, ctx) => Ok(confirm(app, ctx, &Method::PUT).await?),
            Self::Account { store, tenant, user, operation } => {
                match may_still(store, (*tenant, *user), operation).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(Stopped::Refused(access::forbidden())),
                    Err(error) => Err(Stopped::Import(ImportError::Store(error))),
                }
            }
        }
    }
}

/// Whether an account is active, has a role that may do an operation, and is of a tenant that is not suspended.
///
/// # Errors
/// The store's.
pub(crate) async fn may_still(
    store: &Store,
    (tenant, user): (TenantId, UserId),
    operation: &str,
) -> Result<bool, StoreError> {
    let (user, tenants) = tokio::try_join!(store.user(tenant, user), store.tenants(tenant.get() - 1, 1))?;
    let is_active = tenants.rows.iter().any(|found| found.id == tenant && found.status == TenantStatus::Active);
    let least = rules::of(operation).and_then(|rule| match rule.who {
        Who::Known { least, .. } => Some(least),
        _ => None,
    });
    Ok(is_active && user.zip(least).is_some_and(|(user, least)| user.active && user.role >= least))
}
