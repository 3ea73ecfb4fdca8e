//! What a private Redis should be like.

use std::path::PathBuf;

use crate::postgres::Listen;

/// What survives the server's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Persistence {
    /// Nothing: the data is in memory only.
    #[default]
    Memory,
    /// All but at most the last second: an append-only file.
    AppendOnly,
}

/// How to start a private Redis; [`Default`] keeps nothing and listens on a free port of 127.0.0.1.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The server's folder, kept afterwards; `None` is a temporary one that is removed on drop.
    pub folder: Option<PathBuf>,
    /// What survives the server's end.
    pub persistence: Persistence,
    /// Further settings as `redis.conf` names them; they win over the ones set here.
    pub settings: Vec<(String, String)>,
    /// Where the server listens.
    pub listen: Listen,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { folder: None, persistence: Persistence::default(), settings: Vec::new(), listen: Listen::AnyPort }
    }
}

impl RedisOptions {
    /// Works in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Chooses what survives the server's end.
    #[must_use]
    pub const fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = persistence;
        self
    }

    /// Adds a setting.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Chooses where the server listens.
    #[must_use]
    pub const fn listen(mut self, listen: Listen) -> Self {
        self.listen = listen;
        self
    }
}
