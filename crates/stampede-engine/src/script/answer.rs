//! What is made of an answer: whether it is a good one, and the variables taken from it.

use serde_json::Value;
use serde_json_path::JsonPath;
use stampede_model::scenario::{Dice, Frame, Plan, Step, Take, TakeFrom, Template};

use super::prepared::{BODY_MAX, Ready};
use crate::load::scenario::{Mismatch, Received};

/// Longest part of an answer that stands in the text of a failure.
const SHOWN: usize = 120;

/// What an answer says beside whether it is a good one.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) status: Option<u16>,
    pub(super) proves: Proves,
    /// Variables that the step took from it.
    pub(super) taken: Vec<usize>,
    /// It is a refusal, and variables of the step have no value.
    pub(super) is_lacking: bool,
}

/// What an answer proves of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Proves {
    #[default]
    Nothing,
    /// It took effect.
    Done,
    /// It was declined, and had no effect.
    Refused,
}

/// An answer's step.
pub(super) struct Answer<'a> {
    pub(super) plan: &'a Plan,
    pub(super) step: &'a Step,
    pub(super) ready: &'a Ready,
}

impl Answer<'_> {
    /// Judges an answer and takes from it what the step says.
    pub(super) fn judge(&self, received: &Received<'_>, frame: &mut Frame, seen: &mut Seen) -> Result<(), Mismatch> {
        let expect = &self.step.expect;
        seen.status = Some(received.status);
        if self.is_refusal(received) {
            seen.proves = Proves::Refused;
            if expect.status.is_none() {
                seen.is_lacking = self.take(received, parsed(received).ok().as_ref(), (frame, seen)).is_some();
                return self.in_time(received).map_err(Mismatch::Content);
            }
        }
        if !expect.admits(received.status) {
            return Err(Mismatch::Status);
        }
        let looked = self.look(received, frame, seen);
        if looked.is_ok() && seen.proves == Proves::Nothing && !self.is_ambiguous(received.status) {
            seen.proves = Proves::Done;
        }
        // Late is late, but done all the same.
        let looked = looked.and_then(|()| self.in_time(received));
        looked.map_err(|why| Mismatch::Content(self.plan.redact(&why)))
    }

    fn is_refusal(&self, received: &Received<'_>) -> bool {
        let Some(record) = self.step.record.as_ref().filter(|record| record.may_refuse(received.status)) else {
            return false;
        };
        let Some(refusal) = &record.refusal else { return true };
        parsed(received).is_ok_and(|body| refusal.is_meant_by(&body))
    }

    /// Whether a status that declines something, though perhaps something else, proves nothing when it is expected as well.
    fn is_ambiguous(&self, status: u16) -> bool {
        status >= 400 && self.step.record.as_ref().is_some_and(|record| record.may_refuse(status))
    }

    fn in_time(&self, received: &Received<'_>) -> Result<(), String> {
        match self.step.expect.max_time {
            Some(most) if u128::from(received.service_ns) > most.as_nanos() => {
                Err(format!("took longer than {}", stampede_model::units::show_duration(most)))
            }
            _ => Ok(()),
        }
    }

    fn look(&self, received: &Received<'_>, frame: &mut Frame, seen: &mut Seen) -> Result<(), String> {
        let expect = &self.step.expect;
        for (name, wanted) in &expect.headers {
            let wanted = self.text(wanted, frame);
            let values = received.headers.get_all(name.as_str());
            let found = values.iter().any(|value| String::from_utf8_lossy(value.as_bytes()).contains(&wanted));
            if !found {
                return Err(format!("no header {name} with `{wanted}`"));
            }
        }
        for wanted in &expect.body_contains {
            let wanted = self.text(wanted, frame);
            if !contains(received.body, wanted.as_bytes()) {
                return Err(format!("`{wanted}` is not in the body"));
            }
        }
        let json = if self.needs_json() { Some(parsed(received)?) } else { None };
        if let Some(json) = &json {
            self.compare(json, frame)?;
        }
        // With defaults throughout, a body that is no JSON is an answer without the values.
        let has_json_take = self.step.take.iter().any(|take| matches!(take.from, TakeFrom::Json(_)));
        let json = json.or_else(|| has_json_take.then(|| parsed(received).ok()).flatten());
        match self.take(received, json.as_ref(), (frame, seen)) {
            None => Ok(()),
            Some(name) => Err(format!("nothing to take as `{name}`")),
        }
    }

    fn needs_json(&self) -> bool {
        let takes = self.step.take.iter().any(|take| matches!(take.from, TakeFrom::Json(_)) && take.default.is_none());
        !self.step.expect.json.is_empty() || takes
    }

    fn compare(&self, json: &Value, frame: &Frame) -> Result<(), String> {
        for (expected, fixed) in self.step.expect.json.iter().zip(&self.ready.expected) {
            let filled;
            let wanted = if let Some(fixed) = fixed {
                fixed
            } else {
                let text = self.text(&expected.value, frame);
                filled = serde_json::from_str::<Value>(&text).unwrap_or(Value::String(text));
                &filled
            };
            let Some(found) = first(&expected.path, json) else { return Err(format!("{} is missing", expected.shown)) };
            if !same(found, wanted) {
                // Hidden before it is cut: half a secret would not be found any more.
                let shown = |value: &Value| short(&self.plan.redact(&value.to_string()));
                return Err(format!("{} is {}, not {}", expected.shown, shown(found), shown(wanted)));
            }
        }
        Ok(())
    }

    /// Takes what is there, and gives the name of the first variable for which there is nothing.
    fn take(
        &self,
        received: &Received<'_>,
        json: Option<&Value>,
        (frame, seen): (&mut Frame, &mut Seen),
    ) -> Option<&str> {
        let mut missing = None;
        for take in &self.step.take {
            let found = find(take, received, json);
            if found.is_some() && self.step.record.is_some() {
                seen.taken.push(take.variable);
            }
            match found.or_else(|| take.default.clone()) {
                Some(value) => frame.variables[take.variable] = value,
                None => missing = missing.or(Some(take.name.as_str())),
            }
        }
        missing
    }

    fn text(&self, template: &Template, frame: &Frame) -> String {
        let mut text = String::new();
        template.render(&mut text, &self.plan.feeds, frame, &mut Nothing);
        text
    }
}

