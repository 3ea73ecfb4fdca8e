//! Compiled texts: literals and slots, rendered into a buffer that is used again.
//!
//! Invariants: nothing is parsed or looked up by name while rendering; a value in a URL cannot change its shape, a value in
//! a JSON text cannot end it; constants are part of the literals.

use std::fmt::Write as _;

use serde_json::Value;

use super::plan::Feed;

/// What a slot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A variable of the virtual user, by its number.
    Variable(usize),
    /// A column of the row that was drawn from a feed.
    Column {
        /// The feed.
        feed: usize,
        /// The column.
        column: usize,
    },
    /// The virtual user's number.
    User,
    /// The iteration's number.
    Iteration,
    /// A new UUID.
    Uuid,
    /// Milliseconds since 1970.
    NowMs,
    /// A whole number between two, both included.
    Random {
        /// Smallest.
        from: i64,
        /// Largest.
        to: i64,
    },
}

/// How a value is written where its slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is; other values than text as JSON.
    Bare,
    /// Percent-encoded.
    Url,
    /// As a part of a JSON text.
    JsonText,
    /// As a whole JSON value.
    JsonValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Slot(Slot, Form),
}

/// A compiled text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// Where random numbers and the time come from.
pub trait Dice {
    /// A whole number between two, both included.
    fn between(&mut self, from: i64, to: i64) -> i64;
    /// 128 random bits.
    fn bits(&mut self) -> u128;
    /// Milliseconds since 1970.
    fn now_ms(&mut self) -> u64;
}

/// What one virtual user knows at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The user's number, from 1.
    pub user: u64,
    /// The iteration's number, from 0.
    pub iteration: u64,
    /// Its variables.
    pub variables: Vec<Value>,
    /// The rows that were drawn, one place per feed.
    pub rows: Vec<usize>,
}

impl Template {
    pub(super) fn literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(last)) => *last = format!("{last}{text}").into(),
            _ => self.parts.push(Part::Literal(text.into())),
        }
    }

    pub(super) fn slot(&mut self, slot: Slot, form: Form) {
        self.parts.push(Part::Slot(slot, form));
    }

    pub(super) fn append(&mut self, other: &Self) {
        for part in &other.parts {
            match part {
                Part::Literal(text) => self.literal(text),
                Part::Slot(slot, form) => self.slot(*slot, *form),
            }
        }
    }

    /// What it consists of besides slots.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(&**text),
            Part::Slot(..) => None,
        })
    }

    /// The literal it begins with.
    pub(super) fn first_literal(&self) -> Option<&str> {
        match self.parts.first() {
            Some(Part::Literal(text)) => Some(text),
            _ => None,
        }
    }

    /// The same without the first bytes of the literal it begins with.
    pub(super) fn without_start(&self, length: usize) -> Self {
        let mut rest = Self::default();
        rest.literal(self.first_literal().and_then(|text| text.get(length..)).unwrap_or(""));
        for part in self.parts.iter().skip(1) {
            rest.parts.push(part.clone());
        }
        rest
    }

    /// The two, one after the other.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.append(other);
        self
    }

    /// The same behind `text`.
    pub(super) fn behind(&self, text: &str) -> Self {
        let mut whole = Self::default();
        whole.literal(text);
        whole.append(self);
        whole
    }

    /// The text, if it is always the same.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Its slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.parts.iter().filter_map(|part| match part {
            Part::Slot(slot, _) => Some(*slot),
            Part::Literal(_) => None,
        })
    }

    /// Appends the text with every slot filled.
    pub fn render(&self, out: &mut String, feeds: &[Feed], frame: &Frame, dice: &mut impl Dice) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Slot(slot, form) => fill(out, (*slot, *form), feeds, frame, dice),
            }
        }
    }
}

