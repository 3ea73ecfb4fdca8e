//! Reading values out of the parsed TOML: each with its place, every mistake noted, none of them the end.

use std::time::Duration;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Kind;
use super::mistake::{Findings, Place, did_you_mean};
use crate::units::{parse_duration, parse_rate};

/// A value and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'d> {
    pub(super) value: &'d DeValue<'d>,
    pub(super) place: Place,
}

/// One key of a table, where it stands, and its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'d> {
    pub(super) key: &'d str,
    pub(super) place: Place,
    pub(super) node: Node<'d>,
}

/// A table whose keys are known.
#[derive(Clone, Debug)]
pub(super) struct Fields<'d> {
    kind: &'static Kind,
    pub(super) place: Place,
    entries: Vec<Entry<'d>>,
}

impl<'d> Fields<'d> {
    /// The value of `key`, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Node<'d>> {
        self.entry(key).map(|entry| entry.node)
    }

    pub(super) fn entry(&self, key: &str) -> Option<Entry<'d>> {
        debug_assert!(self.kind.keys.iter().any(|known| known.name == key), "{key} is no key of {}", self.kind.name);
        self.entries.iter().find(|entry| entry.key == key).copied()
    }

    /// Those of `keys` that are there.
    pub(super) fn present(&self, keys: &[&str]) -> Vec<Entry<'d>> {
        keys.iter().filter_map(|key| self.entry(key)).collect()
    }
}

/// The entries of a table in the order of the file.
pub(super) fn entries<'d>(table: &'d DeTable<'d>, file: usize) -> Vec<Entry<'d>> {
    let mut entries: Vec<Entry<'d>> = table
        .iter()
        .map(|(key, value)| Entry { key: key.get_ref(), place: at(file, key), node: node(file, value) })
        .collect();
    entries.sort_by_key(|entry| entry.place);
    entries
}

pub(super) fn node<'d>(file: usize, value: &'d Spanned<DeValue<'d>>) -> Node<'d> {
    Node { value: value.get_ref(), place: at(file, value) }
}

fn at<T>(file: usize, value: &Spanned<T>) -> Place {
    let span = value.span();
    Place { file, start: span.start, end: span.end }
}

impl<'d> Node<'d> {
    fn sort(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a truth value",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }

    fn wrong(&self, findings: &mut Findings, wanted: &str, example: &str) {
        findings.add(
            self.place,
            format!("{} stands here, {wanted} is wanted", self.sort()),
            format!("write {example}"),
        );
    }

    /// The table, its keys checked against `kind`.
    pub(super) fn fields(self, kind: &'static Kind, findings: &mut Findings) -> Option<Fields<'d>> {
        let DeValue::Table(table) = self.value else {
            self.wrong(findings, &format!("a table ({})", kind.name), "it as { key = value, .. }");
            return None;
        };
        Some(fields_of(table, self.place, kind, findings))
    }

    /// The entries of a table whose keys are names.
    pub(super) fn map(self, findings: &mut Findings) -> Vec<Entry<'d>> {
        let DeValue::Table(table) = self.value else {
            self.wrong(findings, "a table of names", "it as { name = value, .. }");
            return Vec::new();
        };
        entries(table, self.place.file)
    }

    pub(super) fn list(self, findings: &mut Findings) -> Vec<Node<'d>> {
        let DeValue::Array(items) = self.value else {
            self.wrong(findings, "a list", "it as [ .. ]");
            return Vec::new();
        };
        items.iter().map(|item| node(self.place.file, item)).collect()
    }

    pub(super) fn text(self, findings: &mut Findings) -> Option<&'d str> {
        let DeValue::String(text) = self.value else {
            self.wrong(findings, "a text", "it in quotes");
            return None;
        };
        Some(text)
    }

    pub(super) fn truth(self, findings: &mut Findings) -> Option<bool> {
        let DeValue::Boolean(truth) = self.value else {
            self.wrong(findings, "a truth value", "true or false");
            return None;
        };
        Some(*truth)
    }

    /// A whole number of `range`.
    pub(super) fn count(self, range: std::ops::RangeInclusive<u64>, findings: &mut Findings) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let DeValue::Integer(number) = self.value else {
            self.wrong(findings, &wanted, "it without quotes and unit");
            return None;
        };
        let number = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            findings.add(self.place, "this number is out of range", format!("write {wanted}"));
        }
        number
    }

    pub(super) fn duration(self, findings: &mut Findings) -> Option<Duration> {
        let DeValue::String(text) = self.value else {
            self.wrong(findings, "a duration with its unit", "it as \"500ms\", \"30s\", \"2m\" or \"1h\"");
            return None;
        };
        parse_duration(text).map_err(|error| findings.add(self.place, error.to_string(), "the unit is needed")).ok()
    }

    /// As [`Node::duration`], and longer than nothing.
    pub(super) fn some_time(self, findings: &mut Findings) -> Option<Duration> {
        let time = self.duration(findings)?;
        if time.is_zero() {
            findings.add(self.place, "no time at all", "write a duration above 0");
            return None;
        }
        Some(time)
    }

    pub(super) fn rate(self, findings: &mut Findings) -> Option<f64> {
        let text = match self.value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            _ => {
                self.wrong(findings, "a rate", "it as \"200/s\", \"1.5k/s\" or \"90/m\"");
                return None;
            }
        };
        parse_rate(&text).map_err(|error| findings.add(self.place, error.to_string(), "a rate is above 0")).ok()
    }

    /// One of `words`, by its place among them.
    pub(super) fn word(self, words: &[&str], findings: &mut Findings) -> Option<usize> {
        let text = self.text(findings)?;
        let found = words.iter().position(|word| *word == text);
        if found.is_none() {
            let hint = did_you_mean(text, words.iter().copied(), "");
            findings.add(self.place, format!("`{text}` is none of the words that may stand here"), hint);
        }
        found
    }

    /// A value as JSON has it; dates become text.
    pub(super) fn json(self) -> Value {
        match self.value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::String(number.to_string()), Value::from),
            DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Array(items) => items.iter().map(|item| node(self.place.file, item).json()).collect(),
            DeValue::Table(table) => entries(table, self.place.file)
                .into_iter()
                .map(|entry| (entry.key.to_owned(), entry.node.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// The fields of `table`; a key that `kind` does not know is a mistake.
pub(super) fn fields_of<'d>(
    table: &'d DeTable<'d>,
    place: Place,
    kind: &'static Kind,
    findings: &mut Findings,
) -> Fields<'d> {
    let mut known = Vec::new();
    for entry in entries(table, place.file) {
        if kind.keys.iter().any(|key| key.name == entry.key) {
            known.push(entry);
        } else {
            let hint = did_you_mean(entry.key, kind.keys.iter().map(|key| key.name), "");
            findings.add(entry.place, format!("a {} has no key `{}`", kind.name, entry.key), hint);
        }
    }
    Fields { kind, place, entries: known }
}
