//! A run of faults against a cluster on this machine.

use std::path::Path;

use super::ChaosError;
use super::inject::{Order, Target};
use super::injector::{Ended, Injected, Injector};

/// A run.
#[derive(Debug)]
pub struct Chaos {
    target: Target,
    injector: Injector,
}

impl Chaos {
    /// Takes the journal, refuses when it is open, and starts the guardian; `program` is this program's own file.
    ///
    /// # Errors
    /// See [`ChaosError`]; nothing is broken then.
    pub async fn begin(target: Target, journal: &Path, program: &Path) -> Result<Self, ChaosError> {
        Ok(Self { target, injector: Injector::begin(journal, program).await? })
    }

    /// The system under test.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Aims and injects.
    ///
    /// # Errors
    /// [`ChaosError::Aim`] before anything happened; [`ChaosError::Inject`] when it failed, and what it may have done was undone, or
    /// stays open in the journal.
    /// # Cancel safety
    /// Dropping the future may leave the fault in force; the journal knows it, and the guardian ends it at its deadline.
    pub async fn inject(&self, order: &Order) -> Result<Injected, ChaosError> {
        let status = self.target.status().await?;
        let aim = |id| self.target.aim(order, &status, id).map(|aimed| (aimed.intent.clone(), aimed));
        let (id, intent, aimed) = self.injector.intend(order.lasts, aim).await?;
        let outcome = self.target.carry_out(&aimed).await;
        self.injector.settle(id, intent, outcome).await
    }

    /// Undoes, looks, and writes down what was seen.
    ///
    /// # Errors
    /// When the journal cannot be written; the target was seen to all the same.
    /// # Cancel safety
    /// Dropping the future leaves the fault open in the journal.
    pub async fn undo(&self, injected: Injected) -> Result<Ended, ChaosError> {
        self.injector.undo(injected).await
    }

    /// Ends the run: tells whether every fault was seen undone, and sends the guardian home.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn end(self) -> Result<bool, ChaosError> {
        self.injector.end().await
    }
}
