//! A typed client of kv-erp.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use kv_client::Client;
//! use kv_types::order::{OrderLine, PlaceOrder};
//! use kv_types::Quantity;
//!
//! let client = Client::builder("http://127.0.0.1:8080").token("kva_..").build()?;
//! let customer = client.customers().list(&[("limit", "1")]).await?.data.remove(0);
//! let product = client.products().list(&[("limit", "1")]).await?.data.remove(0);
//! let lines = vec![OrderLine { product: product.id, quantity: Quantity::parse(2)? }];
//! let order = PlaceOrder { customer: customer.id, lines, reference: None, ttl: None, allow_partial: false };
//! let order = client.orders().place(&order).await?;
//! println!("order {} is {:?}", order.order_number, order.status);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: every write bears an idempotency key, its own or the caller's, and a repeat bears the same one, so that a write
//! has one effect however often the connection breaks; repeats are bounded in number and wait with full jitter, or as long as the
//! service says; a refusal behind an attempt without an answer is told only once that attempt can have no effect any more; an outcome that could
//! not be settled is an error of its own ([`Error::Unknown`]) with the key to ask for it.
//!
//! Absent on purpose: a cache, and a guess about what happened.

mod access;
mod attempts;
mod batch;
mod client;
mod error;
mod files;
mod follow;
mod keys;
mod list;
mod locks;
mod orders;
mod platform;
mod problem;
mod resource;
mod retry;
mod send;
mod session;
mod stock;
mod written;

pub use access::{ApiTokens, AuditLog, IssuedToken, Users};
pub use batch::Each;
pub use client::{Builder, Client, WrongUrl};
pub use error::Error;
pub use files::{ExportFiles, Imports, Rejections};
pub use follow::{DeliveryPage, EndpointPatch, Events, JobPage, Jobs, NewEndpoint, Webhooks};
pub use keys::{KeyRecord, KeyState, Keys};
pub use list::Listed;
pub use locks::{LockGrant, LockRenewal, LockState, Locks};
pub use orders::{Orders, Reservations};
pub use platform::{NewTenant, Tenant, TenantPage, TenantStatus, Tenants};
pub use problem::{FieldFault, Problem};
pub use resource::{Kind, Resource};
pub use session::{Account, Session};
pub use stock::{Adjustments, Levels, Proof, Receipts, Transfers};
