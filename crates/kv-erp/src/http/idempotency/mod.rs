//! `Idempotency-Key`: a write that may be repeated without a second effect.
//!
//! A repeat is known by its key and its fingerprint, SHA-256 over method, path and the body that the route reads. The fence of
//! a lock is no part of it: it is a condition of the moment, not of what is asked. What succeeded is answered again as it was;
//! what was refused is tried anew.

pub mod records;

use axum::extract::FromRequestParts;
use axum::http::header::{HeaderMap, HeaderName};
use axum::http::request::Parts;
use kv_store::idempotency::{Asked, Once};
use kv_types::{IdempotencyKey, TenantId};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

use super::answers::BASE;
use super::ctx::Ctx;
use super::problem::{FieldFault, Problem};
use super::shown::Shown;
use crate::app::App;

/// The header with which a caller makes a write safe to repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key of a write, if its caller gave one.
#[derive(Clone, Debug)]
pub struct Keyed(Option<Request>);

#[derive(Clone, Debug)]
struct Request {
    tenant: TenantId,
    key: IdempotencyKey,
    /// Method and path.
    line: String,
}

impl FromRequestParts<App> for Keyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(key) = read_key(&parts.headers)? else { return Ok(Self(None)) };
        let tenant = Ctx::from_request_parts(parts, app).await?.tenant;
        // The router leaves a handler what follows the prefix.
        let line = format!("{} {BASE}{}", parts.method, parts.uri.path());
        Ok(Self(Some(Request { tenant, key, line })))
    }
}

impl Keyed {
    /// The right to one effect of the request with this body; `show` makes its answer.
    pub fn once<T: 'static>(self, app: &App, body: &[u8], show: fn(&T) -> Shown) -> Option<Once<T>> {
        self.once_sealed(app, body, move |result| show(result).seal())
    }

    /// The key of one item of a batch whose items are each for themselves: the batch's own, a slash, and the item's place.
    ///
    /// # Errors
    /// 422 when that is longer than a key may be.
    pub fn for_item(&self, place: usize) -> Result<Self, Problem> {
        let Some(Request { tenant, key, line }) = &self.0 else { return Ok(Self(None)) };
        let key = format!("{}/{place}", key.as_str()).parse().map_err(|_| {
            let detail = "The header Idempotency-Key of an independent batch must be 251 characters at most: each item's key is it, a slash and the item's place.";
            Problem::validation(vec![FieldFault::new("Idempotency-Key", "too_long", detail)])
        })?;
        Ok(Self(Some(Request { tenant: *tenant, key, line: line.clone() })))
    }

    /// The same with an answer that `seal` makes as it is to be kept.
    pub fn once_sealed<T: 'static>(
        self,
        app: &App,
        body: &[u8],
        seal: impl Fn(&T) -> kv_store::idempotency::Answer + Send + Sync + 'static,
    ) -> Option<Once<T>> {
        let Request { tenant, key, line } = self.0?;
        let asked = Asked { key, fingerprint: fingerprint(&line, body), line };
        Some(app.store().once(tenant, asked, Arc::new(seal)))
    }
}

/// A line has no line feed in it, so where the body begins is plain.
fn fingerprint(line: &str, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(line);
    digest.update(b"\n");
    digest.update(body);
    digest.finalize().into()
}

fn read_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|_| given.next().is_none()).and_then(|raw| raw.parse().ok());
    key.map(Some).ok_or_else(|| {
        let detail = "The header Idempotency-Key must be given once, as 1 to 255 visible ASCII characters.";
        Problem::validation(vec![FieldFault::new("Idempotency-Key", "invalid_format", detail)])
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        read_key(&headers).map(|key| key.map(|key| key.to_string())).map_err(|problem| problem.code())
    }

    #[test]
    fn one_key_of_visible_characters_is_taken() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"order-17/a"]), Ok(Some("order-17/a".to_owned())));
        assert_eq!(read(&[b"\"quoted\""]), Ok(Some("\"quoted\"".to_owned())));
        assert_eq!(read(&[&[b'x'; 255]]), Ok(Some("x".repeat(255))));
        for bad in [&[&b""[..]][..], &[b"two words"], &[b"\xc3\xa4"], &[&[b'x'; 256]], &[b"a", b"a"]] {
            assert_eq!(read(bad), Err("validation_failed"), "{bad:?}");
        }
    }

    #[test]
    fn whatever_is_asked_otherwise_has_another_fingerprint() {
        let asked = [
            ("POST /a", &b"{}"[..]),
            ("PATCH /a", b"{}"),
            ("POST /b", b"{}"),
            ("POST /a", b"{ }"),
            ("POST /a", b""),
            ("POST /a\n", b"{}"),
        ];
        for (number, (line, body)) in asked.iter().enumerate() {
            for (other, (other_line, other_body)) in asked.iter().enumerate() {
                let is_same = fingerprint(line, body) == fingerprint(other_line, other_body);
                assert_eq!(is_same, number == other, "{line} {body:?} and {other_line} {other_body:?}");
            }
        }
    }
}
