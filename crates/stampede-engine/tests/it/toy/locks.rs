//! Locks with tokens, fencing numbers and a time to live.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Answer, Asked, Fault, ROUND_TRIP, State, User, respond};

/// All locks.
pub(crate) struct Locks {
    fault: Fault,
    held: RefCell<HashMap<(u32, String), Held>>,
    fence: Cell<i64>,
    freed: Notify,
}

struct Held {
    token: String,
    until: Instant,
}

impl Locks {
    pub(crate) fn new(fault: Fault) -> Self {
        Self { fault, held: RefCell::default(), fence: Cell::new(0), freed: Notify::new() }
    }

    fn key(&self, user: &User, resource: &str) -> (u32, String) {
        let tenant = if self.fault == Fault::SharedLocks { 0 } else { user.tenant };
        (tenant, resource.to_owned())
    }

    /// Until when it is held, if it is.
    fn held_until(&self, key: &(u32, String)) -> Option<Instant> {
        let until = self.held.borrow().get(key).map(|held| held.until)?;
        (until > Instant::now()).then_some(until)
    }

    fn grant(&self, key: (u32, String), token: String, ttl: Duration) -> i64 {
        let until = Instant::now() + if self.fault == Fault::NeverExpires { Duration::from_hours(1) } else { ttl };
        self.held.borrow_mut().insert(key, Held { token, until });
        self.fence.set(self.fence.get() + i64::from(self.fault != Fault::StuckFence));
        self.fence.get()
    }
}

pub(crate) async fn answer(state: &State, user: &User, method: &Method, resource: &str, asked: &Asked<'_>) -> Answer {
    let key = state.locks.key(user, resource);
    match *method {
        Method::POST => acquire(state, key, &asked.json).await,
        Method::DELETE => release(state, &key, &asked.token),
        _ => respond(StatusCode::OK, &json!({"held": state.locks.held_until(&key).is_some()})),
    }
}

async fn acquire(state: &State, key: (u32, String), body: &Value) -> Answer {
    let millis = |field: &str| Duration::from_millis(body[field].as_u64().unwrap_or(0));
    let deadline = Instant::now() + millis("wait_ms");
    while let Some(until) = state.locks.held_until(&key) {
        // The waiter must be in the queue before it looks again, or a release in between would be missed.
        let freed = state.locks.freed.notified();
        if Instant::now() >= deadline {
            return respond(StatusCode::CONFLICT, &json!({"code": "lock_busy"}));
        }
        // Over means: look again, whether the deadline or the holder's time has come.
        drop(timeout_at(until.min(deadline), freed).await);
    }
    if state.fault == Fault::DoubleGrant {
        sleep(ROUND_TRIP).await;
    }
    let token = state.new_id();
    let fence = state.locks.grant(key, token.clone(), millis("ttl_ms"));
    respond(StatusCode::CREATED, &json!({"token": token, "fence": fence}))
}

fn release(state: &State, key: &(u32, String), token: &str) -> Answer {
    let owns = match state.locks.held_until(key) {
        None => return respond(StatusCode::CONFLICT, &json!({"code": "lock_expired"})),
        Some(_) => state.locks.held.borrow().get(key).is_some_and(|held| held.token == token),
    };
    if !owns && state.fault != Fault::StrangerReleases {
        return respond(StatusCode::CONFLICT, &json!({"code": "lock_not_owner"}));
    }
    state.locks.held.borrow_mut().remove(key);
    state.locks.freed.notify_waiters();
    respond(StatusCode::NO_CONTENT, &Value::Null)
}
