//! Texts with slots and JSON with slots, compiled.

use toml::de::DeValue;

use super::Compiler;
use super::names::{Meaning, Moment, Scope};
use crate::scenario::mistake::Place;
use crate::scenario::read::{Node, entries, node};
use crate::scenario::slots::{Piece, pieces};
use crate::scenario::template::{Form, Template, json_escape, percent_encode, write_value};
use serde_json::Value;

/// Where a text is put, which decides how its parts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// A header, a body, a text to compare with.
    Plain,
    /// A path: what is written stands as it is, what is filled in is encoded, unless it is the path's beginning.
    Path,
    /// A value of a query or form.
    Query,
    /// A text inside JSON.
    Json,
}

impl Compiler<'_> {
    /// Compiles the text at `node`.
    pub(super) fn template(&mut self, node: Node<'_>, scope: &Scope, into: Into) -> Option<Template> {
        let text = node.text(&mut self.findings)?;
        let pieces = self.pieces_of(node, text)?;
        let mut template = Template::default();
        let sound = self.put((&pieces, node, text), scope, into, &mut template);
        sound.then_some(template)
    }

    /// The text at `node`, which must be known before the run.
    pub(super) fn fixed_text(&mut self, node: Node<'_>) -> Option<String> {
        let scope = Scope { moment: Moment::Before, ..Scope::default() };
        let template = self.template(node, &scope, Into::Plain)?;
        template.fixed().map(ToOwned::to_owned)
    }

    fn pieces_of(&mut self, node: Node<'_>, text: &str) -> Option<Vec<Piece>> {
        match pieces(text) {
            Ok(pieces) => Some(pieces),
            Err(bad) => {
                let place = self.inside(node.place, text, &bad.at);
                self.findings.add(place, bad.message, bad.hint);
                None
            }
        }
    }

    /// Appends pieces to `template`; false after a mistake.
    fn put(
        &mut self,
        (pieces, node, text): (&[Piece], Node<'_>, &str),
        scope: &Scope,
        into: Into,
        template: &mut Template,
    ) -> bool {
        let mut sound = true;
        for (number, piece) in pieces.iter().enumerate() {
            let form = match into {
                Into::Plain => Form::Bare,
                Into::Path if number == 0 => Form::Bare,
                Into::Path | Into::Query => Form::Url,
                Into::Json => Form::JsonText,
            };
            match piece {
                Piece::Literal(literal) => template.literal(&encoded(literal, into)),
                Piece::Env { name, at } => {
                    let place = self.inside(node.place, text, at);
                    match self.env(name, place) {
                        Some(value) => template.literal(&shown(&Value::String(value), form)),
                        None => sound = false,
                    }
                }
                Piece::Slot { name, at } => {
                    let place = self.inside(node.place, text, at);
                    match self.meaning(name, place, scope) {
                        Some(Meaning::Constant(value)) => template.literal(&shown(&value, form)),
                        Some(Meaning::Slot(slot)) => template.slot(slot, form),
                        None => sound = false,
                    }
                }
            }
        }
        sound
    }

    /// A variable of the environment, remembered as a secret.
    pub(super) fn env(&mut self, name: &str, place: Place) -> Option<String> {
        let Some(value) = self.outside.env(name) else {
            let hint = format!("set it before the run: {name}=.. stampede run ..");
            self.findings.add(place, format!("the environment has no `{name}`"), hint);
            return None;
        };
        if !value.is_empty() && !self.secrets.contains(&value) {
            self.secrets.push(value.clone());
        }
        Some(value)
    }

    /// Compiles a JSON value whose texts have slots.
    pub(super) fn json_template(&mut self, node: Node<'_>, scope: &Scope) -> Option<Template> {
        let mut template = Template::default();
        self.put_json(node, scope, &mut template).then_some(template)
    }

    fn put_json(&mut self, at: Node<'_>, scope: &Scope, template: &mut Template) -> bool {
        match at.value {
            DeValue::String(text) => self.put_json_text(at, text, scope, template),
            DeValue::Array(items) => {
                let mut sound = true;
                template.literal("[");
                for (number, item) in items.iter().enumerate() {
                    template.literal(if number > 0 { "," } else { "" });
                    sound &= self.put_json(node(at.place.file, item), scope, template);
                }
                template.literal("]");
                sound
            }
            DeValue::Table(table) => {
                let mut sound = true;
                template.literal("{");
                for (number, entry) in entries(table, at.place.file).into_iter().enumerate() {
                    template.literal(if number > 0 { "," } else { "" });
                    template.literal(&Value::String(entry.key.to_owned()).to_string());
                    template.literal(":");
                    sound &= self.put_json(entry.node, scope, template);
                }
                template.literal("}");
                sound
            }
            _ => {
                template.literal(&at.json().to_string());
                true
            }
        }
    }

    fn put_json_text(&mut self, at: Node<'_>, text: &str, scope: &Scope, template: &mut Template) -> bool {
        let Some(pieces) = self.pieces_of(at, text) else { return false };
        if let [Piece::Slot { name, at: range }] = pieces.as_slice() {
            // A text that is one slot takes the value with its type.
            let place = self.inside(at.place, text, range);
            return match self.meaning(name, place, scope) {
                Some(Meaning::Constant(value)) => {
                    template.literal(&value.to_string());
                    true
                }
                Some(Meaning::Slot(slot)) => {
                    template.slot(slot, Form::JsonValue);
                    true
                }
                None => false,
            };
        }
        template.literal("\"");
        let sound = self.put((&pieces, at, text), scope, Into::Json, template);
        template.literal("\"");
        sound
    }

    /// The place of `range` within `text`, which stands at `place`; the whole when the text has escapes.
    pub(super) fn inside(&self, place: Place, text: &str, range: &std::ops::Range<usize>) -> Place {
        let source = self.files.get(place.file).and_then(|file| file.text.get(place.start..place.end));
        match source.and_then(|source| source.find(text)) {
            Some(offset) => {
                let start = place.start + offset;
                Place { file: place.file, start: start + range.start, end: start + range.end }
            }
            None => place,
        }
    }
}

fn encoded(literal: &str, into: Into) -> String {
    let mut out = String::new();
    match into {
        Into::Plain | Into::Path => out.push_str(literal),
        Into::Query => percent_encode(&mut out, literal),
        Into::Json => json_escape(&mut out, literal),
    }
    out
}

fn shown(value: &Value, form: Form) -> String {
    let mut out = String::new();
    write_value(&mut out, value, form);
    out
}
