//! A sliding log of 60 calls in 60 seconds per user.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use tokio::time::sleep;

use super::{Answer, Fault, ROUND_TRIP, State, User};

const LIMIT: usize = 60;
const WINDOW: Duration = Duration::from_mins(1);

/// Each user's admitted calls.
#[derive(Default)]
pub(crate) struct Limits {
    logs: HashMap<String, VecDeque<Instant>>,
}

/// What the limiter says of one call.
pub(crate) struct Decision {
    pub(crate) admitted: bool,
    limit: usize,
    remaining: usize,
}

impl Limits {
    fn used(&mut self, key: &str) -> usize {
        let log = self.logs.entry(key.to_owned()).or_default();
        while log.front().is_some_and(|call| call.elapsed() >= WINDOW) {
            log.pop_front();
        }
        log.len()
    }

    fn record(&mut self, key: &str) {
        self.logs.entry(key.to_owned()).or_default().push_back(Instant::now());
    }
}

pub(crate) async fn decide(state: &State, user: &User) -> Decision {
    if user.email.starts_with("load@") {
        return Decision { admitted: true, limit: 10_000_000, remaining: 9_999_999 };
    }
    let key = if state.fault == Fault::SharedLimit { "everybody" } else { &user.email };
    let calls = state.limits.borrow_mut().used(key);
    let most = if state.fault == Fault::OffByOneLimit { LIMIT + 1 } else { LIMIT };
    if calls >= most {
        return Decision { admitted: false, limit: LIMIT, remaining: 0 };
    }
    if state.fault == Fault::CheckThenRecord {
        sleep(ROUND_TRIP).await;
    }
    state.limits.borrow_mut().record(key);
    Decision { admitted: true, limit: LIMIT, remaining: LIMIT.saturating_sub(calls + 1) }
}

pub(crate) fn with_headers(mut answer: Answer, decision: &Decision, fault: Fault) -> Answer {
    let remaining = match fault {
        Fault::DishonestRemaining => decision.remaining / 10 * 10,
        _ => decision.remaining,
    };
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let headers = answer.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from(decision.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(remaining));
    headers.insert("x-ratelimit-reset", HeaderValue::from(now_s + WINDOW.as_secs()));
    if !decision.admitted && fault != Fault::MissingHeaders {
        headers.insert("retry-after", HeaderValue::from(WINDOW.as_secs()));
    }
    answer
}
