//! Why a cluster does not run, or does not do what it was asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use stampede_model::units::show_duration;

use crate::control::ControlError;

/// A cluster that does not run.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A private server, a program, a slot: as for any target.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// A private server or a program.
    #[error(transparent)]
    Sandbox(#[from] sandbox::SandboxError),
    /// PostgreSQL's standby.
    #[error("the standby of PostgreSQL: {why}")]
    Standby {
        /// Why.
        why: String,
    },
    /// Something beyond this machine.
    #[error(
        "{what} is {to}, which is not this machine, and faults are made to break things\nhint: if it is meant, {missing}"
    )]
    Remote {
        /// What leads there.
        what: String,
        /// Where.
        to: String,
        /// Which key is missing.
        missing: String,
    },
    /// `HAProxy`, where the file asks for it.
    #[error("HAProxy before service `{service}`: {why}")]
    HaProxy {
        /// The service.
        service: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The run folder.
    #[error("cannot use the run folder {folder}: {source}")]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another cluster runs there.
    #[error(
        "a cluster runs in {folder} already (process {pid})\nhint: `stampede cluster down --dir {folder}`, or another --dir"
    )]
    Running {
        /// Where.
        folder: PathBuf,
        /// Its process.
        pid: u32,
    },
    /// An address that is no address of this machine.
    #[error(
        "service `{service}` is to listen at `{given}`\nhint: write it as 127.0.0.1:{{port}}; nothing listens beyond this machine"
    )]
    Listen {
        /// Whose.
        service: String,
        /// What was given.
        given: String,
    },
    /// A door that cannot be opened.
    #[error("cannot listen at {address}: {source}")]
    Door {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A member that never was ready.
    #[error("`{name}` was not ready within {}: {last}; its log ends with:\n{log}", show_duration(*.within))]
    NotReady {
        /// Which.
        name: String,
        /// How long it was waited for.
        within: Duration,
        /// What was seen last.
        last: String,
        /// The last lines of its log.
        log: String,
    },
    /// A target without a cluster.
    #[error(
        "{target} describes no cluster\nhint: add [[cluster.service]]; targets/kv-erp-cluster.toml is a complete example"
    )]
    NoCluster {
        /// Its name.
        target: String,
    },
}

/// A cluster that could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No cluster runs there.
    #[error("no cluster runs in {folder}\nhint: start one with `stampede cluster up TARGET --dir {folder}`")]
    NotRunning {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The socket failed.
    #[error("the cluster does not answer: {source}")]
    Socket {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It answered something else than was asked for.
    #[error("the cluster answered what was not asked: {answer}\nhint: is it of another version of stampede?")]
    Odd {
        /// What it said.
        answer: String,
    },
    /// It could not do it.
    #[error("{why}")]
    Failed {
        /// Why.
        why: String,
    },
}
