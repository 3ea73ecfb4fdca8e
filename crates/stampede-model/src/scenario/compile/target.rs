//! Where requests go, and the constants.

use serde_json::Value;

use super::Compiler;
use super::documents::Document;
use super::names::{Moment, Scope};
use super::texts::Into;
use crate::scenario::keys::TARGET;
use crate::scenario::mistake::{Place, did_you_mean};
use crate::scenario::plan::{Origin, Wire};
use crate::scenario::read::Node;

/// Largest file of certificates.
const MAX_CERTIFICATES: usize = 4 << 20;

/// Whether somebody says where requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HasTarget {
    Yes,
    No,
}

impl Compiler<'_> {
    pub(super) fn read_vars(&mut self, documents: &[Document<'_>]) {
        for entry in self.named(documents, "vars", "value") {
            self.check_new_name(entry.key, entry.place);
            let mut value = entry.node.json();
            if value.is_array() || value.is_object() {
                let hint = "a value is a text, a number or true or false; rows of values are a [feed.NAME]";
                self.findings.add(entry.node.place, "a list or table cannot be filled into a slot", hint);
                continue;
            }
            if value.is_string() {
                let scope = Scope { moment: Moment::Before, ..Scope::default() };
                let Some(text) = self.template(entry.node, &scope, Into::Plain) else { continue };
                value = Value::String(text.fixed().unwrap_or_default().to_owned());
            }
            self.constants.insert(entry.key.to_owned(), value);
        }
        for (name, written) in self.overrides.vars.clone() {
            // A secret may stay in the environment, and out of every output.
            let given = match written.strip_prefix("${env:").and_then(|rest| rest.strip_suffix('}')) {
                None => written.clone(),
                Some(variable) => match self.env(variable, Place::default()) {
                    None => continue,
                    Some(secret) => secret,
                },
            };
            let Some(value) = self.constants.get_mut(&name) else {
                let hint = did_you_mean(&name, self.constants.keys().map(String::as_str), "the file has no [vars]");
                self.findings.add(Place::default(), format!("--var {name}: [vars] has no such value"), hint);
                continue;
            };
            // What was a number stays one.
            let typed = serde_json::from_str::<Value>(&given).ok().filter(|typed| same_sort(value, typed));
            match typed {
                Some(typed) => *value = typed,
                None if value.is_string() => *value = Value::String(given.clone()),
                None => {
                    let message = format!("--var {name}: `{written}` is of another sort than {value} in [vars]");
                    self.findings.add(Place::default(), message, "give a value of the same sort");
                }
            }
        }
    }

    pub(super) fn read_target(&mut self, target: Option<Node<'_>>) {
        let fields = target.and_then(|node| node.fields(&TARGET, &mut self.findings));
        if fields.as_ref().is_some_and(|fields| fields.get("url").is_some()) || self.overrides.host.is_some() {
            self.has_target = HasTarget::Yes;
        }
        if let Some(host) = &self.overrides.host {
            self.add_target(&host.clone(), host, Place::default());
        } else if let Some(url) = fields.as_ref().and_then(|fields| fields.get("url"))
            && let Some(resolved) = self.fixed_text(url)
        {
            let written = url.text(&mut self.findings).unwrap_or_default().to_owned();
            self.add_target(&resolved, &written, url.place);
        }
        let Some(fields) = fields else { return };
        if let (Some(_), Some(insecure)) = (fields.get("cacert"), fields.entry("insecure"))
            && insecure.node.truth(&mut self.findings) == Some(true)
        {
            let message = "`insecure` and `cacert` contradict each other";
            self.findings.add(insecure.place, message, "keep `cacert` to check the certificate, `insecure` not to");
        }
        let truth =
            |key, findings: &mut _| fields.get(key).and_then(|node: Node<'_>| node.truth(findings)).unwrap_or(false);
        let cacert = fields.get("cacert").and_then(|node| {
            let name = self.fixed_text(node)?;
            let path = self.beside(node.place, &name);
            // Only whether it is there: the engine reads it.
            self.read_bytes(node.place, &path, MAX_CERTIFICATES).map(|_| path)
        });
        self.wire =
            Wire { insecure: truth("insecure", &mut self.findings), cacert, http2: truth("http2", &mut self.findings) };
    }

    fn add_target(&mut self, url: &str, written: &str, place: Place) {
        match split_url(url) {
            Ok((origin, path)) => {
                let shown = split_url(written).map_or_else(|_| written.to_owned(), |(origin, _)| origin.to_owned());
                self.origins.push(Origin { url: origin.to_owned(), shown });
                path.trim_end_matches('/').clone_into(&mut self.base_path);
            }
            Err(why) => {
                // The URL may come from the environment: only what the file says is shown.
                let why = if url == written { why } else { format!("`{written}` stands for no URL of http or https") };
                self.findings.add(place, why, "write it in full, such as http://127.0.0.1:8080");
            }
        }
    }

    /// The target's number, for a request with nothing but a path.
    pub(super) fn target_origin(&mut self) -> usize {
        if self.has_target == HasTarget::No {
            let hint = "write target = { url = \"http://127.0.0.1:8080\" } at the top of the file, or use --host";
            self.findings.add(Place::default(), "nothing says where requests go", hint);
        }
        0
    }

    /// The number of the server at `url`, which is added when it is new.
    pub(super) fn origin(&mut self, url: &str) -> usize {
        let known = self.origins.iter().position(|origin| origin.url == url);
        known.unwrap_or_else(|| {
            self.origins.push(Origin { url: url.to_owned(), shown: url.to_owned() });
            self.origins.len() - 1
        })
    }
}

fn same_sort(left: &Value, right: &Value) -> bool {
    (left.is_number() && right.is_number()) || (left.is_boolean() && right.is_boolean())
}

/// Splits a URL into scheme, host and port, and the rest.
pub(super) fn split_url(url: &str) -> Result<(&str, &str), String> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else { return Err(format!("`{url}` is no URL of http or https")) };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.is_empty()
        || authority.contains(|letter: char| letter.is_whitespace() || "@{}\"<>\\^`|".contains(letter))
    {
        return Err(format!("`{url}` names no host"));
    }
    Ok(url.split_at(url.len() - rest.len() + authority.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_behind_its_host() {
        assert_eq!(split_url("http://h:1/a?b"), Ok(("http://h:1", "/a?b")));
        assert_eq!(split_url("https://h?b"), Ok(("https://h", "?b")));
        assert_eq!(split_url("http://h"), Ok(("http://h", "")));
        for bad in ["h:1/a", "ftp://h", "http://", "http:///a", "http://u:p@h/", "http://a b/"] {
            assert!(split_url(bad).is_err(), "{bad}");
        }
    }
}