fn fill(out: &mut String, (slot, form): (Slot, Form), feeds: &[Feed], frame: &Frame, dice: &mut impl Dice) {
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
fn write_uuid(out: &mut String, bits: u128) {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
    let (a, b, c, d) = (bits >> 96, bits >> 80 & 0xffff, bits >> 64 & 0xffff, bits >> 48 & 0xffff);
    append(out, format_args!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{:012x}", bits & 0xffff_ffff_ffff));
}

/// Writes one value where a slot of this form stands.
pub(super) fn write_value(out: &mut String, value: &Value, form: Form) {
    match (value, form) {
        (_, Form::JsonValue) => append(out, format_args!("{value}")),
        (Value::String(text), Form::Bare) => out.push_str(text),
        (Value::String(text), Form::Url) => percent_encode(out, text),
        (Value::String(text), Form::JsonText) => json_escape(out, text),
        (other, Form::Bare) => append(out, format_args!("{other}")),
        (other, Form::Url) => percent_encode(out, &other.to_string()),
        (other, Form::JsonText) => json_escape(out, &other.to_string()),
    }
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a String cannot fail");
}

/// A text as it stands between the quotes of a JSON text.
pub(super) fn json_escape(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.push_str(text);
        return;
    }
    let quoted = Value::String(text.to_owned()).to_string();
    out.push_str(&quoted[1..quoted.len() - 1]);
}

pub(super) fn percent_encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            append(out, format_args!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Loaded dice.
    pub(in crate::scenario) struct Loaded;

    impl Dice for Loaded {
        fn between(&mut self, from: i64, _to: i64) -> i64 {
            from
        }
        fn bits(&mut self) -> u128 {
            0
        }
        fn now_ms(&mut self) -> u64 {
            1_700_000_000_000
        }
    }

    fn frame(value: Value) -> Frame {
        Frame { user: 7, iteration: 3, variables: vec![value], rows: Vec::new() }
    }

    fn render(slot: Slot, form: Form, value: Value) -> String {
        let mut template = Template::default();
        template.slot(slot, form);
        let mut out = String::new();
        template.render(&mut out, &[], &frame(value), &mut Loaded);
        out
    }

    #[test]
    fn each_form_writes_a_value_so_that_it_stays_one() {
        let nasty = json!("a/b \"c\"\n?");
        assert_eq!(render(Slot::Variable(0), Form::Bare, nasty.clone()), "a/b \"c\"\n?");
        assert_eq!(render(Slot::Variable(0), Form::Url, nasty.clone()), "a%2Fb%20%22c%22%0A%3F");
        assert_eq!(render(Slot::Variable(0), Form::JsonText, nasty.clone()), "a/b \\\"c\\\"\\n?");
        assert_eq!(render(Slot::Variable(0), Form::JsonValue, nasty), "\"a/b \\\"c\\\"\\n?\"");
        assert_eq!(render(Slot::Variable(0), Form::JsonValue, json!(5)), "5");
        assert_eq!(render(Slot::Variable(0), Form::JsonText, json!({"a": 1})), "{\\\"a\\\":1}");
    }

    #[test]
    fn built_in_slots() {
        assert_eq!(render(Slot::User, Form::Bare, Value::Null), "7");
        assert_eq!(render(Slot::Iteration, Form::JsonValue, Value::Null), "3");
        assert_eq!(render(Slot::NowMs, Form::Url, Value::Null), "1700000000000");
        assert_eq!(render(Slot::Random { from: -2, to: 5 }, Form::Bare, Value::Null), "-2");
        assert_eq!(render(Slot::Uuid, Form::Bare, Value::Null), "00000000-0000-4000-8000-000000000000");
        assert_eq!(render(Slot::Uuid, Form::JsonValue, Value::Null), "\"00000000-0000-4000-8000-000000000000\"");
    }

    #[test]
    fn neighbouring_literals_are_one() {
        let mut template = Template::default();
        template.literal("a");
        template.literal("");
        template.literal("b");
        assert_eq!(template.fixed(), Some("ab"));
        template.slot(Slot::User, Form::Bare);
        assert_eq!(template.fixed(), None);
    }

    proptest! {
        #[test]
        fn a_text_in_json_reads_back(text in any::<String>()) {
            let mut template = Template::default();
            template.literal("{\"x\":\"<");
            template.slot(Slot::Variable(0), Form::JsonText);
            template.literal(">\",\"y\":");
            template.slot(Slot::Variable(0), Form::JsonValue);
            template.literal("}");
            let mut out = String::new();
            template.render(&mut out, &[], &frame(Value::String(text.clone())), &mut Loaded);
            let back: Value = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(&back["x"], &Value::String(format!("<{text}>")));
            prop_assert_eq!(&back["y"], &Value::String(text));
        }

        #[test]
        fn a_value_in_a_url_has_harmless_bytes_only(text in any::<String>()) {
            let shown = render(Slot::Variable(0), Form::Url, Value::String(text));
            prop_assert!(shown.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        }

        #[test]
        fn every_uuid_is_of_version_4(bits in any::<u128>()) {
            let mut out = String::new();
            write_uuid(&mut out, bits);
            prop_assert_eq!(out.len(), 36);
            prop_assert_eq!(&out[14..15], "4");
            prop_assert!("89ab".contains(&out[19..20]));
        }
    }
}