fn find(take: &Take, received: &Received<'_>, json: Option<&Value>) -> Option<Value> {
    match &take.from {
        TakeFrom::Json(path) => first(path, json?).cloned(),
        TakeFrom::Header(name) => {
            let value = received.headers.get(name.as_str())?;
            Some(Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()))
        }
        TakeFrom::Regex { regex, group } => {
            let body = String::from_utf8_lossy(received.body);
            let found = regex.captures(&body)?.get(*group)?.as_str().to_owned();
            Some(Value::String(found))
        }
    }
}

fn first<'v>(path: &JsonPath, json: &'v Value) -> Option<&'v Value> {
    path.query(json).first()
}

fn parsed(received: &Received<'_>) -> Result<Value, String> {
    if received.body_bytes > BODY_MAX as u64 {
        return Err(format!("the body has {} bytes: only {BODY_MAX} are looked into", received.body_bytes));
    }
    serde_json::from_slice(received.body).map_err(|error| format!("the body is no JSON: {error}"))
}

/// 1 and 1.0 are one number; two whole numbers are compared as such, because beyond 2^53 many of them share a float.
fn same(found: &Value, wanted: &Value) -> bool {
    let is_whole = |value: &Value| value.is_i64() || value.is_u64();
    match (found.as_f64(), wanted.as_f64()) {
        _ if is_whole(found) && is_whole(wanted) => found == wanted,
        (Some(found), Some(wanted)) => (found - wanted).abs() <= f64::EPSILON * wanted.abs(),
        _ => found == wanted,
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}

fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// Nothing random is expected of an answer.
pub(super) struct Nothing;

impl Dice for Nothing {
    fn between(&mut self, from: i64, _to: i64) -> i64 {
        from
    }

    fn bits(&mut self) -> u128 {
        0
    }

    fn now_ms(&mut self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_the_same_by_value_and_large_ids_digit_by_digit() {
        assert!(same(&json!(1), &json!(1.0)) && same(&json!(0.3), &json!(0.1 + 0.2)));
        assert!(same(&json!(u64::MAX), &json!(u64::MAX)) && same(&json!(-7), &json!(-7)));
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(!same(&json!(1), &json!("1")));
    }
}
