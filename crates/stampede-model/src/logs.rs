//! Lines of logs that speak of an error, grouped by what they say: numbers, ids and quoted words make no difference.
//!
//! Invariants: at most [`GROUPS_MAX`] groups are kept and the rest is counted, so a log of any length and any variety takes the same
//! memory; a line belongs to one group. Both forms are read: text with a level word, and one JSON document a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most groups that are kept.
pub const GROUPS_MAX: usize = 50;
/// How much of a line is looked at and shown, in characters.
pub const LINE_MAX: usize = 240;

/// Lines that say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// What they say, without what differs.
    pub message: String,
    /// How many.
    pub count: u64,
    /// Whose logs, and how many each.
    pub of: BTreeMap<String, u64>,
    /// The last of them, shortened.
    pub last: String,
}

/// Groups as lines come in.
#[derive(Clone, Debug, Default)]
pub struct LogGroups {
    groups: Vec<LogGroup>,
    /// Lines that found no room.
    left_out: u64,
}

impl LogGroups {
    /// Takes a line of somebody's log in, if it speaks of an error; tells whether it does.
    pub fn take(&mut self, whose: &str, line: &str) -> bool {
        let Some(message) = error_of(line) else { return false };
        let message = shape(&message);
        let last: String = line.trim().chars().take(LINE_MAX).collect();
        if let Some(group) = self.groups.iter_mut().find(|group| group.message == message) {
            group.count += 1;
            *group.of.entry(whose.to_owned()).or_default() += 1;
            group.last = last;
        } else if self.groups.len() < GROUPS_MAX {
            let of = BTreeMap::from([(whose.to_owned(), 1)]);
            self.groups.push(LogGroup { message, count: 1, of, last });
        } else {
            self.left_out += 1;
        }
        true
    }

    /// The groups, largest first, without those whose last line holds one of these words.
    pub fn without(&self, allowed: &[String]) -> Vec<LogGroup> {
        let is_allowed = |group: &LogGroup| {
            allowed.iter().any(|word| group.message.contains(word.as_str()) || group.last.contains(word.as_str()))
        };
        let mut groups: Vec<LogGroup> = self.groups.iter().filter(|group| !is_allowed(group)).cloned().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }

    /// Lines that found no room.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// What a line says, when it speaks of an error.
pub fn error_of(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with('{') {
        return error_of_json(line);
    }
    let words = ["ERROR", "FATAL", "PANIC", "CRITICAL"];
    let harmless = ["TRACE", "DEBUG", "INFO", "NOTICE", "LOG", "WARN", "WARNING", "DETAIL", "HINT", "STATEMENT"];
    // A level stands alone and near the beginning; the same word within a sentence is none.
    let mut ahead = line;
    for _ in 0..6 {
        ahead = ahead.trim_start();
        let end = ahead.find(char::is_whitespace).unwrap_or(ahead.len());
        let word = ahead[..end].trim_matches(|c: char| !c.is_ascii_alphanumeric());
        ahead = &ahead[end..];
        if words.contains(&word) {
            return Some(ahead.trim().to_owned());
        }
        if harmless.contains(&word) {
            break;
        }
    }
    line.contains("panicked at").then(|| line.to_owned())
}

fn error_of_json(line: &str) -> Option<String> {
    let Ok(Value::Object(entry)) = serde_json::from_str::<Value>(line) else { return None };
    let level = ["level", "severity", "lvl"].iter().find_map(|name| entry.get(*name)?.as_str())?;
    if !["error", "fatal", "panic", "critical"].contains(&level.to_ascii_lowercase().as_str()) {
        return None;
    }
    let message = ["message", "msg"].iter().find_map(|name| entry.get(*name)?.as_str()).unwrap_or("(no message)");
    let target = entry.get("target").and_then(Value::as_str).map(|target| format!("{target}: ")).unwrap_or_default();
    Some(format!("{target}{message}"))
}

/// A message without what differs from one line to the next: numbers, ids, quoted words.
pub fn shape(message: &str) -> String {
    let mut shape = String::new();
    for word in message.split_whitespace().take(40) {
        if !shape.is_empty() {
            shape.push(' ');
        }
        match word.split_once('=') {
            // key=value, as structured logs write it: the key tells, the value differs.
            Some((key, value)) if is_name(key) && !value.is_empty() => {
                shape.push_str(key);
                shape.push_str("=..");
            }
            _ if differs(word) => shape.push_str(".."),
            _ => shape.push_str(word),
        }
    }
    shape.chars().take(LINE_MAX).collect()
}

fn is_name(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// A word with a digit is an id or a number; one in quotes is somebody's.
fn differs(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit()) || word.starts_with(['"', '\'', '`'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_a_word_in_a_sentence_is_no_level() {
        for (line, said) in [
            (
                "2026-11-27T07:00:00Z ERROR kv::http: request failed status=500",
                Some("kv::http: request failed status=500"),
            ),
            ("2026-11-27 07:00:00.1 UTC [77] FATAL:  too many clients", Some("too many clients")),
            ("{\"level\":\"ERROR\",\"target\":\"a\",\"message\":\"no\"}", Some("a: no")),
            ("{\"severity\":\"fatal\",\"msg\":\"no\"}", Some("no")),
            ("thread 'main' panicked at src/main.rs:1:1:", Some("thread 'main' panicked at src/main.rs:1:1:")),
            ("2026-11-27T07:00:00Z  INFO kv::http: nothing at all is an ERROR here, it is a word", None),
            ("{\"level\":\"INFO\",\"message\":\"ERROR\"}", None),
            ("{not json ERROR", None),
            ("", None),
        ] {
            assert_eq!(error_of(line).as_deref(), said, "{line}");
        }
    }

    #[test]
    fn lines_that_differ_in_numbers_are_one_group_with_the_last_of_them() {
        let mut groups = LogGroups::default();
        for number in 0..30 {
            let line = format!("ERROR request failed status=500 took_us={number} id 3f{number}");
            assert!(groups.take(if number < 10 { "api-1" } else { "api-2" }, &line));
        }
        assert!(groups.take("api-1", "ERROR no connection"));
        assert!(!groups.take("api-1", "INFO all is well"));
        let found = groups.without(&[]);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].count, found[0].message.as_str()), (30, "request failed status=.. took_us=.. id .."));
        assert_eq!(found[0].of, BTreeMap::from([("api-1".to_owned(), 10), ("api-2".to_owned(), 20)]));
        assert!(found[0].last.ends_with("id 3f29"), "{found:?}");
        assert_eq!(groups.without(&["no connection".to_owned()]).len(), 1);
    }

    #[test]
    fn memory_is_bounded_whatever_is_logged() {
        let mut groups = LogGroups::default();
        for number in 0..1_000_u32 {
            let word: String =
                number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).chain("z".chars()).collect();
            groups.take("a", &format!("ERROR {word}"));
        }
        assert_eq!((groups.without(&[]).len(), groups.left_out()), (GROUPS_MAX, 950));
        groups.take("a", &format!("ERROR {}", "x".repeat(10_000)));
        assert!(groups.groups.iter().all(|group| group.last.chars().count() <= LINE_MAX));
    }
}
