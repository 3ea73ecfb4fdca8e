//! Who may come in and what they may do: accounts, roles, scopes, tokens; and the audit log as it is shown.
//!
//! A role is an account's; a scope narrows one token of it. What is done needs both: a role that is high enough, and, of a token
//! with scopes, the scope.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::{ApiTokenId, UserId};

/// What an account may do, the least first: each role may do all that those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looking only.
    ReadOnly,
    /// Daily work.
    Clerk,
    /// Everything but the accounts.
    Manager,
    /// Everything.
    Owner,
}

impl Role {
    /// Every role, the highest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Manager, Self::Clerk, Self::ReadOnly];

    /// The word in the table and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::Clerk => "clerk",
            Self::ReadOnly => "read_only",
        }
    }

    /// Reads the table's word.
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == raw)
    }
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// What a token with scopes may do, as far as its account may.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $($(#[$doc])* $name,)+
        }

        impl PartialSchema for Scope {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([$($word),+]));
                RefOr::T(Schema::Object(words.description(Some("What a token with scopes may do, as far as its account may.")).build()))
            }
        }

        impl ToSchema for Scope {}

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

scopes! {
    /// Reading customers.
    CustomersRead = "customers:read",
    /// Making, changing and deleting customers.
    CustomersWrite = "customers:write",
    /// Reading products.
    ProductsRead = "products:read",
    /// Making, changing and deleting products.
    ProductsWrite = "products:write",
    /// Reading warehouses.
    WarehousesRead = "warehouses:read",
    /// Making, changing and deleting warehouses.
    WarehousesWrite = "warehouses:write",
    /// Reading levels, movements, reservations and documents of stock.
    StockRead = "stock:read",
    /// Reserving, receiving, adjusting and moving stock.
    StockWrite = "stock:write",
    /// Reading orders.
    OrdersRead = "orders:read",
    /// Placing orders and moving them on.
    OrdersWrite = "orders:write",
    /// Looking at locks.
    LocksRead = "locks:read",
    /// Taking and giving back locks.
    LocksWrite = "locks:write",
    /// Asking what became of idempotency keys.
    KeysRead = "keys:read",
    /// Making idempotency keys void.
    KeysWrite = "keys:write",
    /// Looking at imports.
    ImportsRead = "imports:read",
    /// Importing files.
    ImportsWrite = "imports:write",
    /// Exporting everything of a kind.
    ExportsRead = "exports:read",
    /// Reading what happened.
    EventsRead = "events:read",
    /// Looking at webhooks and what became of them.
    WebhooksRead = "webhooks:read",
    /// Having events sent elsewhere.
    WebhooksWrite = "webhooks:write",
    /// Looking at jobs.
    JobsRead = "jobs:read",
    /// Beginning dead jobs anew.
    JobsWrite = "jobs:write",
    /// Reading accounts.
    UsersRead = "users:read",
    /// Reading API tokens, not their secrets.
    TokensRead = "tokens:read",
    /// Making API tokens that may do no more, and revoking them.
    TokensWrite = "tokens:write",
    /// Reading the audit log.
    AuditRead = "audit:read",
}

// A set has a bit for each.
const _: () = assert!(Scope::ALL.len() <= 64);

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoScope;

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(raw: &str) -> Result<Self, NoScope> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == raw).ok_or(NoScope)
    }
}

/// Some scopes, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u64);

impl Scopes {
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether a scope is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u64) != 0
    }

    /// The same with one more.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | (1 << scope as u64))
    }

    /// In the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.has(*scope))
    }

    /// As they are written.
    pub fn words(self) -> Vec<&'static str> {
        self.iter().map(Scope::as_str).collect()
    }

    /// Reads words. What this program does not know gives no right.
    pub fn of_words<S: AsRef<str>>(words: &[S]) -> Self {
        words.iter().filter_map(|word| word.as_ref().parse().ok()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The address it logs in with.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The person's name.
    #[schema(example = "Ada Lovelace")]
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Whether it may come in.
    pub active: bool,
    /// Requests per minute, where it has a number of its own.
    #[schema(minimum = 1)]
    pub rate_limit_per_minute: Option<u32>,
    /// Counts the changes, from 1.
    pub version: i64,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An account to be made.
#[derive(Clone, Serialize)]
pub struct NewUser {
    /// The address to log in with, unique in any case of letters.
    pub email: String,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Its password.
    pub password: String,
    /// Requests per minute, instead of the service's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_minute: Option<u32>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

/// An account as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UserChange {
    /// The address to log in with.
    pub email: String,
    /// The person's name.
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Whether it may come in. One that may not has lost its sessions and tokens for good.
    pub active: bool,
    /// Requests per minute, instead of the service's default.
    pub rate_limit_per_minute: Option<u32>,
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is for.
    #[schema(example = "Shop front")]
    pub name: Option<String>,
    /// How the token begins, to know it by.
    #[schema(example = "kva_3fQz")]
    pub hint: Option<String>,
    /// What it may do; null for all that its account may.
    #[schema(example = json!(["orders:write", "stock:read"]))]
    pub scopes: Option<Vec<String>>,
    /// Requests per minute of its own, besides its account's.
    #[schema(minimum = 1)]
    pub rate_limit_per_minute: Option<u32>,
    /// When it was made.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was last used, to about five minutes; null when it never was.
    #[serde(serialize_with = "crate::time::rfc3339_micros_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

/// An API token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewApiToken {
    /// What it is for.
    pub name: String,
    /// What it may do: one at least, and none that its maker may not.
    pub scopes: Vec<String>,
    /// When it is to end; the service has a default and a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Requests per minute of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_per_minute: Option<u32>,
}

/// One entry of the audit log: somebody did something, or was refused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its id. Later entries have higher ones.
    #[schema(example = "01960000-0000-7000-8000-00000000000e")]
    pub id: Uuid,
    /// When.
    #[serde(serialize_with = "crate::time::rfc3339_micros")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Which account; null when it was nobody known, or the platform.
    pub actor_id: Option<UserId>,
    /// Which of its API tokens; null for a session.
    pub token_id: Option<ApiTokenId>,
    /// The operation, by its id in the interface's description.
    #[schema(example = "place_order")]
    pub operation: String,
    /// `done`, or `refused`.
    #[schema(example = "done")]
    pub outcome: String,
    /// What kind of thing it was done to.
    #[schema(example = "order")]
    pub object_type: String,
    /// Which one.
    #[schema(example = "01960000-0000-7000-8000-000000000005")]
    pub object_id: Option<String>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The address it came from.
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_as_they_are_written_and_the_owner_is_the_highest() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
            assert!(role <= Role::Owner && Role::ReadOnly <= role);
        }
        assert_eq!(Role::parse("Owner"), None);
        assert!(Role::Clerk < Role::Manager);
    }

    #[test]
    fn scopes_are_a_set_of_words() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(*scope));
            let only = Scopes::NONE.with(*scope);
            assert_eq!(Scope::ALL.iter().filter(|other| only.has(**other)).count(), 1);
        }
        assert_eq!("orders:Write".parse::<Scope>(), Err(NoScope));
        let set = Scopes::of_words(&["stock:read", "orders:write", "stock:read", "stock:everything"]);
        assert_eq!(set.words(), ["stock:read", "orders:write"]);
    }

    #[test]
    fn a_password_is_not_shown() {
        let new = NewUser {
            email: "a@b".into(),
            name: None,
            role: Role::Clerk,
            password: "hunter2".into(),
            rate_limit_per_minute: None,
        };
        assert!(!format!("{new:?}").contains("hunter2"));
    }
}
