//! `X-Read-Your-Writes`: the token of a write, with which later reads see it although replicas answer them.
//!
//! With replicas, every write that was done answers a token. A read that sends it is answered by a replica that has the write, or by the
//! primary. A read without one may be as far behind as the service allows; `Cache-Control: no-cache` asks for the primary.
//! The token is a place in PostgreSQL's log of changes. It is no secret, and no proof of anything: a made-up one has the primary read.

use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use kv_store::Store;
use kv_store::replicas::{Freshness, Lsn};

/// The header, both ways.
pub const X_READ_YOUR_WRITES: HeaderName = HeaderName::from_static("x-read-your-writes");

/// Stands for a place that could not be asked for: the primary is read.
const PRIMARY: HeaderValue = HeaderValue::from_static("primary");

/// How fresh the reads of a request must be. What changes something reads the primary, too, for what it decides by.
pub(super) fn of_request(method: &Method, headers: &HeaderMap) -> Freshness {
    if *method != Method::GET && *method != Method::HEAD {
        return Freshness::Latest;
    }
    let mut newest = None;
    for token in headers.get_all(&X_READ_YOUR_WRITES) {
        let Some(lsn) = token.to_str().ok().and_then(|text| text.trim().parse::<Lsn>().ok()) else {
            return Freshness::Latest;
        };
        newest = newest.max(Some(lsn));
    }
    if headers.get_all(CACHE_CONTROL).iter().any(|value| value.to_str().is_ok_and(asks_for_the_origin)) {
        return Freshness::Latest;
    }
    newest.map_or(Freshness::Recent, Freshness::AtLeast)
}

fn asks_for_the_origin(directives: &str) -> bool {
    directives.split(',').any(|directive| {
        matches!(directive.trim().to_ascii_lowercase().as_str(), "no-cache" | "no-store" | "max-age=0")
    })
}

/// Gives a write's answer its token.
pub(super) async fn add_token(store: &Store, method: &Method, response: &mut Response) {
    if method.is_safe() || !response.status().is_success() || !store.has_replicas() {
        return;
    }
    let token = match store.position().await {
        Ok(lsn) => HeaderValue::try_from(lsn.to_string()).unwrap_or(PRIMARY),
        Err(_) => PRIMARY,
    };
    response.headers_mut().insert(X_READ_YOUR_WRITES, token);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &Method, headers: &[(HeaderName, &str)]) -> Freshness {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        of_request(method, &map)
    }

    #[test]
    fn a_token_says_how_fresh_and_anything_odd_means_the_primary() {
        assert_eq!(of(&Method::GET, &[]), Freshness::Recent);
        assert_eq!(of(&Method::GET, &[(X_READ_YOUR_WRITES, "0/A")]), Freshness::AtLeast(Lsn(10)));
        assert_eq!(
            of(&Method::GET, &[(X_READ_YOUR_WRITES, "0/A"), (X_READ_YOUR_WRITES, "1/0")]),
            Freshness::AtLeast(Lsn(1 << 32))
        );
        for token in ["primary", "", "x/y", "0/A "] {
            let expected = if token == "0/A " { Freshness::AtLeast(Lsn(10)) } else { Freshness::Latest };
            assert_eq!(of(&Method::GET, &[(X_READ_YOUR_WRITES, token)]), expected, "{token}");
        }
        assert_eq!(of(&Method::GET, &[(CACHE_CONTROL, "max-age=5, No-Cache")]), Freshness::Latest);
        assert_eq!(of(&Method::GET, &[(CACHE_CONTROL, "max-age=5")]), Freshness::Recent);
        assert_eq!(of(&Method::POST, &[(X_READ_YOUR_WRITES, "0/A")]), Freshness::Latest);
    }
}
