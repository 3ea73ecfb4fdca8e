//! Why a stress run came to no result. A server that is slow, refuses or dies under load is a result and not in this list.

use std::io;

/// A stress run without a result.
#[derive(Debug, thiserror::Error)]
pub enum StressError {
    /// A tool that is not installed.
    #[error("{tool} was not found on PATH\nhint: apt-get install {package}")]
    MissingTool {
        /// Its name.
        tool: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A tool that ended without figures.
    #[error("{tool} came to no result ({exit}); it said:\n{said}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// How it ended.
        exit: String,
        /// The last lines it printed, without passwords.
        said: String,
    },
    /// An address that cannot be read. Its text is not shown: it may hold a password.
    #[error("the {what} URL cannot be used: {reason}")]
    Url {
        /// Of what.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// PostgreSQL refused.
    #[error("PostgreSQL at {address}: cannot {action}: {}", postgres_words(.source))]
    Postgres {
        /// Where, without a password.
        address: String,
        /// What was tried, as "verb object".
        action: String,
        /// Its answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Redis refused.
    #[error("Redis at {address}: cannot {action}")]
    Redis {
        /// Where, without a password.
        address: String,
        /// What was tried, as "verb object".
        action: String,
        /// Its answer.
        #[source]
        source: redis::RedisError,
    },
    /// More clients than the server has room for.
    #[error(
        "{clients} clients do not fit: the server allows {allowed} connections to ordinary users and {used} are in use\n\
         hint: fewer --clients, or a higher max_connections"
    )]
    Full {
        /// Asked clients.
        clients: u32,
        /// What the server allows.
        allowed: u32,
        /// What is in use.
        used: u32,
    },
    /// No connection could be held.
    #[error("not one connection of the database could be held: {reason}")]
    NothingHeld {
        /// Why.
        reason: String,
    },
    /// A request that could not be prepared, or a service that is not there.
    #[error(transparent)]
    Unreachable(#[from] crate::http::endpoint::Unreachable),
    /// A private server or a supervised program.
    #[error(transparent)]
    Sandbox(#[from] sandbox::SandboxError),
    /// The operating system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried, as "verb object".
        action: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The watcher asked for the end before there was anything to report.
    #[error("stopped before there was anything to report")]
    Stopped,
}

impl StressError {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// The server's own words: the error's text alone is "db error".
fn postgres_words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |refusal| refusal.message().to_owned())
}
