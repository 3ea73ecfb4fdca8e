//! Writing one value where its slot stands, so that it cannot change the shape of what is around it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Dice, Form, Frame, Slot};
use crate::scenario::plan::Feed;

pub(super) fn fill(out: &mut String, (slot, form): (Slot, Form), feeds: &[Feed], frame: &Frame, dice: &mut impl Dice) {
    match slot {
        Slot::Variable(number) => write_value(out, &frame.variables[number], form),
        Slot::Column { feed, column } => write_value(out, feeds[feed].cell(frame.rows[feed], column), form),
        Slot::User => append(out, format_args!("{}", frame.user)),
        Slot::Iteration => append(out, format_args!("{}", frame.iteration)),
        Slot::NowMs => append(out, format_args!("{}", dice.now_ms())),
        Slot::Random { from, to } => append(out, format_args!("{}", dice.between(from, to))),
        Slot::Uuid => {
            let quote = if form == Form::JsonValue { "\"" } else { "" };
            out.push_str(quote);
            write_uuid(out, dice.bits());
            out.push_str(quote);
        }
    }
}

/// Version 4, RFC 9562.
pub(super) fn write_uuid(out: &mut String, bits: u128) {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
    let (a, b, c, d) = (bits >> 96, bits >> 80 & 0xffff, bits >> 64 & 0xffff, bits >> 48 & 0xffff);
    append(out, format_args!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", bits & 0xffff_ffff_ffff));
}

/// Writes one value where a slot of this form stands.
pub(in crate::scenario) fn write_value(out: &mut String, value: &Value, form: Form) {
    match (value, form) {
        (Value::String(text), Form::Recorded) if is_whole_number(text) => out.push_str(text),
        (_, Form::JsonValue | Form::Recorded) => append(out, format_args!("{value}")),
        (Value::String(text), Form::Bare) => out.push_str(text),
        (Value::String(text), Form::Url) => percent_encode(out, text),
        (Value::String(text), Form::JsonText) => json_escape(out, text),
        (other, Form::Bare) => append(out, format_args!("{other}")),
        (other, Form::Url) => percent_encode(out, &other.to_string()),
        (other, Form::JsonText) => json_escape(out, &other.to_string()),
    }
}

/// Whether a number would be written as this text. An id such as `007` is none: it would come back as another one.
fn is_whole_number(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|number| number.to_string() == text)
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

/// A text as it stands between the quotes of a JSON text.
pub(in crate::scenario) fn json_escape(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push_str(text);
        return;
    }
    let quoted = Value::String(text.to_owned()).to_string();
    out.push_str(&quoted[1..quoted.len() - 1]);
}

pub(in crate::scenario) fn percent_encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            append(out, format_args!("%{byte:02X}"));
        }
    }
}
