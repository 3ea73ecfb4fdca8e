//! One exchange in words, for people who try a scenario out.
//!
//! Invariant: neither the values of secret headers nor secrets of the environment are shown.

use std::fmt::Write as _;

use http::HeaderMap;
use stampede_model::failure::FailureKind;
use stampede_model::scenario::{Frame, Plan, Slot};

use super::Shared;
use crate::load::scenario::{Outgoing, Received};

/// Headers whose values are not shown.
const SECRET: [&str; 5] = ["authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"];
/// Longest part of a body that is shown.
const SHOWN: usize = 2_000;

/// The request.
pub(super) fn request(out: &mut String, plan: &Plan, name: &str, request: &Outgoing) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "--- {name}\n{} {}", request.method(), request.endpoint().path());
    headers(out, request.headers());
    body(out, plan, request.body_bytes());
}

/// The answer.
pub(super) fn answer(out: &mut String, plan: &Plan, received: &Received<'_>) {
    let _infallible = writeln!(out, "{}", received.status);
    headers(out, received.headers);
    body(out, plan, received.body);
}

/// Why the answer is not as expected.
pub(super) fn mismatch(out: &mut String, why: &str) {
    let _infallible = writeln!(out, "not as expected: {why}");
}

/// As what the request failed.
pub(super) fn failure(out: &mut String, kind: FailureKind) {
    let _infallible = writeln!(out, "FAILED: {kind}");
}

/// Shows what was collected, without secrets: neither those of the environment nor what was taken to be sent in a header
/// that is one, such as the token of a login.
pub(super) fn say(shared: &Shared, tell: &super::Tell, frame: &Frame, text: &str) {
    let mut text = shared.plan.redact(text);
    for step in shared.plan.steps() {
        let secret = step.request.headers.iter().filter(|(name, _)| SECRET.contains(&name.as_str()));
        for slot in secret.flat_map(|(_, value)| value.slots()) {
            if let Slot::Variable(number) = slot
                && let Some(value) = frame.variables[number].as_str().filter(|value| !value.is_empty())
            {
                text = text.replace(value, "***");
            }
        }
    }
    tell(&text);
}

fn headers(out: &mut String, headers: &HeaderMap) {
    for (name, value) in headers {
        let shown = if SECRET.contains(&name.as_str()) {
            "(not shown)".into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        let _infallible = writeln!(out, "  {name}: {shown}");
    }
}

fn body(out: &mut String, plan: &Plan, body: &[u8]) {
    if body.is_empty() {
        return;
    }
    // Hidden before it is cut: half a secret would not be found any more.
    let text = plan.redact(&String::from_utf8_lossy(body));
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str(" ...");
    }
    let _infallible = writeln!(out, "{shown}");
}
