//! The HTTP face all areas share: what a request says, where it goes, what it is answered.
//!
//! `authorization: Bearer <user>@<tenant>` says who asks; nobody logs in. A row of another tenant is answered as one that
//! does not exist. Everything but `GET` may carry an `idempotency-key`.

use std::rc::Rc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::state::State;
use crate::{idempotency, jobs, limits, locks, orders, products, registers, stock};

/// Largest body of a request.
const BODY_MAX: usize = 64 << 10;
/// Longest text kept of a request: names, notes, keys.
const TEXT_MAX: usize = 512;
/// Most units in one line.
const UNITS_MAX: i64 = 1_000_000_000;
/// Most lines in one request.
const LINES_MAX: usize = 20;

/// One request.
pub(crate) struct Call {
    pub(crate) user: String,
    pub(crate) tenant: String,
    /// Which process of the service got it.
    pub(crate) process: usize,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) lock_token: String,
    pub(crate) fence: Option<u64>,
    query: String,
}

/// One answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) headers: Vec<(&'static str, u64)>,
}

/// An answer, or one that ends the work early.
pub(crate) type Answer = Result<Reply, Reply>;

impl Reply {
    pub(crate) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::new(StatusCode::OK, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::new(StatusCode::CREATED, body)
    }

    pub(crate) fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Value::Null)
    }

    /// An answer that is only a word.
    pub(crate) fn code(status: StatusCode, code: &str) -> Self {
        Self::new(status, json!({"code": code}))
    }

    pub(crate) fn absent() -> Self {
        Self::code(StatusCode::NOT_FOUND, "absent")
    }

    pub(crate) fn conflict(code: &str) -> Self {
        Self::code(StatusCode::CONFLICT, code)
    }

    fn invalid(field: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, json!({"code": "invalid", "field": field}))
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let body = if self.body.is_null() { Bytes::new() } else { Bytes::from(self.body.to_string()) };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, HeaderValue::from(value));
        }
        response
    }
}

impl Call {
    /// A whole number of the body, within bounds.
    pub(crate) fn int(&self, field: &str, least: i64, most: i64) -> Result<i64, Reply> {
        let value = self.body[field].as_i64().filter(|value| (least..=most).contains(value));
        value.ok_or_else(|| Reply::invalid(field))
    }

    /// Units of the body.
    pub(crate) fn units(&self, field: &str) -> Result<i64, Reply> {
        self.int(field, 1, UNITS_MAX)
    }

    /// A change of either sign.
    pub(crate) fn delta(&self, field: &str) -> Result<i64, Reply> {
        self.int(field, -UNITS_MAX, UNITS_MAX)
    }

    /// A text of the body; empty when it is not there.
    pub(crate) fn text(&self, field: &str) -> Result<String, Reply> {
        match &self.body[field] {
            Value::Null => Ok(String::new()),
            Value::String(text) if text.len() <= TEXT_MAX => Ok(text.clone()),
            _ => Err(Reply::invalid(field)),
        }
    }

    /// A small value of the body.
    pub(crate) fn value(&self, field: &str) -> Result<Value, Reply> {
        let value = self.body[field].clone();
        if value.to_string().len() <= TEXT_MAX { Ok(value) } else { Err(Reply::invalid(field)) }
    }

    /// Products and units, in the order of the request.
    pub(crate) fn lines(&self) -> Result<Vec<(String, i64)>, Reply> {
        let items = self.body["items"].as_array().filter(|items| (1..=LINES_MAX).contains(&items.len()));
        let lines = items.ok_or_else(|| Reply::invalid("items"))?.iter().map(|item| {
            let product = item["product_id"].as_str().filter(|text| text.len() <= TEXT_MAX)?;
            let units = item["units"].as_i64().filter(|units| (1..=UNITS_MAX).contains(units))?;
            Some((product.to_owned(), units))
        });
        lines.collect::<Option<_>>().ok_or_else(|| Reply::invalid("items"))
    }

