//! A request as each transport sends it: bytes for HTTP/1, a head without connection headers for HTTP/2, hyper's own.
//!
//! Invariants: what does not change from send to send is made once and kept; the length that is announced is that of the
//! body that is sent, whatever a header says.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Method, Request, Uri};
use http_body_util::Full;

use super::{RequestPlan, Version};
use crate::http::raw::parser::Asked;

/// A request as the bytes of HTTP/1.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    /// Request line and headers; a small body as well.
    pub(crate) head: Bytes,
    /// The body, unless it is in `head`.
    pub(crate) body: Bytes,
    pub(crate) asked: Asked,
    /// Whether the request itself asks to close the connection.
    pub(crate) closes: bool,
}

/// Largest body that is copied behind its head, to be written with it in one plain system call.
const JOINED_BODY: usize = 4 << 10;

impl RequestPlan {
    /// Its bytes for HTTP/1, made at the first call.
    pub(crate) fn rendered(&self) -> &Rendered {
        self.rendered.get_or_init(|| {
            let version = if self.version == Version::Http10 { "1.0" } else { "1.1" };
            let mut head = format!("{} {} HTTP/{version}\r\n", self.method, self.endpoint.path()).into_bytes();
            for (name, value) in
                self.headers.iter().filter(|(name, _)| ![CONTENT_LENGTH, TRANSFER_ENCODING].contains(*name))
            {
                head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
            if self.has_length() {
                head.extend(format!("content-length: {}\r\n", self.body.len()).into_bytes());
            }
            head.extend(b"\r\n");
            let mut body = self.body.clone();
            if body.len() <= JOINED_BODY {
                head.extend(std::mem::take(&mut body));
            }
            let asked = if self.method == Method::HEAD { Asked::HeadOnly } else { Asked::Whole };
            Rendered { head: Bytes::from(head), body, asked, closes: self.closes() }
        })
    }

    /// Its head and body for HTTP/2.
    pub(crate) fn for_h2(&self) -> (Request<()>, Bytes) {
        let head = self.h2_head.get_or_init(|| {
            let mut head = Request::new(());
            *head.method_mut() = self.method.clone();
            let uri =
                Uri::builder().scheme(self.endpoint.scheme().label()).path_and_query(self.endpoint.path().clone());
            let host = self.headers.get(HOST).map_or(self.endpoint.authority().as_bytes(), HeaderValue::as_bytes);
            // A host that is no authority is left to the URL's own.
            let authority = Authority::try_from(host).ok();
            let uri =
                uri.authority(authority.map_or(self.endpoint.authority().to_owned(), |it| it.to_string())).build();
            *head.uri_mut() = uri.expect("all three parts were taken from checked ones");
            *head.headers_mut() = self.headers.clone();
            *head.version_mut() = http::Version::HTTP_2;
            // What concerns a connection of HTTP/1 is a protocol error in HTTP/2.
            for name in [
                "host",
                "connection",
                "keep-alive",
                "proxy-connection",
                "transfer-encoding",
                "upgrade",
                "content-length",
            ] {
                head.headers_mut().remove(name);
            }
            if self.has_length() {
                head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            }
            head
        });
        (head.clone(), self.body.clone())
    }

    /// Whether servers expect its length, be it zero.
    fn has_length(&self) -> bool {
        !self.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&self.method)
    }

    /// Whether it asks to close the connection, which HTTP/1.0 does unless it says otherwise.
    fn closes(&self) -> bool {
        let says = |word: &str| {
            let values = self.headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|said| said.trim().eq_ignore_ascii_case(word))
        };
        says("close") || (self.version == Version::Http10 && !says("keep-alive"))
    }

    /// One copy to send by hyper.
    pub(crate) fn render(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.endpoint.path().clone());
        *request.headers_mut() = self.headers.clone();
        *request.version_mut() = match self.version {
            Version::Http10 => http::Version::HTTP_10,
            // Hyper speaks HTTP/1 here, whatever was asked for.
            Version::Http11 | Version::Http2 => http::Version::HTTP_11,
        };
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_request() {
        let plan = RequestPlan::new("POST", "http://x.test/p?q=1").unwrap().header_line("X-Tenant: 7").unwrap();
        assert_eq!(
            plan.rendered().head,
            "POST /p?q=1 HTTP/1.1\r\nhost: x.test\r\nx-tenant: 7\r\ncontent-length: 0\r\n\r\n"
        );
        let plan = plan.version(Version::Http10).body(Bytes::from_static(b"{}"), HeaderValue::from_static("a/b"));
        let rendered = plan.rendered();
        assert!(rendered.head.ends_with(b"content-length: 2\r\n\r\n{}") && rendered.closes, "{rendered:?}");
        let large = plan
            .header("connection", "x, Keep-Alive")
            .unwrap()
            .body(Bytes::from(vec![1; 9_999]), HeaderValue::from_static("a/b"));
        assert_eq!(large.rendered().body.len(), 9_999);
        assert!(!large.rendered().closes);
        assert_eq!(RequestPlan::new("HEAD", "http://x/").unwrap().rendered().asked, Asked::HeadOnly);
    }

    #[test]
    fn http_2_gets_no_header_of_a_connection() {
        let plan = RequestPlan::get("https://x.test:81/p").unwrap().header_line("connection: close").unwrap();
        let (head, _) = plan.for_h2();
        assert_eq!(head.uri(), "https://x.test:81/p");
        assert!(head.headers().is_empty(), "{:?}", head.headers());
        let (head, _) = plan.header_line("Host: other.test").unwrap().for_h2();
        assert_eq!(head.uri(), "https://other.test/p");
    }
}
