//! Everything that can go wrong while a private server is found, started or asked. Texts name the thing and say what to do about it.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a private server, or a supervised process, is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A program is not installed.
    #[error("{program} was not found in {searched}; hint: {hint}")]
    MissingProgram {
        /// The program's name.
        program: String,
        /// The folders that were looked through.
        searched: String,
        /// What to install or set.
        hint: String,
    },
    /// A root caller's server runs as another user, who cannot reach the folder.
    #[error(
        "user {user} cannot enter {blocked}, so a server cannot keep its data in {folder}; \
         hint: chmod o+x {blocked}, or choose a folder below one that others may pass through"
    )]
    NotTraversable {
        /// The folder asked for.
        folder: PathBuf,
        /// The first folder on the way that the user cannot enter.
        blocked: PathBuf,
        /// The user the server would run as.
        user: String,
    },
    /// Another server, or what is left of one, still works on the folder.
    #[error("{folder} is in use by a running server{}; hint: stop it, or choose another folder", with_pid(*.pid))]
    Live {
        /// The folder asked for.
        folder: PathBuf,
        /// The server's process, when known.
        pid: Option<u32>,
    },
    /// The folder was written by another major version.
    #[error(
        "{folder} holds data of PostgreSQL {found}, but the newest installed is {installed}; \
         hint: install PostgreSQL {found}, or use another folder"
    )]
    WrongVersion {
        /// The data folder.
        folder: PathBuf,
        /// Its major version.
        found: String,
        /// The major version of the installed programs.
        installed: String,
    },
    /// A server ended before it answered.
    #[error("{server} ended during its start ({status}); its log ends with:\n{log}")]
    Died {
        /// Which program.
        server: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// A server runs but did not answer in time.
    #[error("{server} did not answer within {} s; last answer: {last}; its log ends with:\n{log}", .within.as_secs())]
    NotReady {
        /// Which program.
        server: String,
        /// How long it was asked.
        within: Duration,
        /// The last failure seen.
        last: String,
        /// The last lines of its log.
        log: String,
    },
    /// The port asked for is taken.
    #[error("port {port} on 127.0.0.1 is taken; hint: choose another, or let the system choose one")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// An address or a setting cannot be used.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// The setting, variable or option.
        what: String,
        /// Why.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {action}")]
    Io {
        /// What was tried, as "verb object".
        action: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A statement to the private PostgreSQL failed.
    #[error("PostgreSQL refused to {action}")]
    Query {
        /// What was tried, as "verb object".
        action: String,
        /// PostgreSQL's answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The caller's migrations failed while a template database was built.
    #[error("the migrations of template {template} failed")]
    Migrations {
        /// The template's name.
        template: String,
        /// The caller's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SandboxError {
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    pub(crate) fn query(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Query { action, source }
    }
}

fn with_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
