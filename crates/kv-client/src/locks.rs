//! Locks: turns among clients.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::list::escaped;
use crate::send::Call;

/// Turns among clients.
#[derive(Clone, Debug)]
pub struct Locks<'a>(&'a Client);

/// A lock that is the caller's.
#[derive(Clone, Debug, Deserialize)]
pub struct LockGrant {
    /// What is locked.
    pub resource: String,
    /// Proof of ownership.
    pub token: String,
    /// Larger than that of every earlier holder; see [`Client::with_fence`].
    pub fence: i64,
    /// The lifetime granted.
    pub ttl_ms: u64,
    /// When the lock ends unless it is renewed.
    pub expires_at: Timestamp,
}

/// A lock whose lifetime began anew.
#[derive(Clone, Debug, Deserialize)]
pub struct LockRenewal {
    /// The new lifetime.
    pub ttl_ms: u64,
    /// When the lock ends unless it is renewed again.
    pub expires_at: Timestamp,
}

/// A lock as it stands.
#[derive(Clone, Debug, Deserialize)]
pub struct LockState {
    /// Whether somebody has it.
    pub held: bool,
    /// The holder's number.
    pub fence: Option<i64>,
    /// How long until it ends.
    pub ttl_ms: Option<u64>,
    /// How many wait for it.
    pub waiters: Option<u32>,
}

impl Client {
    /// Turns among clients.
    pub fn locks(&self) -> Locks<'_> {
        Locks(self)
    }
}

impl Locks<'_> {
    /// Takes a lock, waiting in line for at most `wait`; 409 `lock_busy` when somebody else has it then. A grant whose answer is
    /// lost is [`Error::Unknown`] and ends with its lifetime: asking again at once would wait behind it.
    pub async fn acquire(&self, resource: &str, wait: Duration, ttl: Duration) -> Result<LockGrant, Error> {
        let (wait_ms, ttl_ms) = (millis(wait), millis(ttl));
        let call = Call::post(path(resource)).json(&json!({"wait_ms": wait_ms, "ttl_ms": ttl_ms}))?;
        self.0.take(call.within(wait.saturating_add(self.0.shared.attempt_timeout))).await
    }

    /// Shows a lock.
    pub async fn get(&self, resource: &str) -> Result<LockState, Error> {
        self.0.read(Call::get(path(resource))).await
    }

    /// Starts its lifetime anew.
    pub async fn renew(&self, grant: &LockGrant, ttl: Duration) -> Result<LockRenewal, Error> {
        let call = Call::new(Method::PATCH, path(&grant.resource)).with("x-lock-token", grant.token.as_str());
        self.0.read(call.json(&json!({"ttl_ms": millis(ttl)}))?).await
    }

    /// Gives it back.
    pub async fn release(&self, grant: &LockGrant) -> Result<(), Error> {
        let call = Call::new(Method::DELETE, path(&grant.resource)).with("x-lock-token", grant.token.as_str());
        self.0.end(call, &["lock_expired", "lock_not_owner"]).await
    }
}

fn path(resource: &str) -> String {
    format!("/locks/{}", escaped(resource))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
