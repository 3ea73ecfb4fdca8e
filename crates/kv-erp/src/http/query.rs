//! The parameters of a list: `limit`, `cursor` and whitelisted filters. An unknown parameter is a fault, never ignored: a filter
//! with a typing error would otherwise answer with everything.
//!
//! A cursor is the key of the last row shown, in base64url. It is opaque but not secret: it names a row of the caller's own
//! tenant, and any other key only moves the start within the tenant's own rows.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kv_store::Page;
use kv_types::{AdjustmentId, CustomerId, OrderId, ProductId, ReceiptId, TransferId, WarehouseId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::faults;
use super::fields::{Faults, Refused, shown};
use super::problem::Problem;

/// Rows of a page when nothing is said.
const DEFAULT_LIMIT: i64 = 20;
/// Most rows of a page.
pub const MAX_LIMIT: i64 = kv_store::catalogue::MAX_PAGE;

/// Room for a row of a page: more than most take.
const ROW_BYTES: usize = 320;
/// Room for the headers that a page leaves with: its own, the limit's and the request's id.
const HEADERS: usize = 8;

/// The query string's pairs, not yet read.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

/// A query that is being read. A parameter is taken out when it is asked for.
#[derive(Debug)]
pub struct Parameters {
    pairs: Vec<(String, String)>,
    faults: Faults,
}

impl Query {
    /// Reads the parameters. `read` takes those it knows; whatever is left then is unknown.
    ///
    /// # Errors
    /// 422 `validation_failed` with every fault.
    pub fn read<T>(self, read: impl FnOnce(&mut Parameters) -> Option<T>) -> Result<T, Problem> {
        let mut parameters = Parameters { pairs: self.0, faults: Faults::default() };
        let parsed = read(&mut parameters);
        let Parameters { pairs, mut faults } = parameters;
        for (name, _) in &pairs {
            faults.add(shown(name), ("unknown_parameter", "is no parameter of this list".to_owned()));
        }
        faults.finish(parsed)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_none_or(str::is_empty) {
            return Ok(Self(Vec::new()));
        }
        // Percent-coding that is no UTF-8 is replaced by its reader, and then fails as a value.
        let AxumQuery(pairs) = AxumQuery::try_from_uri(&parts.uri)
            .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "invalid_query", "The query string is not readable."))?;
        Ok(Self(pairs))
    }
}

impl Parameters {
    /// A parameter that may be left out.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, Refused>) -> Option<T> {
        let found = self.pairs.iter().position(|(given, _)| given == name)?;
        let (_, value) = self.pairs.swap_remove(found);
        let before = self.pairs.len();
        self.pairs.retain(|(given, _)| given != name);
        if self.pairs.len() < before {
            return self.refuse(name, ("repeated", "is given more than once".to_owned()));
        }
        match read(&value) {
            Ok(value) => Some(value),
            Err(refused) => self.refuse(name, refused),
        }
    }

    /// A parameter that must be there.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, Refused>) -> Option<T> {
        if self.pairs.iter().all(|(given, _)| given != name) {
            return self.refuse(name, ("required", "is missing".to_owned()));
        }
        self.optional(name, read)
    }

    /// How many rows: 1 to [`MAX_LIMIT`].
    pub fn limit(&mut self) -> i64 {
        self.optional("limit", |raw| whole(raw, 1, MAX_LIMIT)).unwrap_or(DEFAULT_LIMIT)
    }

    /// Where the page before ended.
    pub fn cursor<K: Cursor>(&mut self) -> Option<K> {
        self.optional("cursor", |raw| {
            K::decode(raw).ok_or(("invalid_cursor", "is not a next_cursor of this list".to_owned()))
        })
    }

    fn refuse<T>(&mut self, name: &str, refused: Refused) -> Option<T> {
        self.faults.add(name.to_owned(), refused);
        None
    }
}

/// A whole number from `min` to `max`.
pub fn whole(raw: &str, min: i64, max: i64) -> Result<i64, Refused> {
    raw.parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| ("out_of_range", format!("must be a whole number from {min} to {max}")))
}

/// The id to filter by.
pub fn id<T: FromStr>(raw: &str) -> Result<T, Refused> {
    raw.parse().map_err(|_| ("invalid_format", "must be a UUID".to_owned()))
}

/// The key of a list's order, as the outside carries it.
pub trait Cursor: Sized {
    /// The opaque text.
    fn encode(&self) -> String;
    /// The key, if the text is one.
    fn decode(raw: &str) -> Option<Self>;
}

macro_rules! id_cursor {
    ($($id:ty),+) => {$(
        impl Cursor for $id {
            fn encode(&self) -> String {
                URL_SAFE_NO_PAD.encode(self.uuid().as_bytes())
            }

            fn decode(raw: &str) -> Option<Self> {
                let [id] = decode_ids(raw)?;
                Some(Self::from_uuid(id))
            }
        }
    )+};
}
id_cursor!(CustomerId, ProductId, WarehouseId, OrderId, ReceiptId, AdjustmentId, TransferId);

impl Cursor for (ProductId, WarehouseId) {
    fn encode(&self) -> String {
        let mut bytes = [0; 32];
        let (product, warehouse) = bytes.split_at_mut(16);
        product.copy_from_slice(self.0.uuid().as_bytes());
        warehouse.copy_from_slice(self.1.uuid().as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(raw: &str) -> Option<Self> {
        let [product, warehouse] = decode_ids(raw)?;
        Some((ProductId::from_uuid(product), WarehouseId::from_uuid(warehouse)))
    }
}

/// As many ids as asked for, no more, no less.
fn decode_ids<const N: usize>(raw: &str) -> Option<[Uuid; N]> {
    // 32 bytes are 43 characters; longer text is not worth decoding.
    if raw.len() > 64 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(raw).ok()?;
    let (ids, rest) = bytes.as_chunks::<16>();
    if !rest.is_empty() {
        return None;
    }
    let ids: &[[u8; 16]; N] = ids.try_into().ok()?;
    Some(ids.map(Uuid::from_bytes))
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The rows.
    pub data: Vec<T>,
    /// What to give as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// Makes the answer of a page.
    pub fn new<K: Cursor>(page: Page<T>, key: impl Fn(&T) -> K) -> Self {
        let next_cursor = page.rows.last().filter(|_| page.has_more).map(|last| key(last).encode());
        Self { data: page.rows, next_cursor }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        // A buffer that grows copies what it holds, each time twice as much.
        let mut body = Vec::with_capacity(ROW_BYTES * (self.data.len() + 1));
        if let Err(error) = serde_json::to_writer(&mut body, &self) {
            tracing::error!(%error, "a page could not be written as JSON");
            return faults::internal().into_response();
        }
        let mut response = Response::new(body.into());
        let headers = response.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_left() {
        let (product, warehouse) = (ProductId::from_uuid(Uuid::now_v7()), WarehouseId::from_uuid(Uuid::now_v7()));
        assert_eq!(ProductId::decode(&product.encode()), Some(product));
        assert_eq!(Cursor::decode(&(product, warehouse).encode()), Some((product, warehouse)));
    }

    #[test]
    fn another_lists_cursor_is_refused() {
        let product = ProductId::from_uuid(Uuid::now_v7());
        assert_eq!(<(ProductId, WarehouseId)>::decode(&product.encode()), None);
        assert_eq!(ProductId::decode(&(product, WarehouseId::from_uuid(Uuid::now_v7())).encode()), None);
        for bad in ["", "!", "AAAA", &"A".repeat(1000)] {
            assert_eq!(ProductId::decode(bad), None, "{bad:?}");
        }
    }
}
