//! Fair locks with fencing numbers, held in Redis or in this process.
//!
//! Invariants: at most one unexpired holder per tenant and resource; waiters are served in the order they came; ownership is
//! handed over inside the release, so a newcomer cannot overtake; every grant carries a [`Fence`] larger than any before it
//! on the same resource; every lock ends by itself after its [`Ttl`].
//! A lock is order and back-pressure, never permission: a paused holder may outlive its lock, which is why a write hands its
//! fence to PostgreSQL.
//! Absent on purpose: re-entrance, locks without end, read locks, and quorums over several Redis servers.

mod backend;
mod bounds;
mod error;
mod execute;
mod fence;
mod grant;
mod guard;
mod in_process;
mod measured;
mod redis;
mod resource;
mod service;
mod state;
mod token;

pub use backend::QUEUE_CAP;
pub use bounds::{BadTtl, BadWait, LockOptions, Ttl, Wait};
pub use error::{AcquireError, ExecuteError, LockLost, RenewError};
pub use execute::HeldLock;
pub use fence::{BadEpoch, Epoch, EpochSource, Fence};
pub(crate) use fence::{COUNTER_BITS, Mint};
pub use grant::{LockGrant, LockInfo, ReleaseOutcome};
pub use guard::LockGuard;
pub use measured::LockStats;
pub use resource::{BadResource, Resource, StockItem};
pub use service::LockService;
#[cfg(feature = "conformance")]
pub use state::rule;
pub use token::{BadToken, Token};
