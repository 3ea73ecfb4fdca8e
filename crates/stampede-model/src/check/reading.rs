//! What the checkers by rules share: operations gathered by key, fields and settings asked for, and drift of clocks.
//!
//! Invariant: a key with an operation that cannot be read is not judged at all. What that operation did is unknown, so nothing
//! that rests on the others could be proven; the doubt says which line it was.

use std::collections::HashMap;

use serde_json::Value;
use thiserror::Error;

use super::{Finding, Findings};
use crate::history::{BadField, Fields, Heading, Operation, Outcome};

/// Servers count in milliseconds, and round: so much a time of theirs may be off beside the drift of its clock.
pub(super) const GRAIN_NS: u64 = 2_000_000;
const NS_IN_MS: u64 = 1_000_000;
/// How far apart two clocks run, if the history does not say: one percent.
const DRIFT_PPM: u64 = 10_000;
/// Parts per million are of so many.
pub(super) const MILLION: u128 = 1_000_000;

/// Why an operation is none of its model.
#[derive(Debug, Error)]
pub(super) enum BadOperation {
    /// The model has no such word.
    #[error("`{0}` is no operation of this model")]
    Word(String),
    /// A field is missing or mistyped.
    #[error(transparent)]
    Field(#[from] BadField),
}

/// Operations of each key, and how many there were in all.
pub(super) struct Gathered<K> {
    /// The keys that could be read, in order of first use.
    pub(super) keys: Vec<K>,
    /// Operations, read or not.
    pub(super) operations: u64,
    /// Keys, read or not.
    pub(super) all_keys: u64,
    /// Operations whose outcome nobody knows.
    pub(super) unknown: u64,
}

/// Hands each operation to what gathers its key; the first one of a key that cannot be read takes the key out.
pub(super) fn gather<'a, K>(
    operations: &'a [Operation],
    fresh: impl Fn(&'a str) -> K,
    mut add: impl FnMut(&mut K, &'a Operation) -> Result<(), BadOperation>,
    findings: &mut Findings,
) -> Gathered<K> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut keys: Vec<Option<K>> = Vec::new();
    let mut unknown = 0;
    for operation in operations {
        unknown += u64::from(operation.outcome == Outcome::Info);
        let place = *places.entry(&operation.key).or_insert_with(|| {
            keys.push(Some(fresh(&operation.key)));
            keys.len() - 1
        });
        let Some(key) = &mut keys[place] else { continue };
        if let Err(error) = add(key, operation) {
            findings.doubt(unreadable(operation, &error));
            keys[place] = None;
        }
    }
    let all_keys = keys.len() as u64;
    Gathered { keys: keys.into_iter().flatten().collect(), operations: operations.len() as u64, all_keys, unknown }
}

fn unreadable(operation: &Operation, error: &BadOperation) -> Finding {
    let what = format!(
        "operation {} ({}) cannot be read: {error}; nothing is said of what it touched",
        operation.id, operation.op
    );
    Finding::new("bad-field", &operation.key, what).by([operation.id])
}

/// How an operation ended, for a model with one word of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It took effect.
    Done,
    /// It was declined by the word of the model.
    Refused,
    /// It surely had no effect, and says nothing else.
    Nothing,
    /// It may take effect at any time.
    Unknown,
}

impl End {
    /// The end of an operation that may be declined with `word`.
    pub(super) fn of(operation: &Operation, word: &str) -> Self {
        match operation.outcome {
            Outcome::Ok => Self::Done,
            Outcome::Info => Self::Unknown,
            Outcome::Fail if operation.refused.as_deref() == Some(word) => Self::Refused,
            Outcome::Fail => Self::Nothing,
        }
    }

    /// Whether it may have taken effect.
    pub(super) fn may_be_done(self) -> bool {
        matches!(self, Self::Done | Self::Unknown)
    }
}

/// When an operation was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Its operation.
    pub(super) id: u64,
    /// Not earlier did it take effect.
    pub(super) call: u64,
    /// Not later; the end of time if nobody knows.
    pub(super) end: u64,
}

