//! Attempts under one key of idempotency are one operation: it took effect once, whichever attempt brought it about.
//!
//! Invariants: only ever widens an interval, so that no correct system is accused for a stored answer that it gave again.
//! Absent on purpose: whether the repeated answers are equal; that is the check of idempotency itself.

use std::collections::HashMap;

use crate::history::{Operation, Outcome};

/// One operation as a checker takes it: its interval covers all of its attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// The attempt that speaks for all.
    pub(crate) operation: &'a Operation,
    /// The first call.
    pub(crate) call_ns: u64,
    /// The first answer; `u64::MAX` when there is none.
    pub(crate) end_ns: u64,
}

/// What names an effect: the object, the word, and the key of idempotency.
type Name<'a> = (&'a str, &'a str, &'a str);

/// The operations with their repetitions folded in.
pub(crate) fn attempts(operations: &[Operation]) -> impl Iterator<Item = Attempt<'_>> {
    let spans = repeated(operations);
    operations.iter().enumerate().filter_map(move |(at, operation)| {
        let (call_ns, end_ns) = match spans.get(&at) {
            None => (operation.call_ns, operation.end_ns()),
            Some(span) => (*span)?,
        };
        Some(Attempt { operation, call_ns, end_ns })
    })
}

/// For each operation that was tried more than once its interval, or nothing when another attempt speaks for it.
fn repeated(operations: &[Operation]) -> HashMap<usize, Option<(u64, u64)>> {
    let mut firsts: HashMap<Name<'_>, usize> = HashMap::new();
    let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, operation) in operations.iter().enumerate() {
        let Some(key) = &operation.idempotency_key else { continue };
        let first = *firsts.entry((&operation.key, &operation.op, key)).or_insert(at);
        if first != at {
            groups.entry(first).or_insert_with(|| vec![first]).push(at);
        }
    }
    let mut spans = HashMap::new();
    for group in groups.into_values() {
        // A refusal may be a stored one, decided during any earlier attempt, and so may an effect.
        let call_ns = group.iter().map(|&at| operations[at].call_ns).min().unwrap_or(0);
        let mut kinds: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
        for at in group {
            let operation = &operations[at];
            match (operation.outcome, &operation.refused) {
                (Outcome::Ok | Outcome::Info, _) => kinds.entry(None).or_default().push(at),
                (Outcome::Fail, Some(word)) => kinds.entry(Some(word)).or_default().push(at),
                (Outcome::Fail, None) => {}
            }
        }
        for alike in kinds.into_values() {
            let speaker = alike.iter().copied().min_by_key(|&at| (operations[at].end_ns(), at));
            spans.extend(alike.iter().map(|&at| {
                let speaks = Some(at) == speaker;
                (at, speaks.then(|| (call_ns, operations[at].end_ns())))
            }));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Fields;

    fn attempt(id: u64, span: (u64, Option<u64>), outcome: Outcome, refused: Option<&str>) -> Operation {
        Operation {
            id,
            process: id,
            key: "k".into(),
            op: "reserve".into(),
            input: Fields::new(),
            call_ns: span.0,
            return_ns: span.1,
            outcome,
            refused: refused.map(Into::into),
            output: Fields::new(),
            note: String::new(),
            idempotency_key: Some("same".into()),
        }
    }

    #[test]
    fn a_repeated_call_is_one_operation_from_the_first_call_to_the_first_answer() {
        let operations = [
            attempt(0, (10, None), Outcome::Info, None),
            attempt(1, (50, Some(90)), Outcome::Ok, None),
            attempt(2, (55, Some(70)), Outcome::Ok, None),
            attempt(3, (60, Some(65)), Outcome::Fail, None),
            attempt(4, (61, Some(66)), Outcome::Fail, Some("insufficient")),
        ];
        let found: Vec<_> = attempts(&operations).map(|one| (one.operation.id, one.call_ns, one.end_ns)).collect();
        assert_eq!(found, [(2, 10, 70), (3, 60, 65), (4, 10, 66)]);
    }

    #[test]
    fn another_key_is_another_operation() {
        let mut operations = [attempt(0, (1, Some(2)), Outcome::Ok, None), attempt(1, (3, Some(4)), Outcome::Ok, None)];
        operations[1].key = "other".into();
        assert_eq!(attempts(&operations).count(), 2);
        operations[1].key = "k".into();
        assert_eq!(attempts(&operations).count(), 1);
        operations[1].idempotency_key = None;
        assert_eq!(attempts(&operations).count(), 2);
    }
}
