//! The configuration file: TOML without tables, one key for each variable.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::faults::Fault;

/// The longest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// One key of the file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What stands behind a key, as the command line would have it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    One(String),
    Many(Vec<String>),
    /// What it is instead.
    Strange(&'static str),
}

/// A file as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) entries: Vec<Entry>,
    /// Whether everybody on this machine may read it.
    pub(super) is_public: bool,
}

impl File {
    /// Reads a file; `named_by` is the flag or variable that names it.
    pub(super) fn read(path: &Path, named_by: &str) -> Result<Self, Fault> {
        let shown = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            Fault::at(
                named_by,
                format!("names {shown}, which cannot be read: {error}"),
                "check the path and who may read it",
            )
        };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if metadata.len() > MAX_BYTES {
            return Err(Fault::at(
                named_by,
                format!("names {shown}, which is larger than 1 MiB"),
                "name a configuration file",
            ));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let mut file = Self::parse(&shown, &text)?;
        file.is_public = metadata.permissions().mode() & 0o004 != 0;
        Ok(file)
    }

    /// Reads a file's text.
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, Fault> {
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            let words = error.message().lines().next().unwrap_or_default().to_owned();
            Fault::at(format!("{path} line {line}"), format!("is not TOML: {words}"), "write lines like pool_size = 16")
        })?;
        let mut entries: Vec<Entry> = table
            .get_ref()
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                line: line_of(text, key.span().start),
                value: value_of(value.get_ref()),
            })
            .collect();
        entries.sort_by_key(|entry| entry.line);
        Ok(Self { path: path.to_owned(), entries, is_public: false })
    }
}

fn line_of(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or(1, |before| before.matches('\n').count() + 1)
}

fn value_of(value: &DeValue<'_>) -> Value {
    match one(value) {
        Ok(text) => Value::One(text),
        Err(strange) => match value {
            DeValue::Array(items) => {
                let texts: Result<Vec<String>, _> = items.iter().map(|item| one(item.get_ref())).collect();
                texts.map_or(Value::Strange("a list of something else than texts"), Value::Many)
            }
            _ => Value::Strange(strange),
        },
    }
}

fn one(value: &DeValue<'_>) -> Result<String, &'static str> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| "a number that is too large"),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Datetime(_) => Err("a date"),
        DeValue::Array(_) => Err("a list"),
        DeValue::Table(_) => Err("a table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_their_lines() {
        let text =
            "# head\npool_size = 1_6\nlog = \"info\"\n\nreplica_url = [\"a\", \"b\"]\ndemo = true\nx = 1.5\n[t]\n";
        let file = File::parse("f.toml", text).unwrap();
        let seen: Vec<String> =
            file.entries.iter().map(|entry| format!("{} {} {:?}", entry.line, entry.key, entry.value)).collect();
        insta::assert_debug_snapshot!(seen, @r#"
        [
            "2 pool_size One(\"16\")",
            "3 log One(\"info\")",
            "5 replica_url Many([\"a\", \"b\"])",
            "6 demo One(\"true\")",
            "7 x One(\"1.5\")",
            "8 t Strange(\"a table\")",
        ]
        "#);
    }

    #[test]
    fn what_is_no_toml_is_named_with_its_line() {
        let fault = File::parse("f.toml", "a = 1\nb = = 2\n").unwrap_err().to_string();
        assert!(fault.starts_with("f.toml line 2 is not TOML: "), "{fault}");
    }
}