impl Span {
    /// Of an operation.
    pub(super) fn of(operation: &Operation) -> Self {
        Self { id: operation.id, call: operation.call_ns, end: operation.end_ns() }
    }
}

/// A number that is not negative.
pub(super) fn count(fields: &Fields, name: &str) -> Result<Option<u64>, BadField> {
    let Some(number) = fields.integer(name)? else { return Ok(None) };
    u64::try_from(number).map(Some).map_err(|_| BadField::Type {
        name: name.to_owned(),
        found: number.to_string(),
        wanted: "a whole number, not negative",
    })
}

/// A number that is not negative and has to be there.
pub(super) fn need_count(fields: &Fields, name: &str) -> Result<u64, BadField> {
    count(fields, name)?
        .ok_or_else(|| BadField::Missing { name: name.to_owned(), wanted: "a whole number, not negative" })
}

/// A truth value that has to be there.
pub(super) fn need_truth(fields: &Fields, name: &str) -> Result<bool, BadField> {
    fields.truth(name)?.ok_or_else(|| BadField::Missing { name: name.to_owned(), wanted: "true or false" })
}

/// A list of texts, when there is one. Numbers are texts too.
pub(super) fn texts(fields: &Fields, name: &str) -> Result<Option<Vec<String>>, BadField> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let wrong = || BadField::Type {
        name: name.to_owned(),
        found: value.to_string().chars().take(60).collect(),
        wanted: "a list of texts",
    };
    let Value::Array(values) = value else { return Err(wrong()) };
    let texts = values.iter().map(|value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(wrong()),
    });
    texts.collect::<Result<_, _>>().map(Some)
}

/// Milliseconds as nanoseconds, as far as they go.
pub(super) fn ms(ms: u64) -> u64 {
    ms.saturating_mul(NS_IN_MS)
}

/// How far two clocks run apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drift {
    ppm: u64,
}

impl Drift {
    /// What the history says of it in `drift_ppm`.
    pub(super) fn of(heading: &Heading) -> Result<Self, BadField> {
        Ok(Self { ppm: count(&heading.settings, "drift_ppm")?.unwrap_or(DRIFT_PPM).min(1_000_000) })
    }

    /// The least of our time that passes while the server counts `ns`.
    pub(super) fn least(self, ns: u64) -> u64 {
        ns.saturating_sub(self.part(ns)).saturating_sub(GRAIN_NS)
    }

    /// The most of our time that passes while the server counts `ns`.
    pub(super) fn most(self, ns: u64) -> u64 {
        ns.saturating_add(self.part(ns)).saturating_add(GRAIN_NS)
    }

    /// In parts per million.
    pub(super) fn ppm(self) -> u64 {
        self.ppm
    }

    fn part(self, ns: u64) -> u64 {
        (u128::from(ns) * u128::from(self.ppm) / MILLION) as u64
    }
}

/// A history whose first line lacks what its checker must know.
pub(super) fn bad_setting(error: &BadField) -> Finding {
    Finding::new("bad-field", "", format!("the settings of the history cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn drift_widens_and_narrows_by_its_share_and_the_grain() {
        let drift = Drift { ppm: 10_000 };
        assert_eq!((drift.least(1_000_000_000), drift.most(1_000_000_000)), (988_000_000, 1_012_000_000));
        assert_eq!((drift.least(1), drift.most(u64::MAX)), (0, u64::MAX));
    }

    #[test]
    fn lists_and_counts_are_asked_for_by_type() {
        let fields = Fields::new().with("list", json!(["a", 7])).with("wrong", json!([true])).with("less", -1);
        assert_eq!(texts(&fields, "list"), Ok(Some(vec!["a".into(), "7".into()])));
        assert_eq!(texts(&fields, "none"), Ok(None));
        assert_eq!(texts(&fields, "wrong").unwrap_err().to_string(), "`wrong` is [true]; it should be a list of texts");
        assert_eq!(
            count(&fields, "less").unwrap_err().to_string(),
            "`less` is -1; it should be a whole number, not negative"
        );
        assert!(need_count(&fields, "none").is_err() && need_truth(&fields, "none").is_err());
    }
}
