//! Writes that are safe to repeat: a key, and with it what the write was answered.
//!
//! Invariants. The row of a key is written in the transaction of the effect ([`table`]): it is there exactly when the effect
//! is, whoever dies in between. The table's primary key arbitrates between processes, and a key is the last thing that a
//! transaction waits for: whoever holds one that is not committed has its commit already on the way, so no two wait for each
//! other. A key is read after everything that a decision rests on: a decision that saw an effect has seen that effect's key,
//! so no repeat is refused on account of what it did itself the first time.
//!
//! What succeeded is kept; a refusal is not, so a repeat is decided anew. An answer is opaque here: the HTTP face writes and
//! reads it.
//!
//! Absent on purpose: a row that says "begun". It would have to be cleaned up after a crash, and nobody could know when. What
//! is under way in this process is in [`presence`]; to know of every process, a key is made void ([`crate::Store::void_key`]).

mod presence;
pub(crate) mod table;
mod write;

use std::fmt;
use std::sync::Arc;

use kv_types::{IdempotencyKey, TenantId};
use thiserror::Error;

pub use presence::REPEAT_WAIT;
pub(crate) use presence::{Presence, UnderWay, wait_for};
pub use table::KeyRecord;
pub(crate) use table::{Kept, KeyRow};
pub use write::Write;
pub(crate) use write::{Open, Param, by_itself, params};

/// What is asked under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The caller's word for it.
    pub key: IdempotencyKey,
    /// SHA-256 of all that the effect depends on: the same request has the same, another one another.
    pub fingerprint: [u8; 32],
    /// Method and path, for whoever asks what became of the key.
    pub line: String,
}

/// An answer to be given again byte by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// Where in the body new orders' numbers go, which are drawn when the rows are written, from front to back. Empty when the body is
    /// complete.
    pub numbers_at: Vec<usize>,
}

/// Makes the answer to a result. Pure: the same result gives the same bytes.
pub type Encode<T> = Arc<dyn Fn(&T) -> Answer + Send + Sync>;

/// The right to one effect under a key, carried by the write that asks for it.
pub struct Once<T> {
    pub(crate) asked: Asked,
    pub(crate) encode: Encode<T>,
    /// Held until the write has ended, whether or not anybody waits for it.
    pub(crate) presence: Presence,
}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// What came of a write that may have been done before.
#[derive(Clone, Debug)]
pub enum Done<T> {
    /// It was done now.
    Now(T),
    /// It had been done; this was the answer.
    Before(Answer),
}

impl<T> Done<T> {
    /// The result of a write without a key, which cannot have been done before.
    pub(crate) fn now(self) -> T {
        match self {
            Self::Now(result) => result,
            Self::Before(_) => unreachable!("a write without a key is always done now"),
        }
    }
}

/// Why a write under a key was not done. Nothing was written by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// The key stands for another request, which had its effect.
    #[error("the idempotency key was used for another request")]
    Reused,
    /// The key was made void: nothing with it will ever have an effect.
    #[error("the idempotency key was made void")]
    Void,
    /// A request with the key is under way and did not end in time.
    #[error("a request with the same idempotency key is under way")]
    InFlight,
}

impl crate::Store {
    /// Announces a write under a key. `encode` makes the answer that a repeat will be given.
    pub fn once<T>(&self, tenant: TenantId, asked: Asked, encode: Encode<T>) -> Once<T> {
        let presence = self.keys_under_way().enter(tenant, asked.key.clone());
        Once { asked, encode, presence }
    }
}
