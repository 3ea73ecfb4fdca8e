//! What became of a write whose answer was lost.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;

use crate::client::Client;
use crate::error::Error;
use crate::list::escaped;
use crate::send::Call;

/// Idempotency keys.
#[derive(Clone, Debug)]
pub struct Keys<'a>(&'a Client);

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// The write was done.
    Completed,
    /// A request with it is under way.
    InFlight,
    /// Nothing was done, and nothing will be.
    Void,
}

/// A key as it stands.
#[derive(Clone, Debug, Deserialize)]
pub struct KeyRecord {
    /// The key.
    pub key: String,
    /// What became of it.
    pub state: KeyState,
    /// The status that the write was answered with.
    pub status: Option<u16>,
    /// The address of what was made.
    pub location: Option<String>,
    /// When it was done, or made void.
    pub created_at: Option<Timestamp>,
}

impl Client {
    /// Idempotency keys.
    pub fn keys(&self) -> Keys<'_> {
        Keys(self)
    }
}

impl Keys<'_> {
    /// How a key stands; 404 when nothing is known of it.
    pub async fn get(&self, key: &str) -> Result<KeyRecord, Error> {
        self.0.read(Call::get(path(key))).await
    }

    /// Says for good what became of a key: done, or void from now on.
    pub async fn settle(&self, key: &str) -> Result<KeyRecord, Error> {
        self.0.read(Call::new(Method::DELETE, path(key))).await
    }
}

fn path(key: &str) -> String {
    format!("/idempotency/{}", escaped(key))
}
