//! What a lock is on, and the key it has.
//!
//! Invariant: a resource holds no space, control character, quote, brace, bar or glob character, so a key made from it means
//! itself in `KEYS`, in a shell and in a script.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use kv_types::{ProductId, TenantId, WarehouseId};
use thiserror::Error;

/// The name of something to lock within a tenant, for example `stock:product-123`: 1 to 200 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource(Arc<str>);

/// Why a name is no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadResource {
    /// Nothing, or more than [`Resource::MAX_BYTES`].
    #[error("a lock's resource has 1 to {} characters, not {bytes}", Resource::MAX_BYTES)]
    Length {
        /// How many bytes were given.
        bytes: usize,
    },
    /// A character that is not allowed.
    #[error("a lock's resource cannot hold {found:?}; use letters, digits and - _ . : / @ + = , # ~")]
    Character {
        /// The first one.
        found: char,
    },
}

impl Resource {
    /// The longest name.
    pub const MAX_BYTES: usize = 200;

    /// Checks a name from outside.
    pub fn parse(raw: &str) -> Result<Self, BadResource> {
        if raw.is_empty() || raw.len() > Self::MAX_BYTES {
            return Err(BadResource::Length { bytes: raw.len() });
        }
        match raw.chars().find(|&c| !is_allowed(c)) {
            Some(found) => Err(BadResource::Character { found }),
            None => Ok(Self(raw.into())),
        }
    }

    /// The stock of one product in all warehouses: an order may take from several, so they share one queue.
    pub fn stock(product: ProductId) -> Self {
        Self(format!("stock:product-{product}").into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '@' | '+' | '=' | ',' | '#' | '~')
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Resource {
    type Err = BadResource;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::parse(raw)
    }
}

/// One product in one warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StockItem {
    /// What.
    pub product: ProductId,
    /// Where.
    pub warehouse: WarehouseId,
}

/// A resource of one tenant: what the back ends keep locks under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LockKey(Arc<str>);

impl LockKey {
    pub(crate) fn new(tenant: TenantId, resource: &Resource) -> Self {
        Self(format!("tenant:{tenant}:{resource}").into())
    }
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_are_accepted() {
        for raw in ["test-resource", "stock:product-123", "report/2026_02.pdf", "a", &"x".repeat(200)] {
            assert_eq!(Resource::parse(raw).expect("allowed").as_str(), raw);
        }
    }

    #[test]
    fn names_that_could_surprise_are_refused() {
        assert_eq!(Resource::parse(""), Err(BadResource::Length { bytes: 0 }));
        assert_eq!(Resource::parse(&"x".repeat(201)), Err(BadResource::Length { bytes: 201 }));
        for found in ['*', '?', '[', ']', '\\', '{', '}', '|', '"', '\'', ' ', '\n', '\0', 'é', '\u{7f}', '^', '$', '`']
        {
            assert_eq!(Resource::parse(&format!("a{found}b")), Err(BadResource::Character { found }));
        }
    }

    #[test]
    fn a_stock_lock_reads_as_documented() {
        let product: ProductId = "018f0000-0000-7000-8000-000000000000".parse().expect("a UUID");
        let tenant = TenantId::new(1).expect("positive");
        let key = LockKey::new(tenant, &Resource::stock(product));
        assert_eq!(key.to_string(), "tenant:1:stock:product-018f0000-0000-7000-8000-000000000000");
    }
}
