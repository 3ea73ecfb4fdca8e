//! One call: attempts until there is an answer to go by.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::Error;
use crate::problem::Problem;
use crate::retry;

/// Where the resources lie.
const BASE: &str = "/api/v1";
/// More than any answer of the service has.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Connections to the service.
pub(crate) struct Transport(Pool<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Transport {
    pub(crate) fn new(pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>) -> Self {
        Self(pool)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    /// Below [`BASE`], with its query.
    path: String,
    body: Option<Bytes>,
    headers: Vec<(&'static str, String)>,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Bytes,
    headers: HeaderMap,
}

/// Why an attempt had no good answer.
enum Failed {
    /// Nothing was sent.
    NotSent(String),
    /// Something may have been.
    NotAnswered(String),
    Refused(Box<Problem>),
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, headers: Vec::new() }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// With a body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Unreadable(error.to_string()))?;
        self.body = Some(body.into());
        Ok(self)
    }

    /// With a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Only if the object is still at this version.
    pub(crate) fn at_version(self, version: i64) -> Self {
        self.with(IF_MATCH_NAME, format!("\"{version}\""))
    }
}

const IF_MATCH_NAME: &str = "if-match";

impl Client {
    /// Reads.
    pub(crate) async fn read<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.until_answered(&call, None).await?.json()
    }

    /// Writes, under the caller's key or a new one.
    pub(crate) async fn write<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.write_whole(call).await?.json()
    }

    /// Writes what has no answer's body.
    pub(crate) async fn write_silent(&self, call: Call) -> Result<(), Error> {
        self.write_whole(call).await.map(drop)
    }

    async fn write_whole(&self, call: Call) -> Result<Answer, Error> {
        let key = self.key.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        self.until_answered(&call, Some(&key)).await
    }

    /// Asks until there is an answer to go by.
    ///
    /// # Cancel safety
    /// A dropped call may have had its effect.
    async fn until_answered(&self, call: &Call, key: Option<&str>) -> Result<Answer, Error> {
        let mut may_have_happened = false;
        for attempt in 0.. {
            let failed = match self.attempt(call, key).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let random = rand::random::<f64>();
            let (last, pause) = match failed {
                Failed::NotSent(why) => (why, Some(retry::pause(attempt, random))),
                Failed::NotAnswered(why) => {
                    may_have_happened = true;
                    (why, Some(retry::pause(attempt, random)))
                }
                Failed::Refused(problem) if retry::is_unknown(&problem) => {
                    may_have_happened = true;
                    (problem.to_string(), Some(retry::pause(attempt, random)))
                }
                Failed::Refused(problem) => match retry::after(&problem, attempt, random) {
                    Some(pause) if attempt + 1 < self.shared.attempts => (problem.to_string(), Some(pause)),
                    // It was decided, and not by an effect of an earlier attempt: that one would have been found by the key.
                    None => return Err(Error::Refused(problem)),
                    Some(_) if !may_have_happened => return Err(Error::Refused(problem)),
                    Some(_) => (problem.to_string(), None),
                },
            };
            let Some(pause) = pause.filter(|_| attempt + 1 < self.shared.attempts) else {
                return Err(given_up(key.filter(|_| may_have_happened), last));
            };
            tokio::time::sleep(pause).await;
        }
        unreachable!("the last attempt returns")
    }

    async fn attempt(&self, call: &Call, key: Option<&str>) -> Result<Answer, Failed> {
        let request = self.request(call, key).map_err(Failed::NotSent)?;
        let exchange = async {
            let answer = self.shared.transport.0.request(request).await.map_err(|error| {
                if error.is_connect() { Failed::NotSent(chain(&error)) } else { Failed::NotAnswered(chain(&error)) }
            })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| Failed::NotAnswered(error.to_string()))?.to_bytes();
            judge(parts.status, parts.headers, body)
        };
        let out_of_time = |_| Failed::NotAnswered(format!("no answer after {:?}", self.shared.attempt_timeout));
        tokio::time::timeout(self.shared.attempt_timeout, exchange).await.map_err(out_of_time)?
    }

    fn request(&self, call: &Call, key: Option<&str>) -> Result<Request<Full<Bytes>>, String> {
        let uri = format!("{}{BASE}{}", self.shared.base, call.path);
        let mut request = Request::builder().method(&call.method).uri(uri).header(ACCEPT, "application/json");
        if let Some(authorization) = &self.shared.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(fence) = self.fence.as_ref().filter(|_| key.is_some()) {
            request = request.header("x-lock-fence", fence);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(call.body.clone().unwrap_or_default())).map_err(|error| error.to_string())
    }
}

impl Answer {
    fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let etag = self.headers.get(ETAG).map(|tag| format!(" ({tag:?})")).unwrap_or_default();
            Error::Unreadable(format!("{error}{etag}"))
        })
    }
}

fn judge(status: StatusCode, headers: HeaderMap, body: Bytes) -> Result<Answer, Failed> {
    if status.is_success() {
        return Ok(Answer { body, headers });
    }
    let mut problem: Problem =
        serde_json::from_slice(&body).unwrap_or_else(|_| Problem::bare(status.as_u16(), &body));
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    problem.retry_after = seconds.map(Duration::from_secs);
    Err(Failed::Refused(Box::new(problem)))
}

fn given_up(key: Option<&str>, last: String) -> Error {
    match key {
        Some(key) => Error::Unknown { key: key.to_owned(), last },
        None => Error::Unreachable(last),
    }
}

/// An error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
