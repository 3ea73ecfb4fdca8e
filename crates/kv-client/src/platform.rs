//! Tenants, for whoever runs the platform: with the platform's token for the client's own ([`Client::with_token`]).

use jiff::Timestamp;
use kv_types::TenantId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::send::Call;

/// Tenants.
#[derive(Clone, Debug)]
pub struct Tenants<'a>(&'a Client);

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tenant {
    /// Its number.
    #[serde(deserialize_with = "number")]
    pub id: TenantId,
    /// Its short name.
    pub slug: String,
    /// The company's name.
    pub name: String,
    /// Whether its accounts may do anything.
    pub status: TenantStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is suspended.
    pub suspended_at: Option<Timestamp>,
}

/// Whether a tenant's accounts may do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantStatus {
    /// They may.
    Active,
    /// They may not, until it is resumed.
    Suspended,
}

/// A page of tenants.
#[derive(Clone, Debug, Deserialize)]
pub struct TenantPage {
    /// The tenants, in the order of their numbers.
    pub data: Vec<Tenant>,
    /// What to give as `after` for the next page; `None` on the last.
    pub next_after: Option<i64>,
}

/// A tenant to be made, and its first owner.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// Its short name: small letters, digits and hyphens between them.
    pub slug: String,
    /// The company's name.
    pub name: String,
    /// The address that the owner logs in with.
    pub owner_email: String,
    /// The owner's name.
    pub owner_name: Option<String>,
    /// The owner's password.
    pub owner_password: SecretString,
}

fn number<'de, D: Deserializer<'de>>(raw: D) -> Result<TenantId, D::Error> {
    let number = i64::deserialize(raw)?;
    TenantId::new(number).ok_or_else(|| serde::de::Error::custom("a tenant's number is above zero"))
}

impl Client {
    /// Tenants, for whoever runs the platform.
    pub fn tenants(&self) -> Tenants<'_> {
        Tenants(self)
    }
}

impl Tenants<'_> {
    /// One page, behind a tenant's number; 0 for the first.
    pub async fn list(&self, after: i64, limit: u32) -> Result<TenantPage, Error> {
        self.0.read(Call::get(format!("/tenants?after={after}&limit={limit}")).of_platform()).await
    }

    /// Makes one. It is asked for once: with [`Error::Unknown`] it may be there, and is found by its slug.
    pub async fn create(&self, new: &NewTenant) -> Result<Tenant, Error> {
        let NewTenant { slug, name, owner_email, owner_name, owner_password } = new;
        let body = json!({"slug": slug, "name": name, "owner_email": owner_email, "owner_name": owner_name,
            "owner_password": owner_password.expose_secret()});
        self.0.take(Call::post("/tenants").json(&body)?.of_platform()).await
    }

    /// Suspends one: within five seconds its accounts may do nothing any more. Once more is no change.
    pub async fn suspend(&self, id: TenantId) -> Result<Tenant, Error> {
        self.0.read(Call::post(format!("/tenants/{id}/suspend")).of_platform()).await
    }

    /// Lets one go on. Once more is no change.
    pub async fn resume(&self, id: TenantId) -> Result<Tenant, Error> {
        self.0.read(Call::post(format!("/tenants/{id}/resume")).of_platform()).await
    }
}
