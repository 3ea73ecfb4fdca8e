//! What was answered: the status, then the values that the answer showed.

use serde_json::Value;

use super::super::Request;
use super::{PARTS, counted, cut, short_value, span};
use crate::history::{Operation, Outcome};

/// The whole answer.
pub(in super::super) fn answered(operation: &Operation) -> String {
    if operation.op == "movement" {
        return seen(operation).join(", ");
    }
    let status = Request::of(&operation.note).and_then(|request| request.status).or_else(|| status_of(operation));
    let mut parts = vec![match (operation.outcome, &operation.refused, status) {
        (Outcome::Ok, _, Some(status)) => format!("answered {status}"),
        (Outcome::Ok, _, None) => "answered".to_owned(),
        (Outcome::Fail, Some(why), Some(status)) => format!("refused with {status} ({})", cut(why)),
        (Outcome::Fail, Some(why), None) => format!("refused ({})", cut(why)),
        (Outcome::Fail, None, Some(status)) => format!("answered {status}, without effect"),
        (Outcome::Fail, None, None) => "failed, without effect".to_owned(),
        (Outcome::Info, _, Some(status)) => format!("answered {status}; whether it took effect is unknown"),
        (Outcome::Info, _, None) => "no answer; whether it took effect is unknown".to_owned(),
    }];
    parts.extend(seen(operation));
    let mut answer = parts.join(", ");
    if operation.note.contains("; a resent request") {
        answer.push_str(" (known by sending it again)");
    }
    answer
}

/// The answer in a few words: the status and two values.
pub(super) fn short(operation: &Operation) -> String {
    const VALUES: usize = 2;
    let mut parts = vec![short_status(operation)];
    parts.extend(first(operation).take(VALUES).filter_map(|(name, value)| phrase(name, value)));
    parts.join(", ")
}

fn short_status(operation: &Operation) -> String {
    let status = Request::of(&operation.note).and_then(|request| request.status).or_else(|| status_of(operation));
    let code = status.map_or(String::new(), |status| status.to_string());
    match (operation.outcome, &operation.refused) {
        (Outcome::Ok, _) if code.is_empty() => "done".to_owned(),
        (Outcome::Fail, Some(why)) => format!("{code} {}", cut(why)).trim_start().to_owned(),
        (Outcome::Fail, None) if code.is_empty() => "failed".to_owned(),
        (Outcome::Info, _) if code.is_empty() => "no answer".to_owned(),
        _ => code,
    }
}

fn status_of(operation: &Operation) -> Option<u16> {
    operation.output.integer("status").ok().flatten().and_then(|status| u16::try_from(status).ok())
}

/// Values that matter more than others, in this order.
const FIRST: [&str; 12] = [
    "version",
    "fence",
    "id",
    "value",
    "available",
    "reserved",
    "shipped",
    "received",
    "remaining",
    "limit",
    "canaries",
    "ids",
];

/// Those of them that an answer showed; what a ledger books is told as a deed.
fn first(operation: &Operation) -> impl Iterator<Item = (&str, &Value)> {
    let is_booked = |name: &str| operation.op == "movement" && name != "version";
    FIRST.into_iter().filter(move |name| !is_booked(name)).filter_map(|name| Some((name, operation.output.get(name)?)))
}

/// What the answer showed, what matters most first.
fn seen(operation: &Operation) -> Vec<String> {
    let others = operation.output.iter().filter(|(name, value)| !FIRST.contains(name) && !value.is_null());
    first(operation).chain(others).filter_map(|(name, value)| phrase(name, value)).collect()
}

fn phrase(name: &str, value: &Value) -> Option<String> {
    let shown = short_value(value);
    Some(match name {
        "status" => return None,
        "available" => format!("{shown} available left"),
        "reserved" | "shipped" | "received" | "remaining" | "ready" | "delayed" | "dead" => format!("{shown} {name}"),
        "held" | "shows" | "replayed" => match (name, value.as_bool()?) {
            ("held", true) => "held".to_owned(),
            ("held", false) => "free".to_owned(),
            ("shows", true) => "shows what is not theirs".to_owned(),
            ("replayed", true) => "as a repeated answer".to_owned(),
            _ => return None,
        },
        "canaries" if value.as_array().is_some_and(Vec::is_empty) => "no mark of anybody".to_owned(),
        "canaries" => format!("shows {shown}"),
        "ids" => format!("{}: {shown}", counted(length(value), "thing")),
        "times" => value.as_i64().map_or_else(|| format!("{shown} times"), |times| counted(times, "time")),
        "units" => value.as_i64().map_or_else(|| format!("{shown} units"), |units| counted(units, "unit")),
        "limit" => format!("limit {shown}"),
        "reset_ms" => format!("window ends at {}", value.as_u64().map_or(shown, time_of_day)),
        "retry_after_ms" => format!("retry after {}", value.as_i64().map_or(shown, span)),
        "lines" => lines(value),
        _ => format!("{name} {shown}"),
    })
}

/// `09:27:53 UTC`.
fn time_of_day(unix_ms: u64) -> String {
    let second = unix_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60)
}

fn length(value: &Value) -> i64 {
    value.as_array().map_or(1, |parts| i64::try_from(parts.len()).unwrap_or(i64::MAX))
}

/// `A at version 3 with 2 left`.
fn lines(value: &Value) -> String {
    let one = |line: &Value| {
        let get = |name: &str| line.get(name).filter(|value| !value.is_null()).map(short_value);
        let version = get("version").map(|version| format!(" at version {version}"));
        let available = get("available").map(|available| format!(" with {available} left"));
        [get("key"), version, available].into_iter().flatten().collect::<String>()
    };
    value.as_array().into_iter().flatten().take(PARTS).map(one).collect::<Vec<_>>().join(", ")
}
