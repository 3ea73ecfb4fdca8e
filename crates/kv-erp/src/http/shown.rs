//! A successful answer of a write, as something that can be kept under an idempotency key and given again byte by byte.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use kv_store::idempotency::{Answer, Done};
use serde::Serialize;

use super::etag::{Tagged, tag};
use super::faults;
use super::problem::Problem;

/// The header that tells a repeated answer from a first one.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A status, perhaps an address and a state, and the bytes of a JSON body, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    status: StatusCode,
    location: Option<String>,
    etag: Option<String>,
    body: Vec<u8>,
}

impl Shown {
    /// 201 with the address of what was made.
    pub fn created<T: Serialize>(location: String, made: &T) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), etag: None, body: json(made) }
    }

    /// 202 with the address at which it will be seen what came of it.
    pub fn accepted<T: Serialize>(location: String, asked: &T) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::created(location, asked) }
    }

    /// 200 with the thing as it is now.
    pub fn changed<T: Serialize>(object: &T) -> Self {
        Self { status: StatusCode::OK, location: None, etag: None, body: json(object) }
    }

    /// [`Shown::changed`] with its state.
    pub fn revised<T: Serialize + Tagged>(object: &T) -> Self {
        Self::changed(object).tagged(object)
    }

    /// The same with the state of what it shows.
    #[must_use]
    pub fn tagged(mut self, object: &impl Tagged) -> Self {
        self.etag = Some(tag(object.revision()));
        self
    }

    /// 204: it is gone.
    pub const fn gone() -> Self {
        Self { status: StatusCode::NO_CONTENT, location: None, etag: None, body: Vec::new() }
    }

    /// 201 with what was made, at no address of its own.
    pub fn made<T: Serialize>(made: &T) -> Self {
        Self { status: StatusCode::CREATED, location: None, etag: None, body: json(made) }
    }

    /// The same with the bytes of a JSON body.
    pub const fn made_of(body: Vec<u8>) -> Self {
        Self { status: StatusCode::CREATED, location: None, etag: None, body }
    }

    /// Its status and its body.
    pub fn into_parts(self) -> (StatusCode, Vec<u8>) {
        (self.status, self.body)
    }

    /// The answer as the store keeps it. Its head is a status and then a header a line.
    pub fn seal(self) -> Answer {
        let location = self.location.map(|location| format!("\nlocation: {location}")).unwrap_or_default();
        let etag = self.etag.map(|etag| format!("\netag: {etag}")).unwrap_or_default();
        Answer { head: format!("{}{location}{etag}", self.status.as_u16()), body: self.body, numbers_at: Vec::new() }
    }

    /// The answer as it was kept.
    pub fn unseal(answer: Answer) -> Option<Self> {
        let Head { status, location, etag } = Head::read(&answer.head)?;
        Some(Self { status, location: location.map(str::to_owned), etag: etag.map(str::to_owned), body: answer.body })
    }
}

/// What a kept answer's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The status.
    pub status: StatusCode,
    /// The address of what was made.
    pub location: Option<&'a str>,
    /// The state of what it shows.
    pub etag: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// Reads the head of a kept answer; `None` when this program has not written it.
    pub fn read(head: &'a str) -> Option<Self> {
        let mut lines = head.lines();
        let status = StatusCode::from_bytes(lines.next()?.as_bytes()).ok()?;
        let (mut location, mut etag) = (None, None);
        for line in lines {
            location = location.or(line.strip_prefix("location: "));
            etag = etag.or(line.strip_prefix("etag: "));
        }
        Some(Self { status, location, etag })
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(LOCATION, location);
        }
        if let Some(etag) = self.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(ETAG, etag);
        }
        (self.status, headers, Body::from(self.body)).into_response()
    }
}

/// The answer to a write: what `show` makes of its result, or what it was answered when it was done.
///
/// # Errors
/// 500 when the kept answer is not one that this program writes.
pub fn respond<T>(done: Done<T>, show: impl FnOnce(&T) -> Shown) -> Result<Response, Problem> {
    match done {
        Done::Now(result) => Ok(show(&result).into_response()),
        Done::Before(answer) => {
            let head = answer.head.clone();
            let shown = Shown::unseal(answer).ok_or_else(|| {
                tracing::error!(head, "a kept answer does not read as this program writes it");
                faults::internal()
            })?;
            Ok(([(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"))], shown).into_response())
        }
    }
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("views are made of strings, numbers and lists, which always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_as_it_was_written() {
        let made = serde_json::json!({"id": 7});
        let tagged = Shown { etag: Some("\"7\"".to_owned()), ..Shown::created("/api/v1/things/7".to_owned(), &made) };
        for shown in
            [tagged, Shown::created("/api/v1/things/7".to_owned(), &made), Shown::changed(&made), Shown::gone()]
        {
            assert_eq!(Shown::unseal(shown.clone().seal()), Some(shown));
        }
        assert_eq!(Shown::unseal(Answer { head: "OK".to_owned(), body: Vec::new(), numbers_at: Vec::new() }), None);
    }
}
