//! One attempt of a call.
//!
//! Absent on purpose: repeats, which are in `attempts.rs`.

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
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::client::Client;
use crate::error::Error;
use crate::problem::Problem;
use crate::retry;
use crate::written::X_READ_YOUR_WRITES;

/// Where the resources lie.
const BASE: &str = "/api/v1";
/// Where tenants are managed.
const PLATFORM: &str = "/platform/v1";
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
    base: &'static str,
    /// Below the base, with its query.
    path: String,
    body: Option<Bytes>,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    /// Instead of the client's own.
    timeout: Option<Duration>,
    /// How long it is worth to wait when the service says for how long.
    pub(crate) patience: Duration,
}

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Bytes,
    headers: HeaderMap,
}

/// Why an attempt had no good answer.
pub(crate) enum Failed {
    /// Nothing was sent.
    NotSent(String),
    /// Something may have been.
    NotAnswered(String),
    Refused(Box<Problem>),
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            base: BASE,
            path: path.into(),
            body: None,
            content_type: "application/json",
            headers: Vec::new(),
            timeout: None,
            patience: retry::PATIENCE,
        }
    }

    /// The same of the platform.
    pub(crate) fn of_platform(self) -> Self {
        Self { base: PLATFORM, ..self }
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

    /// With a file for its body, which may take long, also for others who send it.
    pub(crate) fn file(mut self, body: Bytes, content_type: &'static str, timeout: Duration) -> Self {
        (self.body, self.content_type, self.timeout) = (Some(body), content_type, Some(timeout));
        self.patience = retry::UPLOAD_PATIENCE;
        self
    }

    /// With a time of its own for each attempt.
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
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
    /// Asks once and hands the answer on as it comes.
    ///
    /// # Errors
    /// [`Error::Unreachable`] also when nothing comes for as long as an attempt may take.
    /// # Cancel safety
    /// Reads only.
    pub(crate) async fn download<W: AsyncWrite + Unpin>(&self, call: &Call, to: &mut W) -> Result<u64, Error> {
        let limit = self.shared.attempt_timeout;
        let silent = |_| Error::Unreachable(format!("nothing came for {limit:?}"));
        let broken = |error: &dyn std::error::Error| Error::Unreachable(chain(error));
        let request = self.request(call, None).map_err(Error::Unreachable)?;
        let answer = timeout(limit, self.shared.transport.0.request(request)).await.map_err(silent)?;
        let (parts, mut body) = answer.map_err(|error| broken(&error))?.into_parts();
        if !parts.status.is_success() {
            let whole = timeout(limit, Limited::new(body, MAX_ANSWER_BYTES).collect()).await.map_err(silent)?;
            let whole = whole.map_err(|error| Error::Unreachable(error.to_string()))?.to_bytes();
            return match judge(parts.status, parts.headers, whole) {
                Err(Failed::Refused(problem)) => Err(Error::Refused(problem)),
                _ => Err(Error::Unreadable("an answer that is none".to_owned())),
            };
        }
        let mut bytes = 0;
        while let Some(frame) = timeout(limit, body.frame()).await.map_err(silent)? {
            if let Ok(part) = frame.map_err(|error| broken(&error))?.into_data() {
                bytes += part.len() as u64;
                to.write_all(&part).await.map_err(|error| broken(&error))?;
            }
        }
        Ok(bytes)
    }

    pub(crate) async fn attempt(&self, call: &Call, key: Option<&str>) -> Result<Answer, Failed> {
        let request = self.request(call, key).map_err(Failed::NotSent)?;
        let exchange = async {
            let answer = self.shared.transport.0.request(request).await.map_err(|error| {
                if error.is_connect() { Failed::NotSent(chain(&error)) } else { Failed::NotAnswered(chain(&error)) }
            })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| Failed::NotAnswered(error.to_string()))?.to_bytes();
            self.shared.written.note(&parts.headers);
            judge(parts.status, parts.headers, body)
        };
        let limit = call.timeout.unwrap_or(self.shared.attempt_timeout);
        let out_of_time = |_| Failed::NotAnswered(format!("no answer after {limit:?}"));
        timeout(limit, exchange).await.map_err(out_of_time)?
    }

    fn request(&self, call: &Call, key: Option<&str>) -> Result<Request<Full<Bytes>>, String> {
        let uri = format!("{}{}{}", self.shared.base, call.base, call.path);
        let mut request = Request::builder().method(&call.method).uri(uri).header(ACCEPT, "application/json");
        if let Some(authorization) = &self.shared.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(fence) = self.fence.as_ref().filter(|_| key.is_some()) {
            request = request.header("x-lock-fence", fence);
        }
        if let Some(token) = self.shared.written.token().filter(|_| call.method == Method::GET) {
            request = request.header(X_READ_YOUR_WRITES, token);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        request.body(Full::new(call.body.clone().unwrap_or_default())).map_err(|error| error.to_string())
    }
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
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
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem::bare(status.as_u16(), &body));
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    problem.retry_after = seconds.map(Duration::from_secs);
    Err(Failed::Refused(Box::new(problem)))
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
