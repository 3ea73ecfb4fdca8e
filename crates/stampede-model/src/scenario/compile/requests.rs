//! The request of a step: where it goes, its headers, its body.

use super::Compiler;
use super::names::Scope;
use super::steps::{Around, UnknownHeader};
use super::texts::Into;
use crate::scenario::mistake::Place;
use crate::scenario::plan::{Body, Request};
use crate::scenario::read::{Entry, Fields, Node};
use crate::scenario::template::Template;

/// Largest body from a file.
const MAX_BODY: usize = 64 << 20;

impl Compiler<'_> {
    pub(super) fn read_request(
        &mut self,
        fields: &Fields<'_>,
        (method, path): (&str, Node<'_>),
        around: Around<'_, '_>,
        scope: &Scope,
    ) -> Option<Request> {
        let place = self.read_path(path, fields.get("query"), scope);
        let body = self.read_body(fields, scope);
        let headers = self.read_headers(fields, around, scope);
        let ((origin, path), (body, content_type), mut headers) = (place?, body?, headers?);
        if let Some(content_type) = content_type
            && !headers.iter().any(|(name, _)| name == "content-type")
        {
            let mut value = Template::default();
            value.literal(content_type);
            headers.push(("content-type".to_owned(), value));
        }
        Some(Request { method: method.to_uppercase(), origin, path, headers, body })
    }

    /// The body and its content type.
    fn read_body(&mut self, fields: &Fields<'_>, scope: &Scope) -> Option<(Body, Option<&'static str>)> {
        let present = fields.present(&["json", "form", "body", "body_file"]);
        let one = match present.as_slice() {
            [] => return Some((Body::Empty, None)),
            [one] => *one,
            [first, second, ..] => {
                let message = format!("a request has one body, here are `{}` and `{}`", first.key, second.key);
                self.findings.add(second.place, message, "keep one of them");
                return None;
            }
        };
        Some(match one.key {
            "json" => (Body::Text(self.json_template(one.node, scope)?), Some("application/json")),
            "form" => {
                let mut form = Template::default();
                self.pairs(one.node, scope, "", &mut form)?;
                (Body::Text(form), Some("application/x-www-form-urlencoded"))
            }
            "body" => (Body::Text(self.template(one.node, scope, Into::Plain)?), Some("text/plain")),
            _ => {
                let name = self.fixed_text(one.node)?;
                let path = self.beside(one.node.place, &name);
                let bytes = self.read_bytes(one.node.place, &path, MAX_BODY)?;
                let is_json = path.extension().is_some_and(|ending| ending == "json");
                (Body::Bytes(bytes), Some(if is_json { "application/json" } else { "application/octet-stream" }))
            }
        })
    }

    fn read_headers(
        &mut self,
        fields: &Fields<'_>,
        around: Around<'_, '_>,
        scope: &Scope,
    ) -> Option<Vec<(String, Template)>> {
        let own = fields.get("headers").map_or(Vec::new(), |node| node.map(&mut self.findings));
        let mut headers = Vec::new();
        let mut sound = true;
        for entry in &own {
            match self.read_header(entry, scope) {
                Some(header) => headers.push(header),
                None => sound = false,
            }
        }
        for entry in around.headers {
            let replaced = own.iter().any(|own| own.key.eq_ignore_ascii_case(entry.key));
            let known = around.unknown_header == UnknownHeader::Mistake || self.is_known(entry.node, scope);
            if replaced || !known {
                continue;
            }
            match self.read_header(entry, scope) {
                Some(header) => headers.push(header),
                None => sound = false,
            }
        }
        sound.then_some(headers)
    }

    /// A user's header on a request from a list.
    pub(super) fn list_header(&mut self, entry: &Entry<'_>, scope: &Scope) -> Option<(String, Template)> {
        self.read_header(entry, scope)
    }

    fn read_header(&mut self, entry: &Entry<'_>, scope: &Scope) -> Option<(String, Template)> {
        let name = self.header_name(entry.key, entry.place);
        let value = self.template(entry.node, scope, Into::Plain)?;
        if value.fixed().is_some_and(|value| value.chars().any(|letter| letter.is_control() && letter != '\t')) {
            self.findings.add(entry.node.place, "a header has one line", "remove the control characters");
            return None;
        }
        Some((name?, value))
    }

    /// The name in lower case, if it is one.
    pub(super) fn header_name(&mut self, name: &str, place: Place) -> Option<String> {
        match crate::target::HeaderName::try_from(name.to_owned()) {
            Ok(name) => Some(name.as_str().to_owned()),
            Err(why) => {
                self.findings.add(place, why, "letters, digits and -, such as x-request-id");
                None
            }
        }
    }
}
