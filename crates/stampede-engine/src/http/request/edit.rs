//! Changing a request in place between two sends, so that a scenario need not build one from nothing each time.
//!
//! Invariant: what [`RequestPlan::new`] refuses is refused here too. Whatever is derived from the request and kept must be
//! thrown away here.

use bytes::Bytes;
use http::HeaderMap;
use http::uri::PathAndQuery;

use super::{BadRequestPlan, RequestPlan};
use crate::http::BadUrl;

impl RequestPlan {
    /// Sends to another path, and query if there is one, of the same server.
    ///
    /// # Errors
    /// When it cannot stand in a request line; the request is as before then.
    pub fn set_path(&mut self, path: &str) -> Result<(), BadRequestPlan> {
        let bad = || BadUrl::Syntax { given: path.to_owned() };
        if !path.starts_with('/') {
            return Err(bad().into());
        }
        let path: PathAndQuery = path.parse().map_err(|_| bad())?;
        self.endpoint.set_path(path);
        self.forget();
        Ok(())
    }

    /// Sends this body; its content type is the caller's concern.
    pub fn set_body(&mut self, body: Bytes) {
        self.body = body;
        self.forget();
    }

    /// The headers, to be changed. `Host` should stay.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.forget();
        &mut self.headers
    }

    /// The body.
    pub fn body_bytes(&self) -> &Bytes {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_changes_in_place() {
        let mut request = RequestPlan::get("http://x.test/a").unwrap();
        request.set_path("/b?c=1").unwrap();
        request.set_body(Bytes::from_static(b"{}"));
        assert_eq!(request.endpoint().to_string(), "http://x.test/b?c=1");
        assert_eq!((request.body_len(), &request.body_bytes()[..]), (2, &b"{}"[..]));
        assert_eq!(request.rendered().head, "GET /b?c=1 HTTP/1.1\r\nhost: x.test\r\ncontent-length: 2\r\n\r\n{}");
        request.headers_mut().insert("x-a", http::HeaderValue::from_static("1"));
        request.set_body(Bytes::new());
        assert_eq!(request.rendered().head, "GET /b?c=1 HTTP/1.1\r\nhost: x.test\r\nx-a: 1\r\n\r\n");
        for bad in ["", "b", "http://y/", "/a b", "/\n"] {
            assert!(request.set_path(bad).is_err(), "{bad:?}");
        }
        assert_eq!(request.endpoint().path(), "/b?c=1");
    }
}
