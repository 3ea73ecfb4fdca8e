//! What was asked, as a verb and its object.

use super::{counted, number, short_value, span, text};
use crate::history::Operation;

/// A verb as it was done and as it is asked for, and what it is about.
pub(super) struct Deed {
    pub(super) past: &'static str,
    pub(super) plain: &'static str,
    pub(super) object: String,
}

impl Deed {
    fn new(past: &'static str, plain: &'static str, object: impl Into<String>) -> Self {
        Self { past, plain, object: object.into() }
    }
}

/// The deed of an operation.
pub(super) fn deed(operation: &Operation) -> Deed {
    let op = operation.op.as_str();
    of_stock(op, operation)
        .or_else(|| of_lock(op, operation))
        .or_else(|| of_value(op, operation))
        .or_else(|| of_others(op, operation))
        .unwrap_or_else(|| {
            let with: Vec<String> =
                operation.input.iter().map(|(name, value)| format!("{name} {}", short_value(value))).collect();
            let with = if with.is_empty() { String::new() } else { format!(" ({})", with.join(", ")) };
            Deed::new("did", "do", format!("`{op}`{with}"))
        })
}

fn of_stock(op: &str, operation: &Operation) -> Option<Deed> {
    let input = &operation.input;
    let units = || number(input, "units").map_or_else(|| "units".to_owned(), |units| counted(units, "unit"));
    let held = || match text(input, "reservation") {
        Some(reservation) => format!("{} of reservation {reservation}", units()),
        None => units(),
    };
    let change =
        |fields: &crate::history::Fields, name: &str| number(fields, name).map(|delta| format!("{delta:+} {name}"));
    Some(match op {
        "reserve" => Deed::new("reserved", "reserve", units()),
        "release" if input.get("token").is_none() && input.get("units").is_some() => {
            Deed::new("gave back", "give back", held())
        }
        "confirm" => Deed::new("shipped", "ship", held()),
        "receive" => Deed::new("received", "receive", units()),
        "adjust" => {
            let delta = number(input, "delta").map_or_else(|| "some units".to_owned(), |delta| format!("{delta:+}"));
            Deed::new("adjusted the stock by", "adjust the stock by", delta)
        }
        "expire" => Deed::new("let expire", "let expire", held()),
        "movement" => {
            let out = &operation.output;
            let names = ["available", "reserved", "shipped", "received"];
            let changes: Vec<String> = names.iter().filter_map(|name| change(out, name)).collect();
            Deed::new("books", "book", changes.join(", "))
        }
        _ => return None,
    })
}

fn of_lock(op: &str, operation: &Operation) -> Option<Deed> {
    let input = &operation.input;
    let lease = || number(input, "ttl_ms").map_or(String::new(), |ms| format!(" for {}", span(ms)));
    let wait = || match number(input, "wait_ms") {
        None | Some(0) => String::new(),
        Some(ms) => format!(", waiting up to {}", span(ms)),
    };
    Some(match op {
        "acquire" => Deed::new("took the lock", "take the lock", format!("{}{}", lease().trim_start(), wait())),
        "release" if input.truth("foreign") == Ok(Some(true)) => {
            Deed::new("gave back", "give back", "the lock with somebody else's token")
        }
        "release" => Deed::new("gave back", "give back", "the lock"),
        "renew" => Deed::new("kept", "keep", format!("the lock{}", lease())),
        "exists" => Deed::new("looked", "look", "whether the lock is held"),
        "write" if input.get("fence").is_some() => {
            let value = text(input, "value").unwrap_or_else(|| "a value".to_owned());
            Deed::new("wrote", "write", format!("{value} under fence {}", text(input, "fence").unwrap_or_default()))
        }
        "read-guarded" => Deed::new("read", "read", "what the lock guards"),
        _ => return None,
    })
}

fn of_value(op: &str, operation: &Operation) -> Option<Deed> {
    let input = &operation.input;
    let value = |name: &str| text(input, name).unwrap_or_else(|| "a value".to_owned());
    Some(match op {
        "read" if operation.output.get("available").is_some() => Deed::new("read", "read", "the stock"),
        "read" => Deed::new("read", "read", ""),
        "write" => Deed::new("wrote", "write", value("value")),
        "cas" => Deed::new("changed", "change", format!("{} to {}", value("from"), value("to"))),
        "increment" => Deed::new("added", "add", text(input, "by").unwrap_or_else(|| "1".to_owned())),
        "snapshot" => Deed::new("read", "read", format!("{} at once", value("keys"))),
        "order" => {
            let lines = input.get("lines").and_then(serde_json::Value::as_array);
            let one = |line: &serde_json::Value| {
                let key = line.get("key").map(short_value).unwrap_or_default();
                format!("{} of {key}", line.get("units").map(short_value).unwrap_or_default())
            };
            let all: Vec<String> = lines.into_iter().flatten().take(super::PARTS).map(one).collect();
            Deed::new("ordered", "order", all.join(" and "))
        }
        _ => return None,
    })
}

fn of_others(op: &str, operation: &Operation) -> Option<Deed> {
    let input = &operation.input;
    let named = |name: &str| text(input, name).unwrap_or_default();
    Some(match op {
        "call" => Deed::new("called", "call", ""),
        "see" => Deed::new("asked for", "see", named("route")),
        "foreign" => Deed::new("asked for", "see", format!("{} with an id of {}", named("route"), named("owner"))),
        "baseline" => Deed::new("went through", "go through", format!("script {} alone", named("script"))),
        "loaded" => Deed::new("went through", "go through", format!("script {} under load", named("script"))),
        "create" => Deed::new(
            "created",
            "create",
            text(input, "body").map_or("it".to_owned(), |body| format!("it with body {body}")),
        ),
        "find" => Deed::new("looked", "look", "what exists under that key"),
        "effect" if input.get("job").is_some() => {
            Deed::new("looked", "look", format!("how often job {} took effect", named("job")))
        }
        "effect" => Deed::new("looked", "look", "what it changed in the end"),
        "enqueue" => Deed::new("handed in", "hand in", format!("job {}", named("job"))),
        "handled" => {
            let attempt = text(input, "attempt").map_or(String::new(), |attempt| format!(", attempt {attempt}"));
            Deed::new("worked on", "work on", format!("job {}{attempt}", named("job")))
        }
        "drained" => Deed::new("looked", "look", "what the queue holds at rest"),
        _ => return None,
    })
}
