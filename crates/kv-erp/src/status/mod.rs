//! `kv-erp status`: how a running service does, from its own `/readyz` and `/metrics`.

pub mod prometheus;
mod text;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::cli::StatusArgs;
use crate::config;
use crate::failure::{Failure, chain};
use prometheus::{Family, Kind, parse};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const ANSWER_MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a service said.
#[derive(Debug)]
pub struct Status {
    /// Where it is.
    pub url: String,
    /// Why it cannot serve; `None` when it can.
    pub unready: Option<String>,
    /// Its metrics.
    pub families: Vec<Family>,
}

/// Asks and prints.
///
/// # Errors
/// A failure when the service does not answer, or says that it is not ready: then after it was printed.
pub async fn run(args: &StatusArgs) -> Result<(), Failure> {
    let status = ask(&args.url).await?;
    config::write_out(&if args.json { json_of(&status) } else { text::render(&status) })?;
    match status.unready {
        None => Ok(()),
        Some(why) => Err(Failure::failed(format!("{} is not ready: {why}", status.url)).hint("its log has the cause")),
    }
}

async fn ask(url: &str) -> Result<Status, Failure> {
    let url = url.trim_end_matches('/').to_owned();
    let (ready, answer) = get(&url, "/readyz").await?;
    let unready = (!ready).then(|| {
        let problem: Value = serde_json::from_slice(&answer).unwrap_or_default();
        problem["code"].as_str().unwrap_or("no code").to_owned()
    });
    let (is_good, answer) = get(&url, "/metrics").await?;
    let families = parse(&String::from_utf8_lossy(&answer));
    if !is_good || families.is_empty() {
        return Err(
            Failure::failed(format!("{url}/metrics is not this service's")).hint("name the service's own address")
        );
    }
    Ok(Status { url, unready, families })
}

/// Whether the answer was good, and what it was.
async fn get(url: &str, path: &str) -> Result<(bool, Bytes), Failure> {
    let bad = |what: &str| Failure::usage(format!("--url {url} {what}")).hint("use http://HOST:PORT or https://HOST");
    let uri: Uri = format!("{url}{path}").parse().map_err(|_| bad("is no URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(bad("is neither http:// nor https:// with a host"));
    }
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(connector);
    let hint = "is the service up, and is this its address?";
    let exchange = async {
        let response = client.get(uri).await.map_err(|error| chain(&error))?;
        let is_good = response.status().is_success();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        Ok::<_, String>((is_good, body.map_err(|error| error.to_string())?.to_bytes()))
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("no answer in 5 s".to_owned()));
    answer.map_err(|error| Failure::failed(format!("{url}{path} was not reached: {error}")).hint(hint))
}

fn json_of(status: &Status) -> String {
    let families: serde_json::Map<String, Value> = status
        .families
        .iter()
        .map(|family| {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let samples: Vec<Value> = family
                .samples
                .iter()
                .map(|sample| {
                    let labels: serde_json::Map<String, Value> =
                        sample.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                    json!({ "name": sample.name, "labels": labels, "value": sample.value })
                })
                .collect();
            (family.name.clone(), json!({ "kind": kind, "help": family.help, "samples": samples }))
        })
        .collect();
    let document =
        json!({ "url": status.url, "ready": status.unready.is_none(), "reason": status.unready, "metrics": families });
    format!("{document:#}\n")
}
