//! Leases with fencing numbers, and the rows they guard.
//!
//! A grant mints the next fence of its resource. A guarded row takes a write whose fence is the newest one granted or
//! written, so a holder whose lease ran out cannot write once another has the lock.
//! Absent on purpose: fairness; whoever comes first when a lock becomes free gets it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::bugs::Flaw;
use crate::face::{Answer, Call, Reply};
use crate::state::State;

/// Longest wait for a lock, in milliseconds.
const WAIT_MAX_MS: i64 = 60_000;
/// Longest lease, in milliseconds.
const TTL_MAX_MS: i64 = 600_000;

type Key = (String, String);

/// All locks.
#[derive(Default)]
pub(crate) struct Locks {
    rows: RefCell<HashMap<Key, Lock>>,
    freed: Notify,
}

#[derive(Default)]
struct Lock {
    holder: Option<Holder>,
    grants: u64,
    fence: u64,
    /// Fence of the last holder that gave its lock back.
    released: u64,
}

struct Holder {
    token: String,
    until: Instant,
}

/// All guarded values.
#[derive(Default)]
pub(crate) struct Guarded {
    rows: HashMap<Key, Value>,
}

impl Locks {
    /// Until when it is held, if it is.
    fn held_until(&self, key: &Key) -> Option<Instant> {
        let until = self.rows.borrow().get(key)?.holder.as_ref()?.until;
        (until > Instant::now()).then_some(until)
    }

    fn is_holder(&self, key: &Key, token: &str) -> bool {
        let rows = self.rows.borrow();
        let holder = rows.get(key).and_then(|lock| lock.holder.as_ref());
        self.held_until(key).is_some() && holder.is_some_and(|holder| holder.token == token)
    }
}

pub(crate) async fn route(state: &State, call: &Call, parts: &[&str]) -> Answer {
    state.pause().await;
    match (&call.method, parts) {
        (&Method::POST, ["locks", resource]) => acquire(state, call, resource).await,
        (&Method::DELETE, ["locks", resource]) => release(state, call, resource),
        (&Method::PATCH, ["locks", resource]) => renew(state, call, resource),
        (&Method::GET, ["locks", resource]) => {
            let held = state.locks.held_until(&key(state, call, resource)).is_some();
            Ok(Reply::ok(json!({"held": held})))
        }
        (&Method::PUT, ["guarded", resource]) => write(state, call, resource).await,
        (&Method::GET, ["guarded", resource]) => Ok(Reply::ok(guarded(state, &call.own(resource)))),
        _ => Err(Reply::absent()),
    }
}

fn key(state: &State, call: &Call, resource: &str) -> Key {
    let tenant = if state.has(Flaw::CrossTenantLock) { "" } else { &call.tenant };
    (tenant.to_owned(), resource.to_owned())
}

async fn acquire(state: &State, call: &Call, resource: &str) -> Answer {
    let key = key(state, call, resource);
    let ttl = Duration::from_millis(call.int("ttl_ms", 1, TTL_MAX_MS)? as u64);
    let deadline = Instant::now() + Duration::from_millis(call.int("wait_ms", 0, WAIT_MAX_MS)? as u64);
    let lock = [format!("lock/{}/{}", key.0, key.1)];
    let keys = if state.has(Flaw::DoubleGrant) { &[] } else { lock.as_slice() };
    loop {
        // Made before it looks, or a release in between would be missed.
        let freed = state.locks.freed.notified();
        if let Some(until) = state.locks.held_until(&key) {
            if Instant::now() >= deadline {
                return Err(Reply::conflict("busy"));
            }
            // Over means: look again, whether the deadline or the holder's time has come.
            drop(timeout_at(until.min(deadline), freed).await);
            continue;
        }
        let _held = state.rows.lock(keys).await?;
        if state.locks.held_until(&key).is_none() {
            state.pause().await;
            return Ok(grant(state, call, key, ttl));
        }
    }
}

fn grant(state: &State, call: &Call, key: Key, ttl: Duration) -> Reply {
    let token = state.new_id("t", &call.tenant);
    let mut rows = state.locks.rows.borrow_mut();
    let lock = rows.entry(key).or_default();
    let repeated = lock.grants % 2 == 1 && state.has(Flaw::FenceRepeated);
    lock.grants += 1;
    lock.fence += u64::from(!repeated);
    let ttl = if state.has(Flaw::LeaseCutShort) { ttl / 2 } else { ttl };
    let ttl = if state.has(Flaw::LockNeverExpires) { Duration::from_hours(1) } else { ttl };
    lock.holder = Some(Holder { token: token.clone(), until: Instant::now() + ttl });
    Reply::created(json!({"token": token, "fence": lock.fence}))
}

fn release(state: &State, call: &Call, resource: &str) -> Answer {
    let key = key(state, call, resource);
    let held = state.locks.held_until(&key).is_some();
    let may = state.locks.is_holder(&key, &call.lock_token) || held && state.has(Flaw::LockReleasedByNonOwner);
    if !may {
        return Err(Reply::conflict("not-owner"));
    }
    if let Some(lock) = state.locks.rows.borrow_mut().get_mut(&key) {
        lock.holder = None;
        lock.released = lock.fence;
    }
    state.locks.freed.notify_waiters();
    Ok(Reply::no_content())
}

fn renew(state: &State, call: &Call, resource: &str) -> Answer {
    let key = key(state, call, resource);
    let until = Instant::now() + Duration::from_millis(call.int("ttl_ms", 1, TTL_MAX_MS)? as u64);
    let may = state.locks.is_holder(&key, &call.lock_token) || state.has(Flaw::RenewalWithoutOwner);
    let mut rows = state.locks.rows.borrow_mut();
    let lock = rows.get_mut(&key).filter(|_| may && !call.lock_token.is_empty());
    let lock = lock.ok_or_else(|| Reply::conflict("not-owner"))?;
    lock.holder = Some(Holder { token: call.lock_token.clone(), until });
    Ok(Reply::ok(json!({"fence": lock.fence})))
}

fn guarded(state: &State, key: &Key) -> Value {
    let nothing = json!({"value": null, "fence": 0, "version": 0});
    state.guarded.borrow().rows.get(key).cloned().unwrap_or(nothing)
}

async fn write(state: &State, call: &Call, resource: &str) -> Answer {
    let key = call.own(resource);
    let value = call.value("value")?;
    let unfenced = || Reply::code(StatusCode::UNPROCESSABLE_ENTITY, "no-fence");
    let fence = call.fence.ok_or_else(unfenced)?;
    let _held = state.rows.lock(&[format!("guarded/{}/{}", key.0, key.1)]).await?;
    let row = guarded(state, &key);
    if is_stale(state, &key, fence, row["fence"].as_u64().unwrap_or(0)) {
        return Err(Reply::conflict("stale-fence"));
    }
    state.pause().await;
    let version = row["version"].as_u64().unwrap_or(0) + 1;
    let row = json!({"value": value, "fence": fence, "version": version});
    state.guarded.borrow_mut().rows.insert(key, row);
    Ok(Reply::ok(json!({"version": version})))
}

fn is_stale(state: &State, key: &Key, fence: u64, written: u64) -> bool {
    let rows = state.locks.rows.borrow();
    let (granted, released) = rows.get(key).map_or((0, 0), |lock| (lock.fence, lock.released));
    if state.has(Flaw::FencingIgnored) {
        return false;
    }
    // Who only knows what was given back takes a lease that ran out for one that lasts.
    if state.has(Flaw::LockLostAtExpiry) { fence <= released } else { fence < granted.max(written) }
}
