//! One request sent, one answer judged by the request's own lists of statuses.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde_json::Value;
use stampede_model::interval::Interval;
use stampede_model::row::Outcome;
use stampede_model::target::{Request, Scope, Status, TakePlace};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::http::connection::{Connection, answer_timed_out, connect_timed_out};
use crate::http::origin::Dialer;
use crate::http::{AnswerHead, RequestFailure, RequestPlan};

/// Most bytes of an answer that are kept; a longer one cannot be taken from.
const MAX_BODY: usize = 1 << 20;
/// Characters of an unexpected answer that are shown.
const EXCERPT: usize = 160;

/// A request with its slots filled.
#[derive(Clone, Debug)]
pub(super) struct Prepared<'t> {
    pub(super) plan: RequestPlan,
    pub(super) request: &'t Request,
    /// How long its answer may take.
    pub(super) wait: Duration,
    /// Where it goes, if not to the target.
    pub(super) aside: Option<Dialer>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) interval: Interval,
    pub(super) outcome: Outcome,
    /// What was taken out of an accepted answer.
    pub(super) taken: Scope,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answered {
    /// A taken value that is a whole number.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.taken.get(name).and_then(Value::as_i64)
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or("(not text)"))
    }

    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted { .. })
    }
}

/// A connection that makes calls.
pub(super) struct Line {
    connection: Connection,
    /// To the gateway, once a request goes there.
    aside: Option<Connection>,
    clock: Clock,
}

impl Line {
    /// Connects; sends nothing.
    pub(super) async fn open(dialer: &Dialer, clock: Clock, wait: Duration) -> Result<Self, RequestFailure> {
        let connection = timeout(wait, Connection::open(dialer)).await.map_err(|_| connect_timed_out())??;
        Ok(Self { connection, aside: None, clock })
    }

    /// Whether another request can be sent; a server may close a connection after any answer.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.connection.is_ready().await
    }

    /// Sends one request and reads its answer to the end. The bytes leave in the future's first poll.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the connection unusable.
    pub(super) async fn call(&mut self, prepared: &Prepared<'_>) -> Answered {
        let mut body = BytesMut::new();
        let keep = |part: &[u8]| body.extend_from_slice(&part[..part.len().min(MAX_BODY - body.len())]);
        let connection = match &prepared.aside {
            None => &mut self.connection,
            Some(dialer) => match Self::beside(&mut self.aside, dialer, prepared.wait).await {
                Ok(connection) => connection,
                Err(failure) => return unanswered(&self.clock, &failure),
            },
        };
        let call_ns = self.clock.now_ns();
        let exchange = connection.exchange(&prepared.plan, |head: &AnswerHead<'_>| head.headers(), keep);
        let answer = timeout(prepared.wait, exchange).await.unwrap_or_else(|_| Err(answer_timed_out()));
        let interval = Interval { call_ns, return_ns: self.clock.now_ns() };
        let body = body.freeze();
        match answer {
            Ok(answer) => {
                let (outcome, taken) = read(prepared.request, (answer.status, &answer.head), &body);
                Answered { interval, outcome, taken, headers: answer.head, body }
            }
            Err(failure) => {
                self.aside = None;
                Answered { interval, body, ..unanswered(&self.clock, &failure) }
            }
        }
    }

    /// The connection to the gateway, made anew when it cannot be used.
    async fn beside<'c>(
        aside: &'c mut Option<Connection>,
        dialer: &Dialer,
        wait: Duration,
    ) -> Result<&'c mut Connection, RequestFailure> {
        let kept = match aside.take() {
            Some(mut connection) => connection.is_ready().await.then_some(connection),
            None => None,
        };
        let usable = match kept {
            Some(connection) => connection,
            None => timeout(wait, Connection::open(dialer)).await.map_err(|_| connect_timed_out())??,
        };
        Ok(aside.insert(usable))
    }
}

