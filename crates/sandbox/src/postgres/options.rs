//! What a private PostgreSQL should be like.

use std::path::PathBuf;

use crate::error::SandboxError;

/// What a power cut may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing that was committed: PostgreSQL's own defaults.
    #[default]
    Durable,
    /// The whole database: `fsync`, `synchronous_commit` and `full_page_writes` are off. For tests.
    Ephemeral,
}

/// Where the server listens, besides never anywhere but on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Listen {
    /// A Unix socket only.
    #[default]
    Socket,
    /// The socket, and 127.0.0.1 on a free port chosen by the system.
    AnyPort,
    /// The socket, and 127.0.0.1 on this port.
    Port(u16),
}

/// Settings that the rest of the sandbox relies on.
const RESERVED: [&str; 7] = [
    "data_directory",
    "hba_file",
    "listen_addresses",
    "logging_collector",
    "port",
    "unix_socket_directories",
    "unix_socket_permissions",
];

/// How to start a private PostgreSQL; [`Default`] is a durable server in a temporary folder, on a Unix socket.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// The server's folder, kept afterwards; `None` is a temporary one that is removed on drop.
    pub folder: Option<PathBuf>,
    /// What a power cut may cost.
    pub durability: Durability,
    /// Further settings as `postgresql.conf` names them; they win over the ones set here. Where the server listens and logs is not
    /// among them.
    pub settings: Vec<(String, String)>,
    /// Where the server listens.
    pub listen: Listen,
}

impl PostgresOptions {
    /// A server for tests: temporary, and fast because nothing is meant to survive.
    pub fn ephemeral() -> Self {
        Self { durability: Durability::Ephemeral, ..Self::default() }
    }

    /// Keeps the data in this folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
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

impl PostgresOptions {
    /// Refuses settings that would take the server out of sight.
    pub(super) fn check(&self) -> Result<(), SandboxError> {
        let reserved = |name: &str| RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
        match self.settings.iter().find(|(name, _)| reserved(name)) {
            None => Ok(()),
            Some((name, _)) => Err(SandboxError::Unusable {
                what: format!("the PostgreSQL setting {name}"),
                reason: "the sandbox sets it itself; hint: see PostgresOptions::listen and ::folder".into(),
            }),
        }
    }
}
