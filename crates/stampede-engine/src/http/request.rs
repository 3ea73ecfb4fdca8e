//! The request to send, prepared so that sending it again costs a few reference counts.
//!
//! Invariants: everything that can be wrong with method, headers or body is refused here, before anything is sent;
//! `Host` is always present.

mod edit;

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Method, Request, Uri};
use http_body_util::Full;
use thiserror::Error;

use super::endpoint::{BadUrl, Endpoint};
use super::raw::parser::Asked;
use super::wire::{Transport, Wire};

/// The protocol version to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, as ApacheBench speaks.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2, without asking first: under TLS by ALPN, plainly by prior knowledge.
    Http2,
}

/// One request, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    endpoint: Endpoint,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    version: Version,
    wire: Wire,
    rendered: OnceLock<Rendered>,
    h2_head: OnceLock<Request<()>>,
}

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

/// A request that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadRequestPlan {
    /// The URL.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// The method.
    #[error("`{given}` is no HTTP method: use letters only, such as GET or POST")]
    Method {
        /// What was given.
        given: String,
    },
    /// A header.
    #[error("`{given}` is no header: write it as 'Name: value'")]
    Header {
        /// What was given, its value shortened.
        given: String,
    },
}

impl RequestPlan {
    /// A request without body and with no headers but `Host`.
    pub fn new(method: &str, url: &str) -> Result<Self, BadRequestPlan> {
        let endpoint = Endpoint::parse(url)?;
        let bad_method = || BadRequestPlan::Method { given: method.to_owned() };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| bad_method())?;
        if method == Method::CONNECT {
            return Err(bad_method());
        }
        let host =
            HeaderValue::from_str(endpoint.authority()).map_err(|_| BadUrl::Syntax { given: endpoint.to_string() })?;
        let headers = HeaderMap::from_iter([(HOST, host)]);
        Ok(Self {
            endpoint,
            method,
            headers,
            body: Bytes::new(),
            version: Version::default(),
            wire: Wire::default(),
            rendered: OnceLock::new(),
            h2_head: OnceLock::new(),
        })
    }

    /// A `GET` of `url`.
    pub fn get(url: &str) -> Result<Self, BadRequestPlan> {
        Self::new("GET", url)
    }

    /// Adds a header written as `Name: value`; `Host` and `Content-Type` replace what is there, others are added.
    pub fn header_line(self, line: &str) -> Result<Self, BadRequestPlan> {
        // The value may be a token: only the name is shown.
        let shown = || BadRequestPlan::Header { given: line.split(':').next().unwrap_or("").trim().to_owned() };
        let (name, value) = line.split_once(':').ok_or_else(shown)?;
        self.header(name.trim(), value.trim()).map_err(|_| shown())
    }

    /// Adds a header; `Host` and `Content-Type` replace what is there, others are added.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BadRequestPlan> {
        let shown = || BadRequestPlan::Header { given: name.to_owned() };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| shown())?;
        let value = HeaderValue::from_str(value).map_err(|_| shown())?;
        if name == HOST || name == CONTENT_TYPE {
            self.headers.insert(name, value);
        } else {
            self.headers.append(name, value);
        }
        Ok(self.changed())
    }

    /// Sets the body and, unless a header has set it, its content type.
    #[must_use]
    pub fn body(mut self, body: Bytes, content_type: HeaderValue) -> Self {
        self.headers.entry(CONTENT_TYPE).or_insert(content_type);
        self.body = body;
        self.changed()
    }

    /// Sets the protocol version.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self.changed()
    }

    /// Sets how it travels. Of several requests to one server the first one's way counts for all.
    #[must_use]
    pub fn over(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// What was rendered before does not hold any more.
    fn changed(mut self) -> Self {
        self.forget();
        self
    }

    fn forget(&mut self) {
        self.rendered.take();
        self.h2_head.take();
    }

    /// How it travels.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The code that sends it: what was asked for, else HTTP/2 by its version, hyper for a request that brings headers of
    /// its own framing, and raw bytes for every other one.
    pub fn transport(&self) -> Transport {
        let frames_itself =
            || [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT, UPGRADE].iter().any(|name| self.headers.contains_key(name));
        match (self.wire.transport, self.version) {
            (Some(forced), _) => forced,
            (None, Version::Http2) => Transport::H2,
            (None, _) if frames_itself() => Transport::Hyper,
            (None, _) => Transport::Raw,
        }
    }

    /// Where it goes.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Length of its body in bytes.
    pub fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Its protocol version.
    pub fn http_version(&self) -> Version {
        self.version
    }

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
            let authority = http::uri::Authority::try_from(host).ok();
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
    fn a_request_is_rendered_with_its_host() {
        let plan = RequestPlan::new("POST", "http://x.test:81/p?q=1")
            .unwrap()
            .header_line("X-Tenant: 7")
            .unwrap()
            .body(Bytes::from_static(b"{}"), HeaderValue::from_static("application/json"));
        let request = plan.render();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "/p?q=1");
        assert_eq!(request.headers()["host"], "x.test:81");
        assert_eq!(request.headers()["x-tenant"], "7");
        assert_eq!(request.headers()["content-type"], "application/json");
    }

    #[test]
    fn a_given_content_type_and_host_win() {
        let plan = RequestPlan::get("http://x.test/")
            .unwrap()
            .header_line("content-type: text/csv")
            .unwrap()
            .header_line("Host: other.test")
            .unwrap()
            .body(Bytes::from_static(b"a"), HeaderValue::from_static("text/plain"));
        let headers = plan.render().headers().clone();
        assert_eq!(headers.get_all("content-type").iter().count(), 1);
        assert_eq!(headers["content-type"], "text/csv");
        assert_eq!(headers.get_all("host").iter().count(), 1);
        assert_eq!(headers["host"], "other.test");
    }

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

    #[test]
    fn the_transport_is_chosen_by_the_request_and_can_be_forced() {
        let plan = RequestPlan::get("http://x/").unwrap();
        assert_eq!(plan.transport(), Transport::Raw);
        assert_eq!(plan.clone().version(Version::Http2).transport(), Transport::H2);
        assert_eq!(plan.clone().header_line("transfer-encoding: chunked").unwrap().transport(), Transport::Hyper);
        let forced = Wire { transport: Some(Transport::Hyper), ..Wire::default() };
        assert_eq!(plan.over(forced).transport(), Transport::Hyper);
    }

    #[test]
    fn nonsense_is_refused_without_showing_secrets() {
        assert!(matches!(RequestPlan::new("GE T", "http://x/"), Err(BadRequestPlan::Method { .. })));
        let plan = RequestPlan::get("http://x/").unwrap();
        assert!(plan.clone().header_line("no colon").is_err());
        assert!(plan.clone().header_line(": empty").is_err());
        let error = plan.header_line("Authorization: sec\nret").unwrap_err().to_string();
        assert!(error.contains("Authorization") && !error.contains("ret"), "{error}");
    }
}
