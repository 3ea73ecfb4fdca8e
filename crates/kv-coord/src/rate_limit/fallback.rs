//! Redis while it answers, this process alone while it does not: never without a limit.
//!
//! Invariants: what Redis admits is counted here as well, so that this process never starts from nothing when Redis goes
//! away; for one window after a gap both must agree, since Redis may have lost or missed calls meanwhile; after a failure
//! Redis is asked by one call at a time, so a dead Redis costs one call per [`PAUSE`] its budget and no other call anything.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::Action;
use super::clock::Clock;
use super::decision::{Decision, Mode};
use super::in_process::InProcess;
use super::policy::Policy;
use super::redis::RedisLimits;
use crate::error::CoordError;
use crate::settings::RedisSettings;

/// How long Redis is left alone after it did not answer.
const PAUSE: Duration = Duration::from_millis(250);

/// Both stores.
pub(crate) struct Fallback {
    redis: RedisLimits,
    local: InProcess,
    share: NonZeroU32,
    circuit: Circuit,
}

impl Fallback {
    pub(crate) fn open(settings: &RedisSettings, share: NonZeroU32, clock: Arc<dyn Clock>) -> Result<Self, CoordError> {
        let redis = RedisLimits::open(settings)?;
        Ok(Self { redis, local: InProcess::new(clock), share, circuit: Circuit::new() })
    }

    pub(crate) async fn act(&self, action: Action, policies: &[Policy]) -> Decision {
        if !self.circuit.may_ask() {
            return self.act_alone(action, policies);
        }
        if action != Action::Penalise && self.circuit.failed_within(longest_window(policies)) {
            let local = self.local.act(Action::Peek, policies);
            if !local.is_allowed() {
                return local.with_mode(Mode::Degraded);
            }
        }
        match self.redis.act(action, policies).await {
            Ok(decision) => {
                self.circuit.answered();
                if action == Action::Penalise || (action == Action::Check && decision.is_allowed()) {
                    self.local.act(Action::Penalise, policies);
                }
                decision
            }
            Err(error) => {
                self.circuit.failed(&error);
                self.act_alone(action, policies)
            }
        }
    }

    /// Whether Redis is left alone at the moment.
    pub(crate) fn is_alone(&self) -> bool {
        self.circuit.shut_until_ms.load(Ordering::Acquire) != 0
    }

    /// Whether Redis answers.
    pub(crate) async fn ping(&self) -> Result<(), CoordError> {
        self.redis.ping().await
    }

    fn act_alone(&self, action: Action, policies: &[Policy]) -> Decision {
        let shares: Vec<Policy> = policies.iter().map(|policy| policy.share_of(self.share)).collect();
        self.local.act(action, &shares).with_mode(Mode::Degraded)
    }
}

fn longest_window(policies: &[Policy]) -> Duration {
    policies.iter().map(Policy::window).max().unwrap_or_default()
}

/// Whether Redis should be asked. Times in milliseconds since `begin`; 0 stands for never.
#[derive(Debug)]
struct Circuit {
    begin: Instant,
    shut_until_ms: AtomicU64,
    last_failure_ms: AtomicU64,
}

impl Circuit {
    fn new() -> Self {
        Self { begin: Instant::now(), shut_until_ms: AtomicU64::new(0), last_failure_ms: AtomicU64::new(0) }
    }

    fn now_ms(&self) -> u64 {
        // Begins at 1, since 0 means never.
        self.begin.elapsed().as_millis() as u64 + 1
    }

    fn may_ask(&self) -> bool {
        let shut_until_ms = self.shut_until_ms.load(Ordering::Acquire);
        if shut_until_ms == 0 {
            return true;
        }
        let now_ms = self.now_ms();
        if now_ms < shut_until_ms {
            return false;
        }
        // One caller wins the right to try; the others go on without Redis until it is known how that went.
        let next_ms = now_ms + PAUSE.as_millis() as u64;
        self.shut_until_ms.compare_exchange(shut_until_ms, next_ms, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn failed_within(&self, window: Duration) -> bool {
        let failed_ms = self.last_failure_ms.load(Ordering::Acquire);
        failed_ms != 0 && self.now_ms() < failed_ms + window.as_millis() as u64
    }

    fn failed(&self, error: &CoordError) {
        let now_ms = self.now_ms();
        self.last_failure_ms.store(now_ms, Ordering::Release);
        let until_ms = now_ms + PAUSE.as_millis() as u64;
        if self.shut_until_ms.swap(until_ms, Ordering::AcqRel) == 0 {
            warn!(error = error as &dyn std::error::Error, "rate limits are kept by this process alone");
        }
    }

    fn answered(&self) {
        // Read first: a store by every call would bounce the cache line between cores.
        if self.shut_until_ms.load(Ordering::Acquire) == 0 {
            return;
        }
        // Calls were decided without Redis up to this moment, so the double check counts from here.
        self.last_failure_ms.store(self.now_ms(), Ordering::Release);
        if self.shut_until_ms.swap(0, Ordering::AcqRel) != 0 {
            info!("Redis answers again; rate limits are shared again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> CoordError {
        CoordError::TooManyLocks { limit: 0 }
    }

    #[test]
    fn a_dead_redis_is_left_alone_and_a_living_one_is_not() {
        let circuit = Circuit::new();
        assert!(circuit.may_ask());
        assert!(!circuit.failed_within(Duration::from_hours(1)));
        circuit.failed(&away());
        assert!(!circuit.may_ask(), "within the pause");
        assert!(circuit.failed_within(Duration::from_hours(1)));
        circuit.answered();
        assert!(circuit.may_ask());
        assert!(circuit.failed_within(Duration::from_hours(1)), "both must agree for a window after the gap");
    }

    #[test]
    fn after_the_pause_one_caller_tries() {
        let circuit = Circuit::new();
        circuit.failed(&away());
        circuit.shut_until_ms.store(1, Ordering::Release);
        assert!(circuit.may_ask(), "the first one");
        assert!(!circuit.may_ask(), "nobody else until it is known how that went");
    }
}
