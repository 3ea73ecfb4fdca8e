//! A counterexample as a shell script of curl calls: in the order of the calls, those at the same time at the same time.
//!
//! Invariants: no value of a history becomes a command, because each stands in single quotes and line ends are spelt out; a
//! call waits for those that had been answered before it, and for no other.
//! Absent on purpose: what a history does not hold. Address and token are variables, bodies are the operation's inputs.

use std::fmt::Write;

use stampede_model::check::counterexample::{Counterexample, Shown};

use super::words::of_key;
use crate::words::plain;

/// A pause shorter than this is left to chance.
const SHORTEST_PAUSE_NS: u64 = 10_000_000;

/// The script.
pub(crate) fn render(example: &Counterexample, url: &str) -> String {
    let mut script = format!(
        "#!/bin/sh\n# {}\n# Paths and bodies are as recorded: ids are those of that run, a body holds what the history knows.\n",
        of_key(&example.rule, &example.key)
    );
    let url = if url.is_empty() { "http://127.0.0.1:8080" } else { url };
    let _infallible = write!(
        script,
        "URL=${{URL:-{}}}\nTOKEN=${{TOKEN:?set TOKEN to an access token}}\nRUN=$(date +%s) # makes keys of idempotency new\n",
        expanded(url)
    );
    let calls: Vec<(&Shown, u64)> = example.operations.iter().filter_map(|one| Some((one, one.call_ns?))).collect();
    let mut waiting: Vec<&Shown> = Vec::new();
    let mut now_ns = 0;
    for &(one, call_ns) in &calls {
        let answered: Vec<&Shown> =
            waiting.extract_if(.., |other| other.return_ns.is_some_and(|end| end <= call_ns)).collect();
        for other in answered {
            now_ns = now_ns.max(other.return_ns.unwrap_or(now_ns));
            let _infallible = writeln!(script, "wait \"$P{}\"", other.id);
        }
        let pause_ns = call_ns.saturating_sub(now_ns);
        if pause_ns >= SHORTEST_PAUSE_NS {
            let _infallible =
                writeln!(script, "sleep {}.{:03}", pause_ns / 1_000_000_000, pause_ns / 1_000_000 % 1_000);
        }
        now_ns = now_ns.max(call_ns);
        let _infallible = writeln!(script, "\n# #{} {}", one.id, plain(&one.sentence()));
        if let Some(call) = curl(one) {
            let _infallible = writeln!(script, "{call} & P{}=$!", one.id);
            waiting.push(one);
        } else {
            script.push_str("# (the history does not tell the request)\n");
        }
    }
    script.push_str("wait\n");
    script
}

fn curl(one: &Shown) -> Option<String> {
    let request = one.request()?;
    let mut call = format!(
        "curl -sS -i -X {} \"$URL\"{} -H \"Authorization: Bearer $TOKEN\"",
        request.method,
        quoted_always(request.path)
    );
    if let Some(key) = &one.idempotency_key {
        let _infallible = write!(call, " -H {}\"-$RUN\"", quoted_always(&format!("Idempotency-Key: {key}")));
    }
    if !matches!(request.method, "GET" | "HEAD" | "DELETE") || (request.method == "DELETE" && !one.input.is_empty()) {
        let body = serde_json::to_string(&one.input).unwrap_or_default();
        let _infallible = write!(call, " -H 'Content-Type: application/json' -d {}", quoted_always(&body));
    }
    Some(call)
}

/// A word of a shell command; quotes are left out where nothing needs them.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=".contains(letter);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        quoted_always(text)
    }
}

fn quoted_always(text: &str) -> String {
    format!("'{}'", plain(text).replace('\'', r"'\''"))
}

/// The default of a variable: in double quotes, where four letters have a meaning.
fn expanded(text: &str) -> String {
    let mut safe = String::from('"');
    for letter in plain(text).chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            safe.push('\\');
        }
        safe.push(letter);
    }
    safe.push('"');
    safe
}
