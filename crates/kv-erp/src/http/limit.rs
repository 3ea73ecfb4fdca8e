//! How often a caller may ask, and the headers that say so on every answer to a known caller.
//!
//! The policies of a request are decided together, all or nothing: the user's, the API token's when it has one, and the tenant's when
//! the service has one.

use std::time::Duration;

use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use kv_coord::rate_limit::{Decision, LimitKey, Mode, Policy, PolicyState};
use kv_store::access::Session;

use super::problem::Problem;
use crate::app::App;

const WINDOW: Duration = Duration::from_mins(1);

const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What the limiter said of one request.
#[derive(Debug)]
pub(super) struct Admission(Decision);

/// Counts a caller's request: under its account, its API token when that has a limit of its own, and its tenant when the service has
/// one.
///
/// # Errors
/// 503 when nothing can count it.
pub(super) async fn admit(app: &App, session: &Session) -> Result<Admission, Problem> {
    let (settings, account) = (app.settings(), &session.account);
    let user_limit = account.rate_limit_per_minute.unwrap_or(settings.rate_limit_per_minute);
    let user = policy("user", LimitKey::user(account.tenant, account.user), user_limit);
    let of_token = session.grant.api_token.zip(session.grant.rate_limit_per_minute);
    let token = of_token.map(|(token, limit)| policy("token", LimitKey::token(account.tenant, token), limit));
    let of_tenant = settings.tenant_rate_limit_per_minute;
    let tenant = of_tenant.map(|limit| policy("tenant", LimitKey::tenant(account.tenant), limit));
    let decision = if token.is_none() && tenant.is_none() {
        app.limiter().check(&[user]).await?
    } else {
        let policies: Vec<Policy> = [Some(user), token, tenant].into_iter().flatten().collect();
        app.limiter().check(&policies).await?
    };
    if !decision.is_allowed() {
        app.metrics().count_refused_by_limit();
    }
    Ok(Admission(decision))
}

/// A policy per minute. A limit of 0 cannot come from the configuration or the table; it would count as 1.
pub(super) fn policy(name: &'static str, key: LimitKey, per_minute: u32) -> Policy {
    Policy::new(name, key, per_minute.max(1), WINDOW).expect("the limit is at least 1 and the window one minute")
}

impl Admission {
    /// 429 when the request may not go on.
    pub(super) fn refusal(&self) -> Option<Problem> {
        let wait = self.0.retry_after()?;
        let violated: Vec<&str> = self.0.refused_by().map(|state| state.name).collect();
        let problem =
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests; see Retry-After.")
                .with("violated_policies", violated)
                .retry_after(wait);
        Some(problem)
    }

    /// Tells the caller where it stands.
    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        let Some(tightest) = self.0.tightest() else { return };
        headers.insert(X_LIMIT, HeaderValue::from(tightest.limit));
        headers.insert(X_REMAINING, HeaderValue::from(tightest.remaining));
        headers.insert(X_RESET, HeaderValue::from(tightest.reset_unix_s));
        insert_list(headers, POLICY, self.0.policies(), |list, state| {
            push_all(list, &["\"", state.name, "\";q="]);
            push_number(list, u64::from(state.limit));
            list.push_str(";w=");
            push_number(list, state.window.as_secs());
            if self.0.mode() == Mode::Degraded {
                list.push_str(";kv-mode=\"degraded\"");
            }
        });
        insert_list(headers, STATE, self.0.policies(), |list, state| {
            push_all(list, &["\"", state.name, "\";r="]);
            push_number(list, u64::from(state.remaining));
            list.push_str(";t=");
            push_number(list, seconds_up(state.next_free));
        });
    }
}

/// A structured field: one member per policy.
fn insert_list(
    headers: &mut HeaderMap,
    name: HeaderName,
    states: &[PolicyState],
    write: impl Fn(&mut String, &PolicyState),
) {
    let mut list = String::with_capacity(48);
    for state in states {
        if !list.is_empty() {
            list.push_str(", ");
        }
        write(&mut list, state);
    }
    headers.insert(name, HeaderValue::try_from(list).expect("names of policies and digits are visible ASCII"));
}

fn push_all(list: &mut String, parts: &[&str]) {
    for part in parts {
        list.push_str(part);
    }
}

fn push_number(list: &mut String, number: u64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    write!(list, "{number}").ok();
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use kv_coord::RateLimiter;
    use kv_types::TenantId;

    use super::*;

    async fn admission(limiter: &RateLimiter, limits: &[u32]) -> Admission {
        let tenant = TenantId::new(1).unwrap();
        let user = kv_types::UserId::from_uuid(uuid::Uuid::nil());
        let keys = [("user", LimitKey::user(tenant, user)), ("tenant", LimitKey::tenant(tenant))];
        let policies: Vec<_> =
            keys.into_iter().zip(limits).map(|((name, key), limit)| policy(name, key, *limit)).collect();
        Admission(limiter.check(&policies).await.unwrap())
    }

    #[tokio::test]
    async fn headers_tell_the_tightest_policy_and_list_all() {
        let limiter = RateLimiter::in_process();
        let admission = admission(&limiter, &[60, 10]).await;
        let mut headers = HeaderMap::new();
        admission.write_headers(&mut headers);
        assert_eq!(
            (&headers["x-ratelimit-limit"], &headers["x-ratelimit-remaining"]),
            (&"10".parse().unwrap(), &"9".parse().unwrap())
        );
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=60;w=60, \"tenant\";q=10;w=60");
        assert_eq!(headers["ratelimit"], "\"user\";r=59;t=60, \"tenant\";r=9;t=60");
    }

    #[tokio::test]
    async fn a_refusal_names_the_policy_and_the_time() {
        let limiter = RateLimiter::in_process();
        assert!(admission(&limiter, &[1]).await.refusal().is_none());
        let refused = admission(&limiter, &[1]).await;
        let problem = refused.refusal().expect("the second of one is refused");
        let body: serde_json::Value = serde_json::from_slice(&problem.body(None)).unwrap();
        assert_eq!((&body["code"], &body["violated_policies"][0]), (&"rate_limited".into(), &"user".into()));
    }
}
