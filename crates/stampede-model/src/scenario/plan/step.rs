//! A compiled step: one request, what a good answer is, and what is taken from it.

use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::{Record, Think};
use crate::scenario::template::Template;

/// One request and what is made of its answer.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its series.
    pub series: usize,
    /// The request.
    pub request: Request,
    /// What a good answer is.
    pub expect: Expect,
    /// What is taken from it.
    pub take: Vec<Take>,
    /// How often it is sent.
    pub repeat: u32,
    /// Only after an answer with one of these statuses.
    pub if_status: Option<Statuses>,
    /// Pause after it.
    pub think: Think,
    /// Where it waits for others.
    pub barrier: Option<usize>,
    /// Its own time-out.
    pub timeout: Option<Duration>,
    /// What it is in the history.
    pub record: Option<Record>,
}

/// A request with slots.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method, in capitals.
    pub method: String,
    /// Its server.
    pub origin: usize,
    /// Path and query. What is rendered may begin with the origin's URL, or without a slash.
    pub path: Template,
    /// Headers, names in lower case.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Body,
}

/// A body.
#[derive(Clone, Debug)]
pub enum Body {
    /// None.
    Empty,
    /// A text with slots.
    Text(Template),
    /// Bytes of a file.
    Bytes(Vec<u8>),
}

/// What a good answer is.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// Its status; `None`: below 400.
    pub status: Option<Statuses>,
    /// Values in its JSON body.
    pub json: Vec<ExpectJson>,
    /// Texts in its body.
    pub body_contains: Vec<Template>,
    /// Texts in its headers.
    pub headers: Vec<(String, Template)>,
    /// Longest time from the send to the last byte.
    pub max_time: Option<Duration>,
}

/// A value that must stand somewhere in a JSON body.
#[derive(Clone, Debug)]
pub struct ExpectJson {
    /// Where.
    pub path: JsonPath,
    /// The path as written.
    pub shown: String,
    /// The value as JSON.
    pub value: Template,
}

/// A variable and where its value stands.
#[derive(Clone, Debug)]
pub struct Take {
    /// The variable's number.
    pub variable: usize,
    /// Its name.
    pub name: String,
    /// Where.
    pub from: TakeFrom,
    /// The value when there is none; `None`: the answer is then no good one.
    pub default: Option<Value>,
}

/// Where in an answer a value stands.
#[derive(Clone, Debug)]
pub enum TakeFrom {
    /// In its JSON body: the first match.
    Json(JsonPath),
    /// In a header, name in lower case.
    Header(String),
    /// In its body: a group of the first match.
    Regex {
        /// The expression.
        regex: Regex,
        /// The group's number.
        group: usize,
    },
}

/// A set of statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(pub(in crate::scenario) Vec<(u16, u16)>);

impl Statuses {
    /// Whether `status` is among them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// Whether some status is in both.
    pub(in crate::scenario) fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|(from, to)| other.0.iter().any(|(low, high)| from <= high && low <= to))
    }

    /// The first status from 400 on that is not among `others`.
    pub(in crate::scenario) fn first_error_beside(&self, others: Option<&Self>) -> Option<u16> {
        (400..=599).find(|status| self.contains(*status) && !others.is_some_and(|others| others.contains(*status)))
    }
}

impl Expect {
    /// Whether an answer of `status` is a good one as far as its status goes.
    pub fn admits(&self, status: u16) -> bool {
        self.status.as_ref().map_or(status < 400, |statuses| statuses.contains(status))
    }

    /// Whether the body has to be looked at.
    pub fn wants_body(&self) -> bool {
        !self.json.is_empty() || !self.body_contains.is_empty()
    }
}

impl Step {
    /// Statuses after which the iteration goes on.
    pub(in crate::scenario) fn good_statuses(&self) -> Statuses {
        self.expect.status.clone().unwrap_or_else(|| {
            let refuse = self.record.as_ref().and_then(|record| record.refuse.clone());
            Statuses([(100, 399)].into_iter().chain(refuse.into_iter().flat_map(|refuse| refuse.0)).collect())
        })
    }

    /// Whether the body has to be looked at.
    pub fn wants_body(&self) -> bool {
        let is_told_apart = self.record.as_ref().is_some_and(|record| record.refusal.is_some());
        is_told_apart
            || self.expect.wants_body()
            || self.take.iter().any(|take| !matches!(take.from, TakeFrom::Header(_)))
    }

    /// Whether the headers have to be looked at.
    pub fn wants_head(&self) -> bool {
        !self.expect.headers.is_empty() || self.take.iter().any(|take| matches!(take.from, TakeFrom::Header(_)))
    }
}

impl Request {
    /// Whether it is the same every time.
    pub fn is_fixed(&self) -> bool {
        let body = match &self.body {
            Body::Empty | Body::Bytes(_) => true,
            Body::Text(text) => text.fixed().is_some(),
        };
        body && self.path.fixed().is_some() && self.headers.iter().all(|(_, value)| value.fixed().is_some())
    }
}
