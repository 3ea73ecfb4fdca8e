//! One request sent, one answer judged by the request's own lists of statuses.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde_json::Value;
use stampede_model::interval::Interval;
use stampede_model::row::Outcome;
use stampede_model::target::{Request, Scope};
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
    clock: Clock,
}

impl Line {
    /// Connects; sends nothing.
    pub(super) async fn open(dialer: &Dialer, clock: Clock, wait: Duration) -> Result<Self, RequestFailure> {
        let connection = timeout(wait, Connection::open(dialer)).await.map_err(|_| connect_timed_out())??;
        Ok(Self { connection, clock })
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
        let call_ns = self.clock.now_ns();
        let exchange = self.connection.exchange(&prepared.plan, |head: &AnswerHead<'_>| head.headers(), keep);
        let answer = timeout(prepared.wait, exchange).await.unwrap_or_else(|_| Err(answer_timed_out()));
        let interval = Interval { call_ns, return_ns: self.clock.now_ns() };
        let body = body.freeze();
        match answer {
            Ok(answer) => {
                let (outcome, taken) = read(prepared.request, answer.status, &body);
                Answered { interval, outcome, taken, headers: answer.head, body }
            }
            Err(failure) => Answered {
                interval,
                outcome: Outcome::NoAnswer { cause: failure.to_string() },
                taken: Scope::default(),
                headers: HeaderMap::new(),
                body,
            },
        }
    }
}

/// Judges an answer by its request.
fn read(request: &Request, status: u16, body: &[u8]) -> (Outcome, Scope) {
    let mut taken = Scope::default();
    if request.refuse.iter().any(|refusal| refusal.code() == status) {
        return (Outcome::Refused { status }, taken);
    }
    if !request.expect.as_ref().iter().any(|expected| expected.code() == status) {
        let text = String::from_utf8_lossy(body);
        return (Outcome::Unexpected { status, body: text.chars().take(EXCERPT).collect() }, taken);
    }
    if request.take.is_empty() {
        return (Outcome::Accepted { status }, taken);
    }
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return (Outcome::Malformed { status, lacks: "a JSON body".to_owned() }, taken);
    };
    for (name, pointer) in &request.take {
        if let Some(value) = pointer.find(&json) {
            taken.set(name.as_str(), value.clone())
        } else {
            let lacks = format!("`{name}` at {}", pointer.as_str());
            return (Outcome::Malformed { status, lacks }, taken);
        };
    }
    (Outcome::Accepted { status }, taken)
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

    #[test]
    fn an_answer_is_judged_by_its_requests_lists() {
        let (outcome, taken) = read(&request(), 201, br#"{"items":[{"version":7}]}"#);
        assert_eq!(outcome, Outcome::Accepted { status: 201 });
        assert_eq!(taken.get("version"), Some(&7.into()));
        assert_eq!(read(&request(), 409, b"").0, Outcome::Refused { status: 409 });
        let (outcome, _) = read(&request(), 503, b"try later");
        assert_eq!(outcome, Outcome::Unexpected { status: 503, body: "try later".into() });
        assert_eq!(outcome.effect(), Effect::Unclear);
    }

    #[test]
    fn an_accepted_answer_without_its_fields_is_malformed() {
        assert_eq!(
            read(&request(), 201, b"{}").0,
            Outcome::Malformed { status: 201, lacks: "`version` at /items/0/version".into() }
        );
        assert_eq!(read(&request(), 201, b"<html>").0, Outcome::Malformed { status: 201, lacks: "a JSON body".into() });
    }
}
