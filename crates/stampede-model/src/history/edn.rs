//! Histories in the form that Jepsen's tools read: EDN, an invocation and a completion per operation.
//!
//! The value of an invocation is `[KEY INPUT]`, that of a completion `[KEY OUTPUT]`; times are nanoseconds from the start.

use std::io::{self, Write};

use serde_json::Value;

use super::{Fields, Operation, Outcome};

/// Writes `operations` as EDN maps, one a line, in the order of time.
///
/// # Errors
/// When the writer fails.
pub fn write_edn(to: &mut impl Write, operations: &[Operation]) -> io::Result<()> {
    let mut events: Vec<(u64, u8, usize)> = Vec::with_capacity(operations.len() * 2);
    for (at, operation) in operations.iter().enumerate() {
        // At one instant calls stand before returns: what touches is concurrent.
        events.push((operation.call_ns, 0, at));
        if let Some(return_ns) = operation.return_ns {
            events.push((return_ns, 1, at));
        }
    }
    events.sort_unstable();
    for (index, (time_ns, kind, at)) in events.into_iter().enumerate() {
        let operation = &operations[at];
        let (kind, fields) = if kind == 0 { ("invoke", &operation.input) } else { completion(operation) };
        write!(to, "{{:index {index}, :time {time_ns}, :type :{kind}, :process {}, :f :", operation.process)?;
        write!(to, "{}, :value [{} ", keyword(&operation.op), string(&operation.key))?;
        write_fields(to, fields)?;
        write!(to, "]")?;
        if kind != "invoke" && !operation.note.is_empty() {
            write!(to, ", :note {}", string(&operation.note))?;
        }
        writeln!(to, "}}")?;
    }
    Ok(())
}

fn completion(operation: &Operation) -> (&'static str, &Fields) {
    let kind = match operation.outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    };
    (kind, &operation.output)
}

fn write_fields(to: &mut impl Write, fields: &Fields) -> io::Result<()> {
    write!(to, "{{")?;
    for (at, (name, value)) in fields.iter().enumerate() {
        let gap = if at == 0 { "" } else { ", " };
        write!(to, "{gap}:{} ", keyword(name))?;
        write_value(to, value)?;
    }
    write!(to, "}}")
}

fn write_value(to: &mut impl Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => write!(to, "nil"),
        Value::Bool(truth) => write!(to, "{truth}"),
        Value::Number(number) => write!(to, "{number}"),
        Value::String(text) => write!(to, "{}", string(text)),
        Value::Array(items) => {
            write!(to, "[")?;
            for (at, item) in items.iter().enumerate() {
                write!(to, "{}", if at == 0 { "" } else { " " })?;
                write_value(to, item)?;
            }
            write!(to, "]")
        }
        Value::Object(fields) => {
            write!(to, "{{")?;
            for (at, (name, field)) in fields.iter().enumerate() {
                write!(to, "{}{} ", if at == 0 { "" } else { ", " }, string(name))?;
                write_value(to, field)?;
            }
            write!(to, "}}")
        }
    }
}

/// A name as an EDN keyword has it: letters, digits and dashes.
fn keyword(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}

/// A text as EDN quotes it: the escapes of JSON are EDN's, but for control characters, which are written as `\uXXXX` in both.
fn string(text: &str) -> String {
    Value::from(text).to_string()
}
