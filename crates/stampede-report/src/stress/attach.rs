//! Putting stress runs beside a load run.

use stampede_model::run::RunFile;
use stampede_model::stress::StressRun;
use thiserror::Error;

use crate::words;

/// Most stress runs beside one load run.
pub const MOST: usize = 20;

/// A stress run that cannot be put beside a load run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttachError {
    /// It is there already.
    #[error("the run has it already ({what}, begun {started}): leave it out")]
    Twice {
        /// What was stressed.
        what: String,
        /// When it began.
        started: String,
    },
    /// There are enough.
    #[error("the run has {MOST} stress runs already, and more do not fit")]
    Full,
}

/// Puts `stress` beside `run`, after those that are there.
///
/// # Errors
/// When it is there already, or there are [`MOST`].
pub fn attach(run: &mut RunFile, stress: StressRun) -> Result<(), AttachError> {
    let key = |of: &StressRun| (of.kind, of.target.clone(), of.started_unix_ns);
    if run.stress.iter().any(|there| key(there) == key(&stress)) {
        let (what, started) = (words::stressed(&stress), words::started(stress.started_unix_ns));
        return Err(AttachError::Twice { what, started });
    }
    if run.stress.len() >= MOST {
        return Err(AttachError::Full);
    }
    run.stress.push(stress);
    Ok(())
}
