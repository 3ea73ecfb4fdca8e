//! Requests with their slots filled in.

use bytes::Bytes;
use http::HeaderValue;
use stampede_model::scenario::{Body, Frame, Step, Template};

use super::Shared;
use super::person::UserDice;
use super::prepared::Ready;
use crate::load::scenario::Outgoing;

/// Fills the slots of a request.
pub(super) struct Filler<'a> {
    pub(super) shared: &'a Shared,
    pub(super) frame: &'a Frame,
    pub(super) text: &'a mut String,
    pub(super) dice: UserDice<'a>,
}

impl Filler<'_> {
    pub(super) fn fill(&mut self, step: &Step, ready: &Ready, request: &mut Outgoing) -> Result<(), String> {
        let name = || &self.shared.plan.series[step.series].name;
        if step.request.path.fixed().is_none() {
            self.render(&step.request.path);
            let origin = &self.shared.plan.origins[step.request.origin].url;
            let Some(with_slash) = path_at(origin, self.text) else {
                return Err(format!("step `{}` would go to `{}`, which is another server", name(), self.text));
            };
            request.set_path(&with_slash).map_err(|error| format!("step `{}`: {error}", name()))?;
        }
        for (header, value) in &ready.headers {
            self.render(value);
            let value = HeaderValue::from_str(self.text)
                .map_err(|_| format!("step `{}`: the value of header {header} cannot stand in a header", name()))?;
            request.headers_mut().insert(header, value);
        }
        if let Body::Text(body) = &step.request.body
            && body.fixed().is_none()
        {
            self.render(body);
            request.set_body(Bytes::copy_from_slice(self.text.as_bytes()));
        }
        Ok(())
    }

    fn render(&mut self, template: &Template) {
        self.text.clear();
        template.render(self.text, &self.shared.plan.feeds, self.frame, &mut self.dice);
    }
}

/// The path of `text`, which may begin with `origin` or without a slash; `None` when it leads to another server.
fn path_at(origin: &str, text: &str) -> Option<String> {
    // A port or a name that goes on is another server.
    let own = text.strip_prefix(origin).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    let path = own.unwrap_or(text);
    if path.starts_with('/') {
        return Some(path.to_owned());
    }
    let is_scheme = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let leads_away = path.split_once("://").is_some_and(|(word, _)| is_scheme(word));
    (!leads_away).then(|| format!("/{path}"))
}

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn a_url_of_the_same_server_is_its_path_and_a_longer_name_is_another_server() {
        let here = |text| path_at("http://shop.test:80", text);
        assert_eq!(here("http://shop.test:80/a?b=c").as_deref(), Some("/a?b=c"));
        assert_eq!(here("http://shop.test:80?b=c").as_deref(), Some("/?b=c"));
        assert_eq!(here("a?to=http://else.test/").as_deref(), Some("/a?to=http://else.test/"));
        assert_eq!(here("/a").as_deref(), Some("/a"));
        for elsewhere in ["http://shop.test:8080/a", "http://shop.test:80.evil/a", "https://shop.test/"] {
            assert_eq!(here(elsewhere), None, "{elsewhere}");
        }
    }
}
