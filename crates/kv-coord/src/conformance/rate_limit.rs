//! What limits must do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kv_types::TenantId;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{MakeLimiter, any_tenant};
use crate::lock::Resource;
use crate::rate_limit::{Decision, LimitKey, Mode, Policy, RateLimiter, Verdict};

/// Every case, one after another.
pub async fn all(make: MakeLimiter<'_>) {
    sixty_of_seventy_in_a_row(make).await;
    sixty_of_seventy_at_once(make).await;
    tenants_have_their_own_limits(make).await;
    all_policies_or_none(make).await;
    hammering_does_not_prolong_a_refusal(make).await;
    no_real_window_holds_more_than_the_limit(make).await;
    numbers_for_headers_are_consistent(make).await;
    large_limits_are_exact_within_a_window(make).await;
    only_failures_count_when_only_failures_are_recorded(make).await;
    nothing_to_check_is_allowed(make).await;
}

const MINUTE: Duration = Duration::from_mins(1);

fn policy(tenant: TenantId, name: &'static str, limit: u32, window: Duration) -> Policy {
    let key = LimitKey::named(tenant, &Resource::parse(name).expect("an allowed name"));
    Policy::new(name, key, limit, window).expect("a policy")
}

async fn check(limiter: &RateLimiter, policies: &[Policy]) -> Decision {
    limiter.check(policies).await.expect("the store should answer")
}

/// The guide's test: 60 a minute, 70 calls, exactly 60 go on.
pub async fn sixty_of_seventy_in_a_row(make: MakeLimiter<'_>) {
    let limiter = make();
    let user = [policy(any_tenant(), "user", 60, MINUTE)];
    let mut verdicts = Vec::new();
    for _ in 0..70 {
        verdicts.push(check(&limiter, &user).await.verdict());
    }
    assert!(verdicts[..60].iter().all(|&verdict| verdict == Verdict::Allowed));
    assert!(verdicts[60..].iter().all(|&verdict| verdict == Verdict::Refused));
}

/// The same all at once, through three handles.
pub async fn sixty_of_seventy_at_once(make: MakeLimiter<'_>) {
    let handles = [make(), make(), make()];
    let user = policy(any_tenant(), "user", 60, MINUTE);
    let mut calls = JoinSet::new();
    for n in 0..70 {
        let (limiter, policies) = (handles[n % handles.len()].clone(), [user.clone()]);
        calls.spawn(async move { check(&limiter, &policies).await });
    }
    let decisions = calls.join_all().await;
    assert_eq!(decisions.iter().filter(|decision| decision.is_allowed()).count(), 60);
    // Every remainder from 59 to 0 was told exactly once.
    let allowed = decisions.iter().filter(|decision| decision.is_allowed());
    let mut remaining: Vec<u32> = allowed.map(|decision| decision.policies()[0].remaining).collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..60).collect::<Vec<_>>());
}

/// One tenant at its limit is nothing to another.
pub async fn tenants_have_their_own_limits(make: MakeLimiter<'_>) {
    let limiter = make();
    let first = [policy(any_tenant(), "user", 3, MINUTE)];
    let second = [policy(any_tenant(), "user", 3, MINUTE)];
    for _ in 0..3 {
        assert!(check(&limiter, &first).await.is_allowed());
    }
    assert!(!check(&limiter, &first).await.is_allowed());
    assert!(check(&limiter, &second).await.is_allowed());
}

/// A call one policy refuses is counted under none.
pub async fn all_policies_or_none(make: MakeLimiter<'_>) {
    let limiter = make();
    let tenant = any_tenant();
    let both = [policy(tenant, "user", 5, MINUTE), policy(tenant, "tenant", 3, MINUTE)];
    for _ in 0..3 {
        assert!(check(&limiter, &both).await.is_allowed());
    }
    for _ in 0..10 {
        let refused = check(&limiter, &both).await;
        let by: Vec<_> = refused.refused_by().map(|policy| policy.name).collect();
        assert_eq!(by, ["tenant"]);
        assert_eq!(refused.policies()[0].remaining, 2, "the user pays nothing for the tenant's refusal");
    }
    let alone = check(&limiter, &both[..1]).await;
    assert_eq!(alone.policies()[0].remaining, 1);
}

/// Calls during a refusal change nothing: after `retry_after` there is room.
pub async fn hammering_does_not_prolong_a_refusal(make: MakeLimiter<'_>) {
    let limiter = make();
    let window = Duration::from_millis(500);
    let policies = [policy(any_tenant(), "short", 2, window)];
    let begin = Instant::now();
    assert!(check(&limiter, &policies).await.is_allowed());
    assert!(check(&limiter, &policies).await.is_allowed());
    let mut refusals = 0;
    loop {
        let decision = check(&limiter, &policies).await;
        if decision.is_allowed() {
            break;
        }
        refusals += 1;
        let retry_after = decision.retry_after().expect("a refusal says when");
        assert!(retry_after <= window);
        if refusals == 20 {
            // Exactly as long as told, and then it must be let in.
            sleep(retry_after).await;
            assert!(check(&limiter, &policies).await.is_allowed());
            break;
        }
    }
    assert!(begin.elapsed() >= Duration::from_millis(499), "let in before the first call had left the window");
}

