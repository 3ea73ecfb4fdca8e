//! The face of the limits, the same for all stores.

use std::fmt;
use std::sync::Arc;

use super::Action;
use super::clock::{Clock, SystemClock};
use super::decision::Decision;
use super::in_process::InProcess;
use super::policy::Policy;
use crate::error::CoordError;

/// Limits by key. Cloning is cheap and gives the same counts.
#[derive(Clone)]
pub struct RateLimiter {
    store: Store,
}

#[derive(Clone)]
enum Store {
    InProcess(Arc<InProcess>),
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.store {
            Store::InProcess(_) => "in-process",
        };
        f.debug_struct("RateLimiter").field("store", &kind).finish()
    }
}

impl RateLimiter {
    /// Limits kept in this process alone.
    pub fn in_process() -> Self {
        Self::in_process_with(Arc::new(SystemClock::new()))
    }

    /// The same, with a clock of the caller's.
    pub fn in_process_with(clock: Arc<dyn Clock>) -> Self {
        Self { store: Store::InProcess(Arc::new(InProcess::new(clock))) }
    }

    /// Decides one call under all `policies` together and records it if it may go on.
    ///
    /// # Errors
    /// When the store did not answer.
    /// # Cancel safety
    /// Dropping the future may or may not have recorded the call.
    pub async fn check(&self, policies: &[Policy]) -> Result<Decision, CoordError> {
        self.act(Action::Check, policies).await
    }

    /// Decides without recording: for what is counted only when it fails, such as logins.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn peek(&self, policies: &[Policy]) -> Result<Decision, CoordError> {
        self.act(Action::Peek, policies).await
    }

    /// Records a failure under all `policies`, whether or not there was room.
    ///
    /// # Errors
    /// When the store did not answer.
    /// # Cancel safety
    /// Dropping the future may or may not have recorded the failure.
    pub async fn penalise(&self, policies: &[Policy]) -> Result<Decision, CoordError> {
        self.act(Action::Penalise, policies).await
    }

    #[expect(clippy::unused_async, reason = "the Redis store waits")]
    async fn act(&self, action: Action, policies: &[Policy]) -> Result<Decision, CoordError> {
        match &self.store {
            Store::InProcess(store) => Ok(store.act(action, policies)),
        }
    }
}
