//! What is made of an answer: expectations and variables taken from it. And paths, which are made of both.

use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;
use toml::de::DeValue;

use super::Compiler;
use super::names::Scope;
use super::texts::Into;
use crate::scenario::keys::{EXPECT, TAKE_TABLE};
use crate::scenario::mistake::Place;
use crate::scenario::plan::{Expect, ExpectJson, Take, TakeFrom};
use crate::scenario::read::{Entry, Fields, Node};
use crate::scenario::template::Template;

/// Largest compiled regular expression.
const REGEX_BYTES: usize = 1 << 20;

impl Compiler<'_> {
    pub(super) fn read_expect(&mut self, step: &Fields<'_>, scope: &Scope) -> Option<Expect> {
        let Some(node) = step.get("expect") else { return Some(Expect::default()) };
        let fields = node.fields(&EXPECT, &mut self.findings)?;
        let mut expect = Expect {
            status: fields.get("status").and_then(|node| self.read_statuses(node)),
            max_time: fields.get("max_time").and_then(|node| node.some_time(&mut self.findings)),
            ..Expect::default()
        };
        for entry in fields.get("json").map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            let path = self.json_path(entry.key, entry.place);
            let value = self.json_template(entry.node, scope);
            if let (Some(path), Some(value)) = (path, value) {
                expect.json.push(ExpectJson { path, shown: entry.key.to_owned(), value });
            }
        }
        if let Some(node) = fields.get("body_contains") {
            let texts = match node.value {
                DeValue::Array(_) => node.list(&mut self.findings),
                _ => vec![node],
            };
            let texts: Vec<_> = texts.iter().filter_map(|text| self.template(*text, scope, Into::Plain)).collect();
            expect.body_contains = texts;
        }
        for entry in fields.get("header").map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            let name = self.header_name(entry.key, entry.place);
            let value = self.template(entry.node, scope, Into::Plain);
            if let (Some(name), Some(value)) = (name, value) {
                expect.headers.push((name, value));
            }
        }
        Some(expect)
    }

    fn json_path(&mut self, text: &str, place: Place) -> Option<JsonPath> {
        match JsonPath::parse(text) {
            Ok(path) => Some(path),
            Err(error) => {
                let message = format!("`{text}` is no JSONPath: {}", error.message());
                self.findings.add(place, message, "such as $.token, $.items[0].id or $..id (RFC 9535)");
                None
            }
        }
    }

    /// What a step takes; from here on the variables are in `scope`.
    pub(super) fn read_takes(&mut self, step: &Fields<'_>, conditional: bool, scope: &mut Scope) -> Option<Vec<Take>> {
        let mut takes = Vec::new();
        let mut sound = true;
        for entry in step.get("take").map_or(Vec::new(), |node| node.map(&mut self.findings)) {
            let Some(number) = self.variables.iter().position(|(name, _)| name == entry.key) else { continue };
            if conditional && !scope.known.contains(&number) {
                scope.maybe.insert(number);
            } else {
                scope.known.insert(number);
            }
            match self.read_take(&entry, number) {
                Some(take) => takes.push(take),
                None => sound = false,
            }
        }
        sound.then_some(takes)
    }

    fn read_take(&mut self, entry: &Entry<'_>, variable: usize) -> Option<Take> {
        let name = entry.key.to_owned();
        if let DeValue::String(path) = entry.node.value {
            let from = TakeFrom::Json(self.json_path(path, entry.node.place)?);
            return Some(Take { variable, name, from, default: None });
        }
        let fields = entry.node.fields(&TAKE_TABLE, &mut self.findings)?;
        let present = fields.present(&["json", "header", "regex"]);
        let [one] = present.as_slice() else {
            let hint = "such as \"$.token\", { header = \"location\" } or { regex = \"id=([0-9]+)\" }";
            self.findings.add(entry.place, format!("`{name}` is taken from one place: json, header or regex"), hint);
            return None;
        };
        let from = match one.key {
            "json" => {
                let path = one.node.text(&mut self.findings)?;
                TakeFrom::Json(self.json_path(path, one.node.place)?)
            }
            "header" => {
                let header = one.node.text(&mut self.findings)?;
                TakeFrom::Header(self.header_name(header, one.node.place)?)
            }
            _ => self.read_regex(one.node, fields.get("group"))?,
        };
        if one.key != "regex"
            && let Some(group) = fields.entry("group")
        {
            self.findings.add(group.place, "only a regex has groups", "remove `group`");
        }
        Some(Take { variable, name, from, default: fields.get("default").map(Node::json) })
    }

    fn read_regex(&mut self, node: Node<'_>, group: Option<Node<'_>>) -> Option<TakeFrom> {
        let text = node.text(&mut self.findings)?;
        let regex: Regex = match regex::RegexBuilder::new(text).size_limit(REGEX_BYTES).build() {
            Ok(regex) => regex,
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                let hint = "in quotes \"..\" a backslash is written twice, in '..' once";
                self.findings.add(node.place, format!("no regular expression: {why}"), hint);
                return None;
            }
        };
        let groups = regex.captures_len() - 1;
        let group = match group.map(|node| (node, node.json())) {
            None => groups.min(1),
            Some((_, Value::Number(number))) if number.as_u64().is_some_and(|number| number as usize <= groups) => {
                number.as_u64().unwrap_or(0) as usize
            }
            Some((node, Value::String(name))) => {
                let found = regex.capture_names().position(|known| known == Some(name.as_str()));
                if found.is_none() {
                    self.no_such("group", &name, node.place, regex.capture_names().flatten());
                }
                found?
            }
            Some((node, _)) => {
                let hint = format!("it has {groups}; group 0 is the whole match");
                self.findings.add(node.place, "the expression has no such group", hint);
                return None;
            }
        };
        Some(TakeFrom::Regex { regex, group })
    }

    /// The server and the path of a request.
    pub(super) fn read_path(
        &mut self,
        node: Node<'_>,
        query: Option<Node<'_>>,
        scope: &Scope,
    ) -> Option<(usize, Template)> {
        let written = node.text(&mut self.findings)?;
        let path = self.template(node, scope, Into::Path)?;
        let first = path.first_literal().unwrap_or("").to_owned();
        if let Some(bad) = path.literals().flat_map(str::chars).find(|letter| !is_url_letter(*letter)) {
            let message = format!("`{}` cannot stand in a URL", bad.escape_default());
            self.findings.add(node.place, message, "write it as %XX, a space as %20");
            return None;
        }
        let mut whole = Template::default();
        let origin;
        if first.starts_with("http://") || first.starts_with("https://") {
            let (server, _) = match super::target::split_url(&first) {
                Ok(parts) => parts,
                Err(why) => {
                    self.findings.add(node.place, why, "a step has a path, or a URL in full");
                    return None;
                }
            };
            origin = self.origin(server);
            whole = path.without_start(server.len());
            if !whole.first_literal().is_some_and(|rest| rest.starts_with('/')) {
                whole = whole.behind("/");
            }
        } else if first.starts_with('/') {
            origin = self.target_origin();
            whole.literal(&self.base_path);
            whole.append(&path);
        } else if first.is_empty() && path.fixed().is_none() {
            origin = self.target_origin();
            whole.append(&path);
        } else {
            let hint = format!("write \"/{written}\"");
            self.findings.add(node.place, "a path begins with a slash", hint);
            return None;
        }
        if let Some(query) = query {
            let start = if written.contains('?') { "&" } else { "?" };
            self.pairs(query, scope, start, &mut whole)?;
        }
        Some((origin, whole))
    }

    /// Appends `name=value` pairs, `start` before the first of them.
    pub(super) fn pairs(&mut self, node: Node<'_>, scope: &Scope, start: &str, out: &mut Template) -> Option<()> {
        let mut sound = true;
        for (number, entry) in node.map(&mut self.findings).into_iter().enumerate() {
            out.literal(if number == 0 { start } else { "&" });
            let mut name = String::new();
            crate::scenario::template::percent_encode(&mut name, entry.key);
            out.literal(&name);
            out.literal("=");
            if matches!(entry.node.value, DeValue::String(_)) {
                match self.template(entry.node, scope, Into::Query) {
                    Some(value) => out.append(&value),
                    None => sound = false,
                }
                continue;
            }
            if let value @ (Value::Number(_) | Value::Bool(_)) = entry.node.json() {
                out.literal(&value.to_string());
            } else {
                self.findings.add(entry.node.place, "a list or table cannot stand here", "write a text or a number");
                sound = false;
            }
        }
        sound.then_some(())
    }
}

fn is_url_letter(letter: char) -> bool {
    letter.is_ascii_graphic() && !"\"<>\\^`#".contains(letter)
}