/// Hammered for several windows, the limit holds in each window that can be proved from outside.
pub async fn no_real_window_holds_more_than_the_limit(make: MakeLimiter<'_>) {
    let limiter = make();
    let (limit, window) = (5, Duration::from_millis(150));
    let policies = [policy(any_tenant(), "sliding", limit, window)];
    let begin = Instant::now();
    let mut admitted = Vec::new();
    while begin.elapsed() < window * 6 {
        let asked_at = Instant::now();
        if check(&limiter, &policies).await.is_allowed() {
            admitted.push((asked_at, Instant::now()));
        }
        tokio::task::yield_now().await;
    }
    assert!(admitted.len() > 2 * limit as usize, "it should let in more as time goes: {}", admitted.len());
    for run in admitted.windows(limit as usize + 1) {
        let (first_asked_at, last_answered_at) = (run[0].0, run[limit as usize].1);
        let at_most = last_answered_at - first_asked_at;
        assert!(at_most >= window, "{} calls within {at_most:?}", run.len());
    }
}

/// What goes into headers: the remainder counts down, times lie ahead and within the window.
pub async fn numbers_for_headers_are_consistent(make: MakeLimiter<'_>) {
    let limiter = make();
    let policies = [policy(any_tenant(), "user", 10, MINUTE)];
    let mut last_reset_unix_s = 0;
    for n in 1..=12u32 {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let decision = check(&limiter, &policies).await;
        let state = decision.policies()[0];
        assert_eq!(decision.mode(), Mode::Exact);
        assert_eq!((state.name, state.limit, state.window), ("user", 10, MINUTE));
        assert_eq!(state.remaining, 10u32.saturating_sub(n));
        assert_eq!(decision.is_allowed(), n <= 10);
        assert_eq!(decision.retry_after().is_some(), n > 10);
        assert!(!state.next_free.is_zero());
        assert!(state.next_free <= MINUTE);
        assert!(state.reset_unix_s >= last_reset_unix_s, "the reset moved back");
        // 30 s each way for a machine that stalls between the two readings.
        assert!((unix_s + 30..=unix_s + 91).contains(&state.reset_unix_s), "{} at {unix_s}", state.reset_unix_s);
        last_reset_unix_s = state.reset_unix_s;
    }
}

/// Above the border of remembering each call the count is still exact within its window, and starts anew after it.
pub async fn large_limits_are_exact_within_a_window(make: MakeLimiter<'_>) {
    let limit = 2_000;
    let policies = [policy(any_tenant(), "large", limit, MINUTE)];
    let handles = [make(), make()];
    let mut callers = JoinSet::new();
    for n in 0..10 {
        let (limiter, policies) = (handles[n % handles.len()].clone(), policies.clone());
        callers.spawn(async move {
            let mut allowed = 0;
            for _ in 0..205 {
                allowed += u32::from(check(&limiter, &policies).await.is_allowed());
            }
            allowed
        });
    }
    assert_eq!(callers.join_all().await.iter().sum::<u32>(), limit);

    let window = Duration::from_millis(200);
    let short = [policy(any_tenant(), "large-short", limit, window)];
    let first = check(&handles[0], &short).await;
    assert_eq!(first.policies()[0].remaining, limit - 1);
    sleep(first.policies()[0].next_free + Duration::from_millis(5)).await;
    assert_eq!(check(&handles[0], &short).await.policies()[0].remaining, limit - 1, "the window began anew");
}

/// Logins: looking costs nothing, failures count, and too many failures refuse.
pub async fn only_failures_count_when_only_failures_are_recorded(make: MakeLimiter<'_>) {
    let limiter = make();
    let account = [policy(any_tenant(), "login", 3, MINUTE)];
    for _ in 0..10 {
        let peeked = limiter.peek(&account).await.expect("the store should answer");
        assert_eq!(peeked.policies()[0].remaining, 3);
        assert!(peeked.is_allowed());
    }
    for left in [2, 1, 0, 0, 0] {
        let penalised = limiter.penalise(&account).await.expect("the store should answer");
        assert_eq!(penalised.policies()[0].remaining, left);
    }
    let refused = limiter.peek(&account).await.expect("the store should answer");
    assert!(!refused.is_allowed());
    assert!(refused.retry_after().is_some_and(|retry_after| retry_after > Duration::from_secs(30)));
}

/// No policy, no refusal.
pub async fn nothing_to_check_is_allowed(make: MakeLimiter<'_>) {
    let decision = check(&make(), &[]).await;
    assert!(decision.is_allowed());
    assert!(decision.tightest().is_none());
}
