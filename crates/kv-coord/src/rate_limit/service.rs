//! The face of the limits, the same for all stores.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::Action;
use super::clock::{Clock, SystemClock};
use super::decision::Decision;
use super::fallback::Fallback;
use super::in_process::InProcess;
use super::policy::Policy;
use super::redis::RedisLimits;
use super::stats::LimiterStats;
use crate::error::CoordError;
use crate::settings::RedisSettings;

/// Limits by key. Cloning is cheap and gives the same counts.
#[derive(Clone)]
pub struct RateLimiter {
    store: Store,
    stats: Arc<LimiterStats>,
    #[cfg(feature = "wrong-strategies")]
    is_in_two_steps: bool,
}

#[derive(Clone)]
enum Store {
    InProcess(Arc<InProcess>),
    Redis(Arc<RedisLimits>),
    Fallback(Arc<Fallback>),
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.store {
            Store::InProcess(_) => "in-process",
            Store::Redis(_) => "redis",
            Store::Fallback(_) => "redis, else in-process",
        };
        f.debug_struct("RateLimiter").field("store", &kind).finish_non_exhaustive()
    }
}

impl RateLimiter {
    /// Limits kept in this process alone.
    pub fn in_process() -> Self {
        Self::in_process_with(Arc::new(SystemClock::new()))
    }

    /// The same, with a clock of the caller's.
    pub fn in_process_with(clock: Arc<dyn Clock>) -> Self {
        Self::over(Store::InProcess(Arc::new(InProcess::new(clock))))
    }

    /// Limits kept in Redis, shared by all processes. A call fails when Redis does not answer within
    /// [`RedisSettings::limit_timeout`]. Does not wait for Redis.
    ///
    /// # Errors
    /// [`CoordError::BadUrl`] when the settings cannot be used.
    /// # Panics
    /// Outside a tokio runtime.
    pub fn redis(settings: &RedisSettings) -> Result<Self, CoordError> {
        Ok(Self::over(Store::Redis(Arc::new(RedisLimits::open(settings)?))))
    }

    /// The same, and while Redis does not answer this process limits alone, to its `share`-th part of each limit (the number
    /// of processes). Such a decision says [`super::Mode::Degraded`], and calls never fail.
    ///
    /// # Errors
    /// [`CoordError::BadUrl`] when the settings cannot be used.
    /// # Panics
    /// Outside a tokio runtime.
    pub fn redis_or_alone(settings: &RedisSettings, share: NonZeroU32) -> Result<Self, CoordError> {
        let fallback = Fallback::open(settings, share, Arc::new(SystemClock::new()))?;
        Ok(Self::over(Store::Fallback(Arc::new(fallback))))
    }

    fn over(store: Store) -> Self {
        Self {
            store,
            stats: Arc::default(),
            #[cfg(feature = "wrong-strategies")]
            is_in_two_steps: false,
        }
    }

    /// The same limits, but a call is judged first and counted a moment later: known to be wrong.
    #[cfg(feature = "wrong-strategies")]
    #[must_use]
    pub fn in_two_steps(mut self) -> Self {
        self.is_in_two_steps = true;
        self
    }

    /// Decides one call under all `policies` together and records it if it may go on.
    ///
    /// # Errors
    /// When the store did not answer.
    /// # Cancel safety
    /// Dropping the future may or may not have recorded the call.
    pub async fn check(&self, policies: &[Policy]) -> Result<Decision, CoordError> {
        #[cfg(feature = "wrong-strategies")]
        if self.is_in_two_steps {
            let judged = self.peek(policies).await?;
            if judged.is_allowed() {
                tokio::task::yield_now().await;
                self.penalise(policies).await?;
            }
            return Ok(judged);
        }
        let answer = self.act(Action::Check, policies).await;
        self.stats.checks.count(&answer);
        answer
    }

    /// Decides without recording: for what is counted only when it fails, such as logins.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn peek(&self, policies: &[Policy]) -> Result<Decision, CoordError> {
        let answer = self.act(Action::Peek, policies).await;
        self.stats.peeks.count(&answer);
        answer
    }

    /// What was decided by this limiter and its clones.
    pub fn stats(&self) -> &LimiterStats {
        &self.stats
    }

    /// Whether this process decides alone at the moment, because the shared store does not answer.
    pub fn is_degraded(&self) -> bool {
        match &self.store {
            Store::Fallback(store) => store.is_alone(),
            Store::InProcess(_) | Store::Redis(_) => false,
        }
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

    /// Asks the store for a sign of life; with a fallback, asks Redis.
    ///
    /// # Errors
    /// When it gave none.
    pub async fn ping(&self) -> Result<(), CoordError> {
        match &self.store {
            Store::InProcess(_) => Ok(()),
            Store::Redis(store) => store.ping().await,
            Store::Fallback(store) => store.ping().await,
        }
    }

    async fn act(&self, action: Action, policies: &[Policy]) -> Result<Decision, CoordError> {
        match &self.store {
            Store::InProcess(store) => Ok(store.act(action, policies)),
            Store::Redis(store) => store.act(action, policies).await,
            Store::Fallback(store) => Ok(store.act(action, policies).await),
        }
    }
}
