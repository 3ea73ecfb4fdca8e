//! Lists of URLs as siege reads them.
//!
//! One URL per line; `#` begins a comment; `NAME = value` (or `$NAME=value`) declares a text that `$NAME`, `${NAME}` and
//! `$(NAME)` stand for; `URL POST name=value` sends a body, `URL POST <file` that of a file.
//! Absent on purpose: slots. A list from another tool may have braces of its own.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Compiler;
use super::feeds::Sheet;
use crate::scenario::mistake::{Place, did_you_mean};

/// Largest body that is read from a file.
const MAX_BODY: usize = 64 << 20;
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The columns of a list.
pub(super) const COLUMNS: [&str; 5] = ["url", "path", "method", "body", "file"];

impl Compiler<'_> {
    pub(super) fn sheet_of_urls(&mut self, file: usize, text: &str) -> Option<Sheet> {
        let mut declared: BTreeMap<String, String> = BTreeMap::new();
        let mut rows = Vec::new();
        let mut start = 0;
        let mut sound = true;
        for line in text.split_inclusive('\n') {
            let place = Place { file, start, end: start + line.trim_end().len() };
            start += line.len();
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some((name, value)) = declaration(line) {
                match substituted(value, &declared) {
                    Ok(value) => {
                        declared.insert(name.to_owned(), value);
                    }
                    Err(name) => sound = self.undeclared(&name, place, &declared),
                }
                continue;
            }
            match substituted(line, &declared) {
                Ok(line) => match self.url_row(&line, place) {
                    Some(row) => rows.push(row),
                    None => sound = false,
                },
                Err(name) => sound = self.undeclared(&name, place, &declared),
            }
        }
        sound.then(|| Sheet { columns: COLUMNS.iter().map(|name| (*name).to_owned()).collect(), rows })
    }

    fn undeclared(&mut self, name: &str, place: Place, declared: &BTreeMap<String, String>) -> bool {
        let hint = did_you_mean(name, declared.keys().map(String::as_str), &format!("declare it above: {name} = .."));
        self.findings.add(place, format!("`{name}` is not declared"), hint);
        false
    }

    fn url_row(&mut self, line: &str, place: Place) -> Option<Vec<Value>> {
        let mut words = line.splitn(3, char::is_whitespace);
        let url = words.next().unwrap_or_default();
        let method = words.next().unwrap_or("GET");
        let rest = words.next().unwrap_or("").trim();
        if !METHODS.contains(&method) {
            let hint = did_you_mean(&method.to_uppercase(), METHODS, "a line is: URL METHOD body");
            self.findings.add(place, format!("`{method}` is no method"), hint);
            return None;
        }
        // Like siege, a host without a scheme is one of http.
        let url = if url.contains("://") || url.starts_with('/') { url.to_owned() } else { format!("http://{url}") };
        let path = match super::target::split_url(&url) {
            Ok((_, path)) => path,
            Err(_) if url.starts_with('/') => url.as_str(),
            Err(why) => {
                self.findings.add(place, why, "a line begins with a URL, or with a path of the target");
                return None;
            }
        };
        let path = path.split('#').next().unwrap_or(path).to_owned();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let (body, file) = match rest.strip_prefix('<') {
            Some(name) => {
                let beside = self.beside(place, name.trim());
                self.read_bytes(place, &beside, MAX_BODY)?;
                (String::new(), beside.display().to_string())
            }
            None => (rest.to_owned(), String::new()),
        };
        Some([url, path, method.to_owned(), body, file].map(Value::from).to_vec())
    }

    /// The bytes of a file that a list names; it was there a moment ago.
    pub(super) fn list_body(&mut self, name: &str, place: Place) -> Option<Vec<u8>> {
        self.read_bytes(place, Path::new(name), MAX_BODY)
    }
}

/// Splits `NAME = value`; `None` for anything else.
fn declaration(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let name = name.strip_prefix('$').unwrap_or(name);
    is_name(name).then(|| (name, value.trim()))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Replaces references to declared names. A bare `$name` that nobody declared is part of the URL; one in brackets is a
/// mistake.
fn substituted(line: &str, declared: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let bracketed = [('{', '}'), ('(', ')')].into_iter().find_map(|(open, close)| {
            let inside = after.strip_prefix(open)?;
            let end = inside.find(close)?;
            is_name(&inside[..end]).then(|| (&inside[..end], &inside[end + 1..]))
        });
        if let Some((name, behind)) = bracketed {
            out.push_str(declared.get(name).ok_or_else(|| name.to_owned())?);
            rest = behind;
            continue;
        }
        let length = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(after.len());
        if let Some(value) = declared.get(&after[..length]) {
            out.push_str(value);
            rest = &after[length..];
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_declared_and_replaced() {
        assert_eq!(declaration("HOST = a.test"), Some(("HOST", "a.test")));
        assert_eq!(declaration("$HOST=a.test"), Some(("HOST", "a.test")));
        assert_eq!(declaration("http://a.test/?b=c"), None);
        assert_eq!(declaration("a.test/?b=c"), None);
        let declared = BTreeMap::from([("HOST".to_owned(), "a.test".to_owned())]);
        for text in ["http://$HOST/x", "http://${HOST}/x", "http://$(HOST)/x"] {
            assert_eq!(substituted(text, &declared).unwrap(), "http://a.test/x");
        }
        assert_eq!(substituted("/x?$filter=a&$HOSTS", &declared).unwrap(), "/x?$filter=a&$HOSTS");
        assert_eq!(substituted("/${PORT}", &declared), Err("PORT".to_owned()));
        assert_eq!(substituted("/${", &declared).unwrap(), "/${");
    }
}
