use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_types::TenantId;
use proptest::prelude::*;

use super::*;
use crate::lock::Resource;
use crate::rate_limit::LimitKey;

#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Now {
        let us = self.0.load(Ordering::Relaxed);
        Now { monotonic_us: us, unix_us: 1_700_000_000_000_000 + us }
    }
}

impl Hand {
    fn pass(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}

fn policy(key: &str, limit: u32, window: Duration) -> Policy {
    let name = Resource::parse(key).expect("a name");
    Policy::new("test", LimitKey::named(TenantId::new(1).expect("positive"), &name), limit, window).expect("a policy")
}

const WINDOW: Duration = Duration::from_mins(1);

proptest! {
    #[test]
    fn no_window_wherever_it_begins_holds_more_than_the_limit(
        limit in 1u32..8,
        gaps_ms in prop::collection::vec(0u64..20_000, 1..300),
    ) {
        let clock = Arc::new(Hand::default());
        let limiter = InProcess::new(clock.clone());
        let policies = [policy("p", limit, WINDOW)];
        let mut admitted = Vec::new();
        for gap_ms in gaps_ms {
            clock.pass(Duration::from_millis(gap_ms));
            let now_us = clock.now().monotonic_us;
            let decision = limiter.act(Action::Check, &policies);
            let in_window = |times: &[u64]| times.iter().filter(|&&time| now_us < time + 60_000_000).count() as u32;
            if decision.is_allowed() {
                admitted.push(now_us);
                prop_assert!(in_window(&admitted) <= limit);
            } else {
                prop_assert_eq!(in_window(&admitted), limit, "refused though there was room");
                let retry_us = decision.retry_after().expect("refused").as_micros() as u64;
                let oldest = admitted[admitted.len() - limit as usize];
                prop_assert_eq!(now_us + retry_us, oldest + 60_000_000, "come back exactly when the oldest leaves");
            }
            prop_assert_eq!(decision.policies()[0].remaining, limit - in_window(&admitted));
        }
    }

    #[test]
    fn a_fixed_window_admits_its_limit_and_starts_anew(extra in 1u32..50, pass_s in 0u64..130) {
        let clock = Arc::new(Hand::default());
        let limiter = InProcess::new(clock.clone());
        let limit = 1_001;
        let policies = [policy("p", limit, WINDOW)];
        let admitted = (0..limit + extra).filter(|_| limiter.act(Action::Check, &policies).is_allowed()).count();
        prop_assert_eq!(admitted, 1_001);
        clock.pass(Duration::from_secs(pass_s));
        prop_assert_eq!(limiter.act(Action::Check, &policies).is_allowed(), pass_s >= 60);
    }
}

#[test]
fn a_lowered_limit_waits_for_all_that_are_too_many() {
    let clock = Arc::new(Hand::default());
    let limiter = InProcess::new(clock.clone());
    for _ in 0..5 {
        assert!(limiter.act(Action::Check, &[policy("p", 5, WINDOW)]).is_allowed());
        clock.pass(Duration::from_secs(1));
    }
    let lowered = limiter.act(Action::Check, &[policy("p", 2, WINDOW)]);
    // Calls at 0, 1, 2, 3, 4 s; now is 5 s. The one at 3 s must leave before there is room for one.
    assert_eq!(lowered.retry_after(), Some(Duration::from_secs(58)));
}

#[test]
fn keys_are_forgotten_after_their_window() {
    let clock = Arc::new(Hand::default());
    let limiter = InProcess::new(clock.clone());
    for n in 0..20_000 {
        limiter.act(Action::Check, &[policy(&format!("k{n}"), 5, Duration::from_secs(1))]);
        clock.pass(Duration::from_millis(1));
    }
    // 1,000 are alive at any time; each shard may lag by its sweep.
    assert!(limiter.keys() < 1_000 + SHARDS * 80, "{} keys", limiter.keys());
}

#[test]
fn invented_keys_cannot_fill_the_memory() {
    let mut shard = Shard::default();
    for n in 0..MAX_KEYS_PER_SHARD + 1_000 {
        let count = shard.count_of(&policy(&format!("k{n}"), 5, WINDOW), 0);
        count.ends_us = 60_000_000 + n as u64;
    }
    assert_eq!(shard.counts.len(), MAX_KEYS_PER_SHARD);
}
