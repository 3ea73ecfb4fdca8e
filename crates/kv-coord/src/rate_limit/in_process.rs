//! Limits kept in this process: the twin of the Redis store for one node, for tests, and for when Redis is away.
//!
//! Invariants: the shards of all keys of a call are locked together, always in ascending order; a key is forgotten when its
//! window has passed; past [`MAX_KEYS`] the key that ends soonest among a few gives way, so memory is bounded even when
//! somebody invents keys.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Action;
use super::clock::{Clock, Now};
use super::decision::{Decision, Mode, PolicyState};
use super::policy::Policy;
use super::tally::Tally;
use crate::sweep::Sweep;

const SHARDS: usize = 64;
/// How many keys one process counts at most.
const MAX_KEYS: usize = 1 << 20;
const MAX_KEYS_PER_SHARD: usize = MAX_KEYS / SHARDS;
/// Among how many keys the one to give way is chosen.
const EVICTION_SAMPLE: usize = 16;

/// The counts of this process.
pub(crate) struct InProcess {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Shard {
    counts: HashMap<Box<str>, Count>,
    sweep: Sweep,
}

#[derive(Debug)]
struct Count {
    tally: Tally,
    ends_us: u64,
}

impl Shard {
    fn count_of(&mut self, policy: &Policy, now_us: u64) -> &mut Count {
        if !self.counts.contains_key(policy.key()) {
            self.make_room(now_us);
            self.counts.insert(policy.key().into(), Count { tally: Tally::new(policy), ends_us: now_us });
        }
        self.counts.get_mut(policy.key()).expect("inserted above if it was missing")
    }

    fn make_room(&mut self, now_us: u64) {
        if self.sweep.due_after_insert(self.counts.len()) {
            self.counts.retain(|_, count| now_us < count.ends_us);
        }
        if self.counts.len() < MAX_KEYS_PER_SHARD {
            return;
        }
        let soonest = self.counts.iter().take(EVICTION_SAMPLE).min_by_key(|(_, count)| count.ends_us);
        if let Some(key) = soonest.map(|(key, _)| key.clone()) {
            self.counts.remove(&key);
        }
    }
}

/// The shards of one call, locked.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl Locked<'_> {
    fn shard(&mut self, index: usize) -> &mut Shard {
        let place =
            self.0.iter().position(|(locked, _)| *locked == index).expect("every key's shard was locked before");
        &mut self.0[place].1
    }
}

impl InProcess {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Self { shards, hasher: RandomState::new(), clock }
    }

    pub(crate) fn act(&self, action: Action, policies: &[Policy]) -> Decision {
        let places: Vec<usize> = policies.iter().map(|policy| self.shard_of(policy)).collect();
        let mut locked = self.lock(&places);
        // Read under the locks, so that the times in a log cannot come out of order.
        let now = self.clock.now();
        Decision::new(Mode::Exact, decide(action, policies, &places, &mut locked, now))
    }

    fn shard_of(&self, policy: &Policy) -> usize {
        self.hasher.hash_one(policy.key()) as usize % SHARDS
    }

    fn lock(&self, places: &[usize]) -> Locked<'_> {
        let mut order = places.to_vec();
        order.sort_unstable();
        order.dedup();
        let lock = |place: usize| (place, self.shards[place].lock().unwrap_or_else(PoisonError::into_inner));
        Locked(order.into_iter().map(lock).collect())
    }

    #[cfg(test)]
    fn keys(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().expect("no test panics here").counts.len()).sum()
    }
}

fn decide(
    action: Action,
    policies: &[Policy],
    places: &[usize],
    locked: &mut Locked<'_>,
    now: Now,
) -> Vec<PolicyState> {
    let now_us = now.monotonic_us;
    let mut used = Vec::with_capacity(policies.len());
    for (policy, &place) in policies.iter().zip(places) {
        used.push(locked.shard(place).count_of(policy, now_us).tally.used(policy, now_us));
    }
    let within = policies.iter().zip(&used).all(|(policy, &used)| used < u64::from(policy.limit()));
    let record = match action {
        Action::Check => within,
        Action::Peek => false,
        Action::Penalise => true,
    };
    let states = policies.iter().zip(places).zip(used).map(|((policy, &place), used_before)| {
        let count = locked.shard(place).count_of(policy, now_us);
        if record {
            count.tally.record(policy, now_us);
        }
        let usage = count.tally.usage(policy, used_before, now_us);
        count.ends_us = now_us + usage.all_free_us;
        PolicyState::new(policy, usage, now.unix_us)
    });
    states.collect()
}

#[cfg(test)]
#[path = "in_process_tests.rs"]
mod tests;
