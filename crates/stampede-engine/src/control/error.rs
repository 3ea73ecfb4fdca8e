//! Why a target does not run.

use std::io;
use std::time::Duration;

use stampede_model::target::MissingSlot;

use crate::http::BadUrl;

/// A target that does not run.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The run's folder.
    #[error("cannot make the run's folder: {source}")]
    Folder {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A port.
    #[error("cannot find a free port: {source}")]
    Port {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A private server or a program.
    #[error(transparent)]
    Sandbox(#[from] sandbox::SandboxError),
    /// A program that is to be left behind could not be started.
    #[error(
        "cannot start `{name}` ({program}): {source}\nhint: is it built, and does it stand where the target's command says?"
    )]
    Spawn {
        /// The process's name in the target.
        name: String,
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program that is not there.
    #[error("`{name}`: there is no program {program}\nhint: build it, or correct the command in the target file")]
    NoProgram {
        /// The process's name in the target.
        name: String,
        /// The program.
        program: String,
    },
    /// A slot without a value.
    #[error("the target's start: {0}")]
    Slot(#[from] MissingSlot),
    /// An environment variable the target names.
    #[error("the target uses {{env.{name}}}, and {name} is not set\nhint: export {name}=...")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// The target's URL.
    #[error("target.url: {0}")]
    Url(#[from] BadUrl),
    /// A program ended before or during the run.
    #[error("`{name}` ended ({how}); its log ends with:\n{log}")]
    Died {
        /// The process's name in the target.
        name: String,
        /// Its exit status.
        how: String,
        /// The last lines of its log.
        log: String,
    },
    /// The target never said it was ready.
    #[error("{url} was not ready within {}: {last}{log}\nhint: target.ready has path, status and time limit", show(.within))]
    NotReady {
        /// What was asked.
        url: String,
        /// The time limit.
        within: Duration,
        /// The last answer.
        last: String,
        /// The last lines of the programs' logs.
        log: String,
    },
    /// Private servers end with the bench.
    #[error(
        "a target with [target.postgres] or [target.redis] cannot be kept: these servers end with the bench\n\
         hint: start them yourself and give their URLs as {{env.NAME}}"
    )]
    PrivateServersCannotStay,
}

fn show(duration: &Duration) -> String {
    stampede_model::units::show_duration(*duration)
}
