//! Keys that make a request count once.
//!
//! The first request of a key runs under the key's lock, so a second one waits and then gets the same answer. What was
//! answered below 500 is kept with the request; a key with another request is refused. A key may be voided before it is
//! used: then the late request that carries it is refused, and a client knows for sure that it had no effect.

use std::collections::HashMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bugs::Flaw;
use crate::face::{self, Answer, Call, Reply};
use crate::state::State;

/// What is known of each tenant's keys.
#[derive(Default)]
pub(crate) struct Keys {
    known: HashMap<(usize, String, String), Known>,
}

enum Known {
    Voided,
    Completed { request: (Method, String, Value), status: StatusCode, body: Value },
}

fn row(tenant: &str, key: &str) -> [String; 1] {
    [format!("key/{tenant}/{key}")]
}

fn name(state: &State, call: &Call, key: &str) -> (usize, String, String) {
    let process = if state.has(Flaw::IdempotencyPerProcess) { call.process } else { 0 };
    (process, call.tenant.clone(), key.to_owned())
}

/// Does what is asked unless it was done under this key before.
pub(crate) async fn once(state: &State, call: &Call, key: &str) -> Answer {
    let row = row(&call.tenant, key);
    let rows = if state.has(Flaw::IdempotencyAfterEffect) { &[] } else { row.as_slice() };
    let _held = state.rows.lock(rows).await?;
    if let Some(answer) = replay(state, call, key) {
        return answer;
    }
    let reply = face::route(state, call).await.unwrap_or_else(|early| early);
    state.pause().await;
    if reply.status < StatusCode::INTERNAL_SERVER_ERROR {
        let request = (call.method.clone(), call.path.clone(), call.body.clone());
        let known = Known::Completed { request, status: reply.status, body: reply.body.clone() };
        state.keys.borrow_mut().known.insert(name(state, call, key), known);
    }
    Ok(reply)
}

fn replay(state: &State, call: &Call, key: &str) -> Option<Answer> {
    let name = name(state, call, key);
    match state.keys.borrow().known.get(&name)? {
        Known::Voided => Some(Err(Reply::conflict("voided"))),
        Known::Completed { request: (method, path, body), status, body: answered } => {
            let same = *method == call.method && *path == call.path && *body == call.body;
            if !same && !state.has(Flaw::IdempotencyWithoutBodyCheck) {
                return Some(Err(Reply::conflict("conflict")));
            }
            let mut reply = Reply::new(*status, answered.clone());
            reply.headers.push(("idempotent-replayed", 1));
            if state.has(Flaw::ReplayRebuilt) {
                reply.body["id"] = json!(state.new_id("o", &call.tenant));
            }
            Some(Ok(reply))
        }
    }
}

pub(crate) async fn route(state: &State, call: &Call, rest: &[&str]) -> Answer {
    let [key] = rest else { return Err(Reply::absent()) };
    // Behind a request that is still running: before its end nobody knows.
    let _held = state.rows.lock(&row(&call.tenant, key)).await?;
    let name = name(state, call, key);
    let keys = &mut *state.keys.borrow_mut();
    match (&call.method, keys.known.get(&name)) {
        (&Method::GET, Some(Known::Completed { status, body, .. })) => {
            Ok(Reply::ok(json!({"state": "completed", "status": status.as_u16(), "id": body["id"]})))
        }
        (&Method::GET, _) => Err(Reply::new(StatusCode::NOT_FOUND, json!({"state": "absent"}))),
        (&Method::DELETE, Some(Known::Completed { .. })) => Err(Reply::conflict("completed")),
        (&Method::DELETE, _) => {
            keys.known.insert(name, Known::Voided);
            Ok(Reply::no_content())
        }
        _ => Err(Reply::absent()),
    }
}
