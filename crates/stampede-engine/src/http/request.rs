//! The request to send, prepared so that sending it again costs a few reference counts.
//!
//! Invariants: everything that can be wrong with method, headers or body is refused here, before anything is sent;
//! `Host` is always present.

mod edit;
mod render;

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Request};
use thiserror::Error;

use super::endpoint::{BadUrl, Endpoint};
use super::wire::{Transport, Wire};
pub(crate) use render::Rendered;

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
