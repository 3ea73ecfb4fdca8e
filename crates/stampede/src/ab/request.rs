//! ab's request: HTTP/1.0 with its few headers.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use stampede_engine::http::Version;
use stampede_engine::load::{RequestPlan, Reuse};

use super::args::AbOrder;
use crate::load::read_body;

/// The request that `order` describes.
pub(super) fn build(order: &AbOrder) -> anyhow::Result<RequestPlan> {
    let method = match (&order.method, &order.upload) {
        (Some(method), _) => method.as_str(),
        (None, Some(upload)) => upload.method,
        (None, None) => "GET",
    };
    let mut request = RequestPlan::new(method, &order.url)?.version(Version::Http10);
    // HTTP/1.0 closes unless asked not to.
    if order.reuse == Reuse::KeepAlive {
        request = request.header("connection", "Keep-Alive")?;
    }
    for cookie in &order.cookies {
        request = request.header("cookie", cookie).context("-C")?;
    }
    if let Some(credentials) = &order.credentials {
        request = request.header("authorization", &format!("Basic {}", STANDARD.encode(credentials)))?;
    }
    for line in &order.headers {
        request = request.header_line(line).context("-H")?;
    }
    for (name, value) in [("user-agent", concat!("stampede/", env!("CARGO_PKG_VERSION"))), ("accept", "*/*")] {
        if !request.headers().contains_key(name) {
            request = request.header(name, value)?;
        }
    }
    let Some(upload) = &order.upload else { return Ok(request) };
    let body = read_body(upload.file.as_ref())?;
    let content_type =
        HeaderValue::from_str(&order.content_type).with_context(|| format!("-T {}", order.content_type))?;
    Ok(request.body(body, content_type))
}
