//! What is limited, to how much, in which time, and the key it is counted under.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use kv_types::{ApiTokenId, TenantId, UserId};
use thiserror::Error;

use crate::lock::Resource;

/// Up to this limit every call is remembered and any window is exact; above it calls are counted per fixed window, since the
/// memory would be the limit times the users.
pub const SLIDING_MAX: u32 = 1_000;

/// The key one policy is counted under. The braces keep all keys of a tenant in one slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LimitKey(String);

impl LimitKey {
    /// The calls of one user, whichever of the user's tokens they come with.
    pub fn user(tenant: TenantId, user: UserId) -> Self {
        Self(format!("rl:{{tenant:{tenant}}}:user:{user}:api"))
    }

    /// The calls with one API token, which count as its user's too.
    pub fn token(tenant: TenantId, token: ApiTokenId) -> Self {
        Self(format!("rl:{{tenant:{tenant}}}:token:{token}:api"))
    }

    /// The same calls in a longer window, so that the two counts do not share a key.
    #[must_use]
    pub fn lasting(&self) -> Self {
        Self(format!("{}:lasting", self.0))
    }

    /// The calls of a whole tenant, so that one user cannot spend the tenant's share unseen.
    pub fn tenant(tenant: TenantId) -> Self {
        Self(format!("rl:{{tenant:{tenant}}}:tenant"))
    }

    /// The calls of a tenant to something named, for example a class of routes.
    pub fn named(tenant: TenantId, name: &Resource) -> Self {
        Self(format!("rl:{{tenant:{tenant}}}:for:{name}"))
    }

    /// Logins from one address. An IPv6 client owns a whole /64, so that is what counts.
    pub fn login_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(format!("rl:ip:{v4}")),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(format!("rl:ip:{a:x}:{b:x}:{c:x}:{d:x}::/64"))
            }
        }
    }

    /// Logins to one account, known by a keyed digest so that Redis never holds an e-mail address.
    pub fn login_account(digest: &[u8]) -> Self {
        let digits = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hex = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
        Self(format!("rl:login:{}", hex.collect::<String>()))
    }
}

/// How calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Every call's time is kept.
    SlidingLog,
    /// A number that starts anew when its window, begun by the first call, has passed.
    FixedWindow,
}

/// At most `limit` calls per `window` under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: &'static str,
    key: String,
    limit: NonZeroU32,
    window: Duration,
    counting: Counting,
}

/// Numbers that make no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadPolicy {
    /// Nothing would ever be allowed.
    #[error("the limit of policy {name} is 0; use 1 or more")]
    Limit {
        /// Which policy.
        name: &'static str,
    },
    /// Too short to measure or too long to remember.
    #[error("the window of policy {name} is {} ms; use {} ms to {} h", window.as_millis(), Policy::MIN_WINDOW.as_millis(), Policy::MAX_WINDOW.as_secs() / 3_600)]
    Window {
        /// Which policy.
        name: &'static str,
        /// What was given.
        window: Duration,
    },
}

impl Policy {
    /// The shortest window.
    pub const MIN_WINDOW: Duration = Duration::from_millis(10);
    /// The longest window.
    pub const MAX_WINDOW: Duration = Duration::from_hours(24);

    /// A policy; `name` is what clients are told.
    ///
    /// # Errors
    /// [`BadPolicy`] when the numbers make none.
    pub fn new(name: &'static str, key: LimitKey, limit: u32, window: Duration) -> Result<Self, BadPolicy> {
        let Some(limit) = NonZeroU32::new(limit) else {
            return Err(BadPolicy::Limit { name });
        };
        if !(Self::MIN_WINDOW..=Self::MAX_WINDOW).contains(&window) {
            return Err(BadPolicy::Window { name, window });
        }
        let LimitKey(mut key) = key;
        let counting = if limit.get() <= SLIDING_MAX { Counting::SlidingLog } else { Counting::FixedWindow };
        // A key of its own per kind: a user's limit may be raised past the border while the old count still lives.
        if counting == Counting::FixedWindow {
            key.push_str(":count");
        }
        Ok(Self { name, key, limit, window, counting })
    }

    /// The same policy, counted under the same key in the same way, with its limit divided by `share`, at least 1.
    pub(crate) fn share_of(&self, share: NonZeroU32) -> Self {
        let limit = NonZeroU32::new(self.limit.get() / share.get()).unwrap_or(NonZeroU32::MIN);
        Self { limit, ..self.clone() }
    }

    /// What clients are told.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many calls.
    pub const fn limit(&self) -> u32 {
        self.limit.get()
    }

    /// Per how long.
    pub const fn window(&self) -> Duration {
        self.window
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) const fn window_us(&self) -> u64 {
        self.window.as_micros() as u64
    }

    pub(crate) const fn counting(&self) -> Counting {
        self.counting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant() -> TenantId {
        TenantId::new(7).expect("positive")
    }

    #[test]
    fn keys_read_as_documented() {
        let user: UserId = "018f0000-0000-7000-8000-000000000000".parse().expect("a UUID");
        assert_eq!(LimitKey::user(tenant(), user).0, "rl:{tenant:7}:user:018f0000-0000-7000-8000-000000000000:api");
        assert_eq!(LimitKey::tenant(tenant()).0, "rl:{tenant:7}:tenant");
        let token: ApiTokenId = "018f0000-0000-7000-8000-000000000000".parse().expect("a UUID");
        assert_eq!(LimitKey::token(tenant(), token).0, "rl:{tenant:7}:token:018f0000-0000-7000-8000-000000000000:api");
        assert_eq!(LimitKey::login_account(&[1]).lasting().0, "rl:login:01:lasting");
        assert_eq!(LimitKey::login_account(&[0, 255, 16]).0, "rl:login:00ff10");
    }

    #[test]
    fn an_ipv6_client_cannot_step_aside_within_its_network() {
        let key = |raw: &str| LimitKey::login_address(raw.parse().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn impossible_policies_are_named() {
        let key = || LimitKey::tenant(tenant());
        assert_eq!(Policy::new("t", key(), 0, Duration::from_secs(1)), Err(BadPolicy::Limit { name: "t" }));
        assert!(Policy::new("t", key(), 1, Duration::from_millis(9)).is_err());
        let long = Policy::new("t", key(), 1, Duration::from_hours(25)).expect_err("too long");
        assert_eq!(long.to_string(), "the window of policy t is 90000000 ms; use 10 ms to 24 h");
    }

    #[test]
    fn the_two_ways_of_counting_do_not_share_a_key() {
        let policy = |limit| Policy::new("t", LimitKey::tenant(tenant()), limit, Duration::from_secs(1)).expect("fine");
        assert_eq!(policy(SLIDING_MAX).counting(), Counting::SlidingLog);
        assert_eq!(policy(SLIDING_MAX + 1).counting(), Counting::FixedWindow);
        assert_ne!(policy(SLIDING_MAX).key(), policy(SLIDING_MAX + 1).key());
    }
}
