//! From flags to the one request of `pool` and `http`.

use anyhow::Context;
use bytes::Bytes;
use http::HeaderValue;
use stampede_engine::load::RequestPlan;

use super::args::RequestArgs;
use crate::load::read_body;

/// The request.
pub(super) fn plan(args: &RequestArgs) -> anyhow::Result<RequestPlan> {
    let body = match (&args.body, &args.body_file) {
        (Some(text), _) => Some(Bytes::copy_from_slice(text.as_bytes())),
        (None, Some(path)) => Some(read_body(path)?),
        (None, None) => None,
    };
    let method = args.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
    let mut request = RequestPlan::new(method, &args.url)?;
    for line in &args.headers {
        request = request.header_line(line).context("-H")?;
    }
    for (name, value) in [("user-agent", concat!("stampede/", env!("CARGO_PKG_VERSION"))), ("accept", "*/*")] {
        if !request.headers().contains_key(name) {
            request = request.header(name, value)?;
        }
    }
    let Some(body) = body else { return Ok(request) };
    let kind = HeaderValue::from_str(&args.content_type).with_context(|| format!("-T {}", args.content_type))?;
    Ok(request.body(body, kind))
}