    /// A value of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
    }

    /// A whole number of the query.
    pub(crate) fn query_int(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }

    /// A name that no other tenant can have.
    pub(crate) fn own(&self, name: &str) -> (String, String) {
        (self.tenant.clone(), name.to_owned())
    }
}

/// Text with its `%20` and `+` read.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        let (byte, skip) = match (first, hex) {
            (b'%', Some(byte)) => (byte, 2),
            (b'+', _) => (b' ', 0),
            _ => (first, 0),
        };
        bytes.push(byte);
        rest = &after[skip..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Answers one request of a connection.
pub(crate) async fn respond(state: Rc<State>, process: usize, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else {
        return Reply::code(StatusCode::PAYLOAD_TOO_LARGE, "too-large").into_response();
    };
    let call = match read(&head, &body.to_bytes(), process) {
        Ok(call) => call,
        Err(reply) => return reply.into_response(),
    };
    // A task of its own: a client that hangs up drops this future, and a half-done change would be a second bug.
    let done = tokio::task::spawn_local(async move { answer(&state, &call).await.unwrap_or_else(|early| early) });
    let reply = done.await.unwrap_or_else(|_| Reply::code(StatusCode::INTERNAL_SERVER_ERROR, "panic"));
    reply.into_response()
}

fn read(head: &Parts, body: &[u8], process: usize) -> Result<Call, Reply> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if head.uri.path() == "/readyz" {
        return Err(Reply::ok(json!({})));
    }
    let who = header("authorization").strip_prefix("Bearer ").and_then(|bearer| bearer.split_once('@'));
    let named = |(user, tenant): &(&str, &str)| !user.is_empty() && !tenant.is_empty() && user.len() < TEXT_MAX;
    let (user, tenant) = who.filter(named).ok_or_else(|| Reply::code(StatusCode::UNAUTHORIZED, "unauthorized"))?;
    let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
    let (path, key) = (decoded(head.uri.path()), header("idempotency-key"));
    if path.len() > TEXT_MAX || key.len() > TEXT_MAX || tenant.len() > TEXT_MAX {
        return Err(Reply::invalid("head"));
    }
    Ok(Call {
        user: user.to_owned(),
        tenant: tenant.to_owned(),
        process,
        method: head.method.clone(),
        path: path.trim_matches('/').to_owned(),
        body: body.map_err(|_| Reply::code(StatusCode::BAD_REQUEST, "not-json"))?,
        idempotency_key: Some(key.to_owned()).filter(|key| !key.is_empty()),
        lock_token: header("x-lock-token").to_owned(),
        fence: header("x-fence").parse().ok(),
        query: head.uri.query().unwrap_or_default().to_owned(),
    })
}

async fn answer(state: &State, call: &Call) -> Answer {
    if call.method == Method::GET {
        return route(state, call).await;
    }
    state.spend()?;
    match &call.idempotency_key {
        // What is asked about a key is not done under one.
        Some(key) if !call.path.starts_with("idempotency/") => idempotency::once(state, call, key).await,
        _ => route(state, call).await,
    }
}

/// Does what is asked, whether or not it was asked before.
pub(crate) async fn route(state: &State, call: &Call) -> Answer {
    let parts: Vec<&str> = call.path.split('/').collect();
    let (&first, rest) = parts.split_first().ok_or_else(Reply::absent)?;
    match first {
        "products" | "search" => products::route(state, call, &parts).await,
        "stock" => stock::route(state, call, rest).await,
        "reservations" => stock::route_reservations(state, call, rest).await,
        "orders" => orders::route(state, call, rest).await,
        "idempotency" => idempotency::route(state, call, rest).await,
        "locks" | "guarded" => locks::route(state, call, &parts).await,
        "limited" => limits::answer(state, call).await,
        "registers" | "counters" => registers::route(state, call, &parts).await,
        "jobs" => jobs::route(state, call, rest).await,
        _ => Err(Reply::absent()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_nonsense_stays_as_it_is() {
        assert_eq!(decoded("a%20b+c%2Fd"), "a b c/d");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
