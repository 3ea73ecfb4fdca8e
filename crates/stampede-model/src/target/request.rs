//! Requests, users and the session between them, as a target file writes them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use toml::Spanned;

use super::template::{JsonTemplate, Template};
use crate::units::parse_duration;

/// A name that refers to another table of the file, with its place for error messages.
pub type Ref = Spanned<String>;

/// One request, with slots.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Path and query; slots are percent-encoded.
    pub path: Spanned<Template>,
    /// Body, sent as `application/json`.
    pub json: Option<Spanned<JsonTemplate>>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<HeaderName, Spanned<Template>>,
    /// Statuses that mean "done".
    pub expect: Spanned<Vec<Status>>,
    /// Statuses that mean "declined, and surely without effect": sold out, limited, busy.
    #[serde(default)]
    pub refuse: Vec<Status>,
    /// What tells a refusal apart from other answers with the same status; without it the status alone does.
    pub refusal: Option<Refusal>,
    /// What to read out of an expected answer: name -> JSON pointer, or `header:NAME`. What is found is read out of a refusal too.
    #[serde(default)]
    pub take: BTreeMap<String, TakeFrom>,
    /// Whether the user's session headers go along.
    #[serde(default)]
    pub session: SessionUse,
    /// Where it goes.
    #[serde(default)]
    pub via: Via,
}

impl Request {
    /// Every slot of the request, each with the place of the text it stands in.
    pub fn slots(&self) -> Vec<(&str, std::ops::Range<usize>)> {
        let path = self.path.as_ref().slots().map(|slot| (slot, self.path.span()));
        let json = self.json.iter().flat_map(|json| json.as_ref().slots().into_iter().map(|slot| (slot, json.span())));
        let headers = self.headers.values().flat_map(|value| value.as_ref().slots().map(|slot| (slot, value.span())));
        path.chain(json).chain(headers).collect()
    }
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// To the target.
    #[default]
    Target,
    /// To the gateway to its servers, without the user's session.
    Gateway,
}

/// HTTP methods a row may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Create or act.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// As it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// An HTTP status, 100 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "i64")]
pub struct Status(u16);

impl Status {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }
}

impl TryFrom<i64> for Status {
    type Error = String;

    fn try_from(raw: i64) -> Result<Self, String> {
        match u16::try_from(raw) {
            Ok(code) if (100..600).contains(&code) => Ok(Self(code)),
            _ => Err(format!("{raw} is no HTTP status; they run from 100 to 599")),
        }
    }
}

/// A header's name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct HeaderName(String);

impl HeaderName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(format!("`{text}` is no header name"));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// A JSON pointer (RFC 6901): `/items/0/version`, or the empty text for the whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl Pointer {
    /// The value it points to.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0)
    }

    /// The pointer's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is no JSON pointer; it starts with `/`, as in \"/data/0/id\""))
    }
}

/// Where in an answer a value stands: `/pointer` or `header:NAME`, with a `?` behind it when it need not be there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TakeFrom {
    /// The place.
    pub place: TakePlace,
    /// Whether an answer without it is a good one all the same.
    pub is_optional: bool,
}

/// A place in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakePlace {
    /// In the JSON body.
    Body(Pointer),
    /// In a header.
    Header(HeaderName),
}

impl TryFrom<String> for TakeFrom {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (place, is_optional) = text.strip_suffix('?').map_or((text.as_str(), false), |place| (place, true));
        let place = match place.strip_prefix("header:") {
            Some(name) => TakePlace::Header(HeaderName::try_from(name.trim().to_owned())?),
            None => TakePlace::Body(Pointer::try_from(place.to_owned())?),
        };
        Ok(Self { place, is_optional })
    }
}

impl fmt::Display for TakeFrom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            TakePlace::Body(pointer) => formatter.write_str(pointer.as_str()),
            TakePlace::Header(name) => write!(formatter, "header {}", name.as_str()),
        }
    }
}

/// The field that makes a declining status a refusal: "sold out" and "being worked on elsewhere" may both be 409.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Where it stands.
    pub at: Pointer,
    /// What it says when it is one.
    pub is: Vec<String>,
}

impl Refusal {
    /// Whether a body is that of a refusal.
    pub fn is_meant_by(&self, body: &Value) -> bool {
        self.at.find(body).and_then(Value::as_str).is_some_and(|word| self.is.iter().any(|known| known == word))
    }
}

/// Whether a request is sent as a user or as nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionUse {
    /// With the session headers of the row's user.
    #[default]
    User,
    /// Without them.
    None,
}

/// How a user proves who he is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The request that opens a session; absent when the users' own fields suffice (an API key).
    pub login: Option<Ref>,
    /// Headers of every request made as a user.
    #[serde(default)]
    pub headers: BTreeMap<HeaderName, Spanned<Template>>,
}

/// One user: the values his requests may use.
pub type User = BTreeMap<String, Spanned<Template>>;

/// Reads a duration with its unit, as `"30s"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_and_pointers_are_checked() {
        assert!(Status::try_from(99).is_err());
        assert!(Status::try_from(600).is_err());
        assert_eq!(Status::try_from(409).unwrap().code(), 409);
        assert!(HeaderName::try_from("x token".to_owned()).is_err());
        assert_eq!(HeaderName::try_from("X-Token".to_owned()).unwrap().as_str(), "x-token");
        assert!(Pointer::try_from("id".to_owned()).is_err());
        let header = TakeFrom::try_from("header:Idempotency-Replayed?".to_owned()).unwrap();
        assert_eq!((header.to_string().as_str(), header.is_optional), ("header idempotency-replayed", true));
        assert!(TakeFrom::try_from("header:a b".to_owned()).is_err() && TakeFrom::try_from("id?".to_owned()).is_err());
        let value = serde_json::json!({"items": [{"version": 7}]});
        assert_eq!(Pointer::try_from("/items/0/version".to_owned()).unwrap().find(&value), Some(&7.into()));
    }
}
