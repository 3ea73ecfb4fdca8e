//! Limits kept in Redis, shared by all processes.
//!
//! Invariants: one script decides, records and sets the keys' lifetimes, so no key is left without one; time is Redis's own,
//! so processes with different clocks agree.

use super::Action;
use super::decision::{Decision, Mode, PolicyState, Usage};
use super::policy::{Counting, Policy};
use crate::error::CoordError;
use crate::link::{Link, NamedScript};
use crate::settings::RedisSettings;

const SCRIPT: &str = "rate_limit";
/// How many numbers the script answers per policy.
const NUMBERS: usize = 4;

/// The counts in Redis.
#[derive(Debug)]
pub(crate) struct RedisLimits {
    link: Link,
    script: NamedScript,
    /// What stands before a key that belongs to no tenant; the others have the tenant in braces.
    prefix: String,
}

impl RedisLimits {
    /// Must be called within a tokio runtime. Does not wait for Redis.
    pub(crate) fn open(settings: &RedisSettings) -> Result<Self, CoordError> {
        let endpoint = settings.endpoint(settings.limit_db());
        let link = Link::open(endpoint, settings.connect_timeout, settings.limit_timeout)?;
        Ok(Self {
            link,
            script: NamedScript::new(SCRIPT, include_str!("scripts/rate_limit.lua")),
            prefix: settings.key_prefix(),
        })
    }

    /// The policies of one call must be in one slot: those of a tenant are by its number, which spreads the tenants over a cluster.
    fn key(&self, key: &str) -> String {
        if key.contains('{') { key.to_owned() } else { format!("{}{key}", self.prefix) }
    }

    pub(crate) async fn act(&self, action: Action, policies: &[Policy]) -> Result<Decision, CoordError> {
        let keys: Vec<String> = policies.iter().map(|policy| self.key(policy.key())).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let numbers: Vec<(String, String)> =
            policies.iter().map(|policy| (policy.limit().to_string(), policy.window_us().to_string())).collect();
        let mut args = vec![match action {
            Action::Check => "CHECK",
            Action::Peek => "PEEK",
            Action::Penalise => "PENALISE",
        }];
        for (policy, (limit, window_us)) in policies.iter().zip(&numbers) {
            let kind = match policy.counting() {
                Counting::SlidingLog => "log",
                Counting::FixedWindow => "count",
            };
            args.extend([kind, limit, window_us]);
        }
        let answer: Vec<u64> = self.link.run(&self.script, &keys, &args).await?;
        let unexpected = || CoordError::Answer { script: SCRIPT, answer: format!("{answer:?}") };
        let (&now_us, usages) = answer.split_first().ok_or_else(unexpected)?;
        if usages.len() != policies.len() * NUMBERS {
            return Err(unexpected());
        }
        let states = policies.iter().zip(usages.chunks_exact(NUMBERS)).map(|(policy, numbers)| {
            let usage = Usage {
                used_before: numbers[0],
                used_after: numbers[1],
                next_free_us: numbers[2],
                all_free_us: numbers[3],
            };
            PolicyState::new(policy, usage, now_us)
        });
        Ok(Decision::new(Mode::Exact, states.collect()))
    }

    pub(crate) async fn ping(&self) -> Result<(), CoordError> {
        self.link.ping().await
    }
}
