//! A page of a list as it leaves: its rows, the cursor of the next one, and the address of the next one in `Link`.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::response::{IntoResponse, Response};
use kv_store::access::CursorSecret;
use kv_store::lists::{Ask, Listing};
use kv_types::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use super::cursor::Seal;
use super::faults;

/// Room for a row of a page: more than most take.
const ROW_BYTES: usize = 320;
/// Room for the headers that a page leaves with: its own, the limit's and the request's id.
const HEADERS: usize = 8;

/// What was asked, and what its answer needs.
#[derive(Debug)]
pub struct Asked {
    /// What is asked of the store.
    pub ask: Ask,
    /// What its cursors are signed with.
    pub(super) secret: CursorSecret,
    /// Whose they are.
    pub(super) tenant: TenantId,
    /// The address, ready for a cursor behind it.
    pub(super) address: String,
}

impl Asked {
    /// The answer of a page.
    pub fn answer<T>(self, listing: Listing<T>) -> Listed<T> {
        // Most lists are asked for one page, and that is their last.
        let next_cursor = listing.next.map(|position| Seal::of(&self.secret, self.tenant, &self.ask).close(&position));
        let link = next_cursor.as_ref().map(|cursor| format!("<{}{cursor}>; rel=\"next\"", self.address));
        Listed { data: listing.rows, next_cursor, total: listing.total, link }
    }
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The rows.
    pub data: Vec<T>,
    /// What to give as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
    /// How many rows there are on all pages, with `count=exact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, minimum = 0)]
    pub total: Option<i64>,
    /// The value of `Link`.
    #[serde(skip)]
    link: Option<String>,
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
        if let Some(link) = self.link.and_then(|link| HeaderValue::try_from(link).ok()) {
            headers.insert(LINK, link);
        }
        response
    }
}
