//! The slowest requests of each step, remembered so that they can be sent again.
//!
//! Invariants: a request that is not among the slowest costs one comparison; no secret is kept; memory is bounded by
//! [`StepResult::MAX_SLOWEST`] lines of bounded length.

use std::collections::BTreeMap;
use std::fmt::Write;

use http::HeaderMap;
use stampede_model::run_result::{Exemplar, StepResult};

use crate::http::{RequestPlan, Version};

/// Headers whose values are nobody's business.
const SECRET: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "x-api-key", "set-cookie"];
/// Headers of an answer that name its maker or its trace.
const TELLING: [&str; 9] = [
    "server",
    "via",
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "x-trace-id",
    "x-served-by",
    "x-pod",
    "x-instance",
];
/// Most bytes of a body or a header value in a line.
const SHOWN_MAX: usize = 2_048;
/// What stands for a secret.
const REDACTED: &str = "***";

/// The slowest of one step on one thread.
#[derive(Debug, Default)]
pub(super) struct Slowest {
    kept: Vec<Exemplar>,
    /// What a request must exceed.
    floor_ns: u64,
}

impl Slowest {
    /// Whether a request that took `total_ns` belongs here.
    pub(super) fn is_slow(&self, total_ns: u64) -> bool {
        total_ns > self.floor_ns || self.kept.len() < StepResult::MAX_SLOWEST
    }

    /// Adds one, dropping the least slow if need be.
    pub(super) fn add(&mut self, exemplar: Exemplar) {
        self.kept.push(exemplar);
        if self.kept.len() > StepResult::MAX_SLOWEST {
            let least = self.kept.iter().enumerate().min_by_key(|(_, kept)| kept.total_ns).map(|(index, _)| index);
            least.map(|index| self.kept.swap_remove(index));
        }
        if self.kept.len() == StepResult::MAX_SLOWEST {
            self.floor_ns = self.kept.iter().map(|kept| kept.total_ns).min().unwrap_or(0);
        }
    }

    /// Adds another thread's.
    pub(super) fn merge(&mut self, other: Self) {
        for exemplar in other.kept {
            if self.is_slow(exemplar.total_ns) {
                self.add(exemplar);
            }
        }
    }

    /// All of them, the slowest first.
    pub(super) fn into_sorted(mut self) -> Vec<Exemplar> {
        self.kept.sort_by_key(|exemplar| std::cmp::Reverse(exemplar.total_ns));
        self.kept
    }
}

/// `request` as a `curl` command line, with secrets and every one of `redacted` replaced.
pub(super) fn curl(request: &RequestPlan, redacted: &[String]) -> String {
    // Hidden before it is quoted or cut: an apostrophe in a secret is not one any more afterwards.
    let quoted = |text: &str| quoted(&redact(text.to_owned(), redacted));
    let mut line = "curl".to_owned();
    if request.http_version() == Version::Http10 {
        line.push_str(" --http1.0");
    }
    if request.method() != http::Method::GET || request.body_len() > 0 {
        put(&mut line, format_args!(" -X {}", request.method()));
    }
    for (name, value) in request.headers() {
        if name == http::header::HOST && value.as_bytes() == request.endpoint().authority().as_bytes() {
            continue;
        }
        let secret = SECRET.contains(&name.as_str());
        let value = if secret { REDACTED.to_owned() } else { shown(value.as_bytes(), redacted) };
        put(&mut line, format_args!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    let body = request.body_bytes();
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) if text.len() <= SHOWN_MAX => put(&mut line, format_args!(" --data-raw {}", quoted(text))),
        _ => line.push_str(" --data-binary @BODY"),
    }
    put(&mut line, format_args!(" {}", quoted(&request.endpoint().to_string())));
    line
}

/// The headers of an answer that lead to its maker.
pub(super) fn telling(headers: Option<&HeaderMap>, redacted: &[String]) -> BTreeMap<String, String> {
    let Some(headers) = headers else { return BTreeMap::new() };
    let found = TELLING.iter().filter_map(|name| headers.get(*name).map(|value| (*name, value)));
    found.map(|(name, value)| (name.to_owned(), shown(value.as_bytes(), redacted))).collect()
}

fn redact(text: String, redacted: &[String]) -> String {
    redacted.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| {
        if text.contains(secret.as_str()) { text.replace(secret.as_str(), REDACTED) } else { text }
    })
}

fn shown(bytes: &[u8], redacted: &[String]) -> String {
    let mut text = redact(String::from_utf8_lossy(bytes).into_owned(), redacted);
    text.truncate(text.floor_char_boundary(SHOWN_MAX));
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn put(line: &mut String, text: std::fmt::Arguments<'_>) {
    line.write_fmt(text).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn exemplar(total_ns: u64) -> Exemplar {
        Exemplar {
            at_ns: 0,
            total_ns,
            wait_ns: 0,
            first_byte_ns: 0,
            receive_ns: 0,
            status: 200,
            curl: String::new(),
            answer_headers: BTreeMap::new(),
        }
    }

    proptest! {
        #[test]
        fn they_are_the_slowest_of_all(times in proptest::collection::vec(0_u64..1_000_000, 0..200), threads in 1_usize..4) {
            let mut parts: Vec<Slowest> = (0..threads).map(|_| Slowest::default()).collect();
            for (index, total_ns) in times.iter().enumerate() {
                let part = &mut parts[index % threads];
                if part.is_slow(*total_ns) {
                    part.add(exemplar(*total_ns));
                }
            }
            let mut all = Slowest::default();
            for part in parts {
                all.merge(part);
            }
            let kept: Vec<u64> = all.into_sorted().iter().map(|exemplar| exemplar.total_ns).collect();
            let mut sorted = times;
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            sorted.truncate(StepResult::MAX_SLOWEST);
            prop_assert_eq!(kept, sorted);
        }
    }

    #[test]
    fn a_line_can_be_pasted_and_holds_no_secret() {
        let request = RequestPlan::new("POST", "http://x.test:81/p?token=s3cret")
            .unwrap()
            .header_line("Authorization: Bearer abc")
            .unwrap()
            .header_line("X-Tenant: o'neill")
            .unwrap()
            .body(Bytes::from_static(b"{\"password\":\"s3cret\"}"), HeaderValue::from_static("application/json"));
        let line = curl(&request, &["s3cret".to_owned(), String::new()]);
        assert_eq!(
            line,
            "curl -X POST -H 'authorization: ***' -H 'x-tenant: o'\\''neill' -H 'content-type: application/json' \
             --data-raw '{\"password\":\"***\"}' 'http://x.test:81/p?token=***'"
        );
        assert_eq!(curl(&RequestPlan::get("http://x.test/").unwrap(), &[]), "curl 'http://x.test/'");
    }

    #[test]
    fn a_secret_is_hidden_before_it_is_quoted_or_cut() {
        let secret = "o'neill";
        let long = format!("{}{secret}", "x".repeat(SHOWN_MAX - 3));
        let request = RequestPlan::get("http://x.test/").unwrap().header("x-key", secret).unwrap();
        let request = request.header("x-long", &long).unwrap();
        let line = curl(&request, &[secret.to_owned()]);
        assert!(!line.contains("neill") && line.contains("-H 'x-key: ***'") && line.contains("x***'"), "{line}");
        assert!(!line.contains("o'"), "half a secret is one too: {line}");
    }

    #[test]
    fn of_an_answer_only_telling_headers_stay() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("17"));
        headers.insert("set-cookie", HeaderValue::from_static("session=1"));
        assert_eq!(telling(Some(&headers), &[]), BTreeMap::from([("x-request-id".to_owned(), "17".to_owned())]));
    }
}
