//! Sets of statuses: `200`, `"2xx"`, or a list of them.

use super::Compiler;
use crate::scenario::plan::Statuses;
use crate::scenario::read::Node;

impl Compiler<'_> {
    /// 200, "2xx", or a list of them.
    pub(super) fn read_statuses(&mut self, node: Node<'_>) -> Option<Statuses> {
        let items = match node.value {
            toml::de::DeValue::Array(_) => node.list(&mut self.findings),
            _ => vec![node],
        };
        let mut ranges = Vec::new();
        for item in &items {
            let range = match item.json() {
                serde_json::Value::Number(number) => {
                    number.as_u64().and_then(|code| u16::try_from(code).ok()).map(|code| (code, code))
                }
                serde_json::Value::String(text) => class(&text),
                _ => None,
            };
            let Some(range) = range.filter(|(from, to)| 100 <= *from && *to <= 599) else {
                let hint = "write a number from 100 to 599, a class such as \"2xx\", or a list of them";
                self.findings.add(item.place, "this is no HTTP status", hint);
                return None;
            };
            ranges.push(range);
        }
        if ranges.is_empty() {
            self.findings.add(node.place, "no status at all", "name at least one, or leave the key out");
            return None;
        }
        Some(Statuses(ranges))
    }
}

/// `2xx` as the range of its statuses.
fn class(text: &str) -> Option<(u16, u16)> {
    let hundred = text.to_ascii_lowercase().strip_suffix("xx")?.parse::<u16>().ok()?;
    (1..=5).contains(&hundred).then_some((hundred * 100, hundred * 100 + 99))
}