fn unanswered(clock: &Clock, failure: &RequestFailure) -> Answered {
    let now_ns = clock.now_ns();
    Answered {
        interval: Interval { call_ns: now_ns, return_ns: now_ns },
        outcome: Outcome::NoAnswer { cause: failure.to_string() },
        taken: Scope::default(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

/// Judges an answer by its request, and takes what is to be taken out of an expected answer or a refusal.
fn read(request: &Request, (status, headers): (u16, &HeaderMap), body: &[u8]) -> (Outcome, Scope) {
    let is_named = |list: &[Status]| list.iter().any(|known| known.code() == status);
    let (is_expected, may_refuse) = (is_named(request.expect.as_ref()), is_named(&request.refuse));
    // An answer that nothing is taken from need not be JSON.
    let needs_json = may_refuse && request.refusal.is_some() || !request.take.is_empty();
    let json = if needs_json { serde_json::from_slice::<Value>(body).ok() } else { None };
    let is_refusal = may_refuse
        && request.refusal.as_ref().is_none_or(|refusal| json.as_ref().is_some_and(|body| refusal.is_meant_by(body)));
    if !is_expected && !is_refusal {
        let text = String::from_utf8_lossy(body);
        return (Outcome::Unexpected { status, body: text.chars().take(EXCERPT).collect() }, Scope::default());
    }
    let (taken, lacks) = take(request, headers, json.as_ref());
    if is_refusal {
        return (Outcome::Refused { status }, taken);
    }
    match lacks {
        Some(lacks) => (Outcome::Malformed { status, lacks }, taken),
        None => (Outcome::Accepted { status }, taken),
    }
}

/// What is there, and the first thing that should be and is not.
fn take(request: &Request, headers: &HeaderMap, json: Option<&Value>) -> (Scope, Option<String>) {
    let (mut taken, mut lacks) = (Scope::default(), None);
    for (name, from) in &request.take {
        let found = match &from.place {
            TakePlace::Body(pointer) => json.and_then(|json| pointer.find(json)).cloned(),
            TakePlace::Header(header) => {
                headers.get(header.as_str()).map(|value| Value::from(value.to_str().unwrap_or("(not text)")))
            }
        };
        match (found, &from.place) {
            (Some(value), _) => drop(taken.set(name.as_str(), value)),
            (None, _) if from.is_optional => {}
            (None, TakePlace::Body(_)) if json.is_none() => lacks = lacks.or_else(|| Some("a JSON body".to_owned())),
            (None, _) => lacks = lacks.or_else(|| Some(format!("`{name}` at {from}"))),
        }
    }
    (taken, lacks)
}

#[cfg(test)]
mod tests {
    use stampede_model::row::Effect;

    use super::*;

    fn request() -> Request {
        toml::from_str(
            "method = 'POST'\npath = '/x'\nexpect = [201]\nrefuse = [409]\ntake = { version = '/items/0/version' }",
        )
        .unwrap()
    }

    fn read_body(request: &Request, status: u16, body: &[u8]) -> (Outcome, Scope) {
        read(request, (status, &HeaderMap::new()), body)
    }

    #[test]
    fn headers_are_taken_and_a_field_tells_a_refusal_from_other_conflicts() {
        let request: Request = toml::from_str(
            "method = 'POST'\npath = '/x'\nexpect = [201]\nrefuse = [409]\nrefusal = { at = '/code', is = ['short'] }\n\
             take = { left = '/left?', again = 'header:x-again?' }",
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-again", "true".parse().unwrap());
        let (outcome, taken) = read(&request, (409, &headers), br#"{"code":"short","left":3}"#);
        assert_eq!(outcome, Outcome::Refused { status: 409 });
        assert_eq!((taken.get("left"), taken.get("again")), (Some(&3.into()), Some(&"true".into())));
        let (outcome, _) = read_body(&request, 409, br#"{"code":"busy"}"#);
        assert_eq!(outcome.effect(), Effect::None);
        assert!(matches!(outcome, Outcome::Unexpected { status: 409, .. }), "{outcome}");
        assert_eq!(read_body(&request, 201, b"{}").0, Outcome::Accepted { status: 201 });
    }

    #[test]
    fn an_answer_is_judged_by_its_requests_lists() {
        let (outcome, taken) = read_body(&request(), 201, br#"{"items":[{"version":7}]}"#);
        assert_eq!(outcome, Outcome::Accepted { status: 201 });
        assert_eq!(taken.get("version"), Some(&7.into()));
        assert_eq!(read_body(&request(), 409, b"").0, Outcome::Refused { status: 409 });
        let (outcome, _) = read_body(&request(), 503, b"try later");
        assert_eq!(outcome, Outcome::Unexpected { status: 503, body: "try later".into() });
        assert_eq!(outcome.effect(), Effect::Unclear);
    }

    #[test]
    fn an_accepted_answer_without_its_fields_is_malformed() {
        assert_eq!(
            read_body(&request(), 201, b"{}").0,
            Outcome::Malformed { status: 201, lacks: "`version` at /items/0/version".into() }
        );
        assert_eq!(
            read_body(&request(), 201, b"<html>").0,
            Outcome::Malformed { status: 201, lacks: "a JSON body".into() }
        );
    }
}
