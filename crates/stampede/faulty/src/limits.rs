//! The one route with a limit: so many calls per user and window.
//!
//! A call is counted at one instant under the user's lock, so that no interval as long as the window holds more than the
//! limit. A refused call does not count.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use crate::bugs::Flaw;
use crate::config::WindowKind;
use crate::face::{Answer, Call, Reply};
use crate::state::State;

/// Every user's admitted calls of the window.
#[derive(Default)]
pub(crate) struct Limits {
    logs: HashMap<String, VecDeque<Instant>>,
}

impl Limits {
    /// The calls that count at this instant.
    fn current(&mut self, user: &str, now: Instant, state: &State) -> &mut VecDeque<Instant> {
        let log = self.logs.entry(user.to_owned()).or_default();
        let window = state.config.window;
        let over = |call: &Instant| now.saturating_duration_since(*call) >= window;
        let full = log.len() >= state.config.limit;
        if full && state.has(Flaw::WindowKeyWithoutExpiry) {
            return log;
        }
        match state.config.kind {
            WindowKind::Sliding => while log.pop_front_if(|call| over(call)).is_some() {},
            WindowKind::Fixed if log.front().is_some_and(over) => log.clear(),
            WindowKind::Fixed => {}
        }
        log
    }
}

pub(crate) async fn answer(state: &State, call: &Call) -> Answer {
    let name = if state.has(Flaw::LimitPerTenant) { "everybody" } else { &call.user };
    let process = if state.has(Flaw::LimiterPerProcess) { call.process } else { 0 };
    let user = format!("limit/{process}/{}/{name}", call.tenant);
    if !state.limits.borrow().logs.contains_key(&user) {
        state.spend()?;
    }
    let seen = state.limits.borrow_mut().current(&user, Instant::now(), state).len();
    state.pause().await;
    decide(state, &user, seen).await
}

/// Counts the call or refuses it; `seen` is what was counted a moment before.
async fn decide(state: &State, user: &str, seen: usize) -> Answer {
    let keys = [user.to_owned()];
    let keys = if state.has(Flaw::CheckThenHit) { &[] } else { keys.as_slice() };
    let _held = state.rows.lock(keys).await?;
    let limit = state.config.limit;
    let most = limit + usize::from(state.has(Flaw::LimitOffByOne));
    // One instant for all that is decided, as the time of a transaction is.
    let now = Instant::now();
    let counted = state.limits.borrow_mut().current(user, now, state).len();
    state.pause().await;
    let mut limits = state.limits.borrow_mut();
    let log = limits.current(user, now, state);
    let admitted = counted < most;
    if admitted {
        log.push_back(now);
    } else if state.has(Flaw::RefusedCallsCounted) {
        log.pop_front();
        log.push_back(now);
    }
    let before = if state.has(Flaw::RemainingRacing) { seen } else { counted };
    let remaining = limit.saturating_sub(before + usize::from(admitted));
    let headers = [("x-ratelimit-limit", limit as u64), ("x-ratelimit-remaining", remaining as u64)];
    let mut reply = if admitted { Reply::ok(json!({})) } else { Reply::code(StatusCode::TOO_MANY_REQUESTS, "limited") };
    reply.headers.extend(headers);
    reply.headers.extend(times(state, log, (now, admitted)));
    Ok(reply)
}

/// When everything is free again, and, for a refused call, when something is.
fn times(state: &State, log: &VecDeque<Instant>, decided: (Instant, bool)) -> Vec<(&'static str, u64)> {
    let ((now, admitted), window) = (decided, state.config.window);
    let first = log.front().map_or(now, |call| *call + window);
    let reset = match state.config.kind {
        WindowKind::Sliding => log.back().map_or(now, |call| *call + window),
        WindowKind::Fixed => first,
    };
    let reset_us = state.unix_us(reset);
    let mut headers =
        vec![("x-ratelimit-reset", reset_us.div_ceil(1_000_000)), ("x-ratelimit-reset-ms", reset_us.div_ceil(1_000))];
    if !admitted {
        // Never too early: what waited so long must pass.
        let wait = first.saturating_duration_since(now).max(Duration::from_millis(1));
        headers.push(("retry-after", wait.as_millis().div_ceil(1_000).max(1) as u64));
        headers.push(("retry-after-ms", wait.as_millis() as u64 + 1));
    }
    headers
}
