//! Entity tags (RFC 9110): which state of a thing an answer shows, and which one a request is meant for.
//!
//! A tag is strong and made of the thing's [`Revision`]. `If-Match` lets a change through only in one of the named states; the check
//! is part of the statement that writes. `If-None-Match` saves sending what the caller has.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use kv_types::access::User;
use kv_types::catalogue::{Customer, Product, Warehouse};
use kv_types::order::Order;
use kv_types::stock::StockLevel;
use kv_types::webhooks::WebhookEndpoint;
use kv_types::{Expected, Revision};
use serde::Serialize;

use super::problem::{FieldFault, Problem};

/// Most tags of a header.
const MAX_TAGS: usize = 100;

/// Something that counts its changes.
pub trait Tagged {
    /// Its state.
    fn revision(&self) -> Revision;
}

macro_rules! tagged_by_version {
    ($($thing:ty),+) => {$(
        impl Tagged for $thing {
            fn revision(&self) -> Revision {
                Revision::of(self.version)
            }
        }
    )+};
}
tagged_by_version!(Customer, Product, User, Warehouse, WebhookEndpoint);

impl Tagged for Order {
    fn revision(&self) -> Revision {
        Self::revision(self)
    }
}

impl Tagged for StockLevel {
    fn revision(&self) -> Revision {
        Revision { version: self.version, limit: self.backorder_limit }
    }
}

/// The tag of a state.
pub fn tag(revision: Revision) -> String {
    format!("\"{revision}\"")
}

/// The tag of a state as a header's value.
pub fn header(revision: Revision) -> HeaderValue {
    HeaderValue::try_from(tag(revision)).expect("digits, points and quotes may stand in a header")
}

/// 412: the thing is in another state than the request is meant for.
pub fn mismatch(current: Revision) -> Problem {
    let detail =
        format!("It was changed meanwhile: it is {} now. Look at it again before you change it.", tag(current));
    Problem::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
        .with("current_version", current.version)
        .with_etag(header(current))
}

/// Shows a thing, or says that the caller has it.
pub fn show<T: Serialize + Tagged>(thing: T, known: &IfNoneMatch) -> Response {
    let tag = [(ETAG, header(thing.revision()))];
    if known.has(thing.revision()) {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, Json(thing)).into_response()
}

/// The states that a change is meant for, if its caller names any.
#[derive(Clone, Debug)]
pub struct IfMatch(pub Expected);

/// The states that a change is meant for. Its caller must name them.
#[derive(Clone, Debug)]
pub struct MustMatch(pub Expected);

/// The states that the caller of a read has already.
#[derive(Clone, Debug)]
pub struct IfNoneMatch(Option<Tags>);

impl IfNoneMatch {
    fn has(&self, revision: Revision) -> bool {
        match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::These(tags)) => tags.iter().any(|tag| tag.opaque == revision.to_string().as_bytes()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(read(&parts.headers, &IF_MATCH, "If-Match")?.map_or(Expected::Any, Tags::expected)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MustMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tags = read(&parts.headers, &IF_MATCH, "If-Match")?;
        tags.map(|tags| Self(tags.expected())).ok_or_else(|| {
            let detail = "Send If-Match with the ETag of what you saw, such as If-Match: \"7\", so that no change of somebody \
                          else is lost; If-Match: * changes whatever is there.";
            Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.headers, &IF_NONE_MATCH, "If-None-Match").map(Self)
    }
}

/// What stands in a header of this kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<Tag>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    opaque: Vec<u8>,
}

impl Tags {
    /// A weak tag never matches, nor does one that this service does not give.
    fn expected(self) -> Expected {
        match self {
            Self::Any => Expected::Any,
            Self::These(tags) => {
                let strong = tags.iter().filter(|tag| !tag.is_weak);
                let revision = |tag: &Tag| std::str::from_utf8(&tag.opaque).ok()?.parse().ok();
                Expected::OneOf(strong.filter_map(revision).collect())
            }
        }
    }
}

fn read(headers: &HeaderMap, name: &HeaderName, shown: &'static str) -> Result<Option<Tags>, Problem> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if values.is_empty() {
        return Ok(None);
    }
    parse(&values.join(&b","[..])).map(Some).ok_or_else(|| {
        let detail = format!(
            "The header {shown} must be * or up to {MAX_TAGS} tags in quotes, such as \"7\", with commas between."
        );
        Problem::validation(vec![FieldFault::new(shown, "invalid_format", detail)])
    })
}

/// Reads `*`, or a list of tags; empty places between commas are allowed.
fn parse(value: &[u8]) -> Option<Tags> {
    if value.trim_ascii() == b"*" {
        return Some(Tags::Any);
    }
    let (mut tags, mut rest) = (Vec::new(), value.trim_ascii_start());
    while let Some(&first) = rest.first() {
        if first == b',' {
            rest = rest[1..].trim_ascii_start();
            continue;
        }
        let is_weak = rest.starts_with(b"W/");
        let quoted = rest[if is_weak { 2 } else { 0 }..].strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let opaque = quoted[..end].to_vec();
        // A blank and what is below it may not stand in a tag.
        if opaque.iter().any(|byte| *byte <= b' ' || *byte == 0x7F) || tags.len() == MAX_TAGS {
            return None;
        }
        tags.push(Tag { is_weak, opaque });
        rest = quoted[end + 1..].trim_ascii_start();
        if !rest.is_empty() && rest[0] != b',' {
            return None;
        }
    }
    (!tags.is_empty()).then_some(Tags::These(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(value: &[u8]) -> Option<Expected> {
        parse(value).map(Tags::expected)
    }

    fn versions(versions: &[i64]) -> Expected {
        Expected::OneOf(versions.iter().copied().map(Revision::of).collect())
    }

    #[test]
    fn lists_of_strong_tags_are_read() {
        assert_eq!(expected(b" * "), Some(Expected::Any));
        assert_eq!(expected(b"\"7\""), Some(versions(&[7])));
        assert_eq!(expected(b"\"7\" , \"8\",, \"9\","), Some(versions(&[7, 8, 9])));
        assert_eq!(expected(b"\"7.5\""), Some(Expected::OneOf(vec![Revision { version: 7, limit: 5 }])));
        // Weak, not of this service, or with a comma in it.
        assert_eq!(expected(b"W/\"7\", \"abc\", \"\", \"1,2\", \"8\""), Some(versions(&[8])));
        assert_eq!(expected(b"W/\"7\""), Some(versions(&[])));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for bad in [
            &b""[..],
            b",",
            b"7",
            b"\"7",
            b"7\"",
            b"\"7\" \"8\"",
            b"\"7\";",
            b"w/\"7\"",
            b"W/7",
            b"*, \"7\"",
            b"\"7\", *",
            b"\"7 8\"",
            b"\"7\x7f\"",
        ] {
            assert_eq!(parse(bad), None, "{}", bad.escape_ascii());
        }
        let many = vec![&b"\"1\""[..]; MAX_TAGS + 1];
        assert!(parse(&many[1..].join(&b","[..])).is_some());
        assert_eq!(parse(&many.join(&b","[..])), None);
    }
}
