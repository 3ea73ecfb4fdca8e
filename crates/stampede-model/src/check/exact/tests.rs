use super::*;
use crate::check::Answer as Verdict;
use crate::history::Fields;

/// Builds a history one call at a time.
struct Story {
    heading: Heading,
    operations: Vec<Operation>,
}

impl Story {
    fn of(model: Model) -> Self {
        Self { heading: Heading::of(model), operations: Vec::new() }
    }

    fn starting(model: Model, initial: impl Into<serde_json::Value>) -> Self {
        let mut story = Self::of(model);
        story.heading.settings.set("initial", initial);
        story
    }

    fn add(&mut self, key: &str, op: &str, (call_ns, return_ns): (u64, u64)) -> &mut Operation {
        let id = self.operations.len() as u64;
        self.operations.push(Operation {
            id,
            process: id,
            key: key.to_owned(),
            op: op.to_owned(),
            input: Fields::new(),
            call_ns,
            return_ns: Some(return_ns),
            outcome: Outcome::Ok,
            refused: None,
            output: Fields::new(),
            note: String::new(),
            idempotency_key: None,
        });
        self.operations.last_mut().expect("one was just pushed")
    }

    fn report(&self) -> CheckReport {
        check(&self.heading, &self.operations, Budget { steps: 1_000_000, bytes: 16 << 20 })
    }

    /// The one violation: its rule, its operations, what was allowed.
    fn violation(&self) -> (String, Vec<u64>, String) {
        let report = self.report();
        assert_eq!((report.answer, report.violation_count), (Verdict::Violated, 1), "{report:?}");
        let finding = report.first_violation().expect("it is violated").clone();
        (finding.rule, finding.operations, finding.allowed)
    }

    fn doubts(&self) -> Vec<String> {
        let report = self.report();
        assert_eq!((report.answer, report.strength), (Verdict::Unknown, Strength::Nothing), "{report:?}");
        report.doubts.into_iter().map(|doubt| doubt.rule).collect()
    }
}

trait Told {
    fn with(&mut self, name: &str, value: impl Into<serde_json::Value>) -> &mut Self;
    fn saw(&mut self, name: &str, value: impl Into<serde_json::Value>) -> &mut Self;
    fn refused(&mut self, word: &str) -> &mut Self;
    fn lost(&mut self) -> &mut Self;
}

impl Told for Operation {
    fn with(&mut self, name: &str, value: impl Into<serde_json::Value>) -> &mut Self {
        self.input.set(name, value);
        self
    }

    fn saw(&mut self, name: &str, value: impl Into<serde_json::Value>) -> &mut Self {
        self.output.set(name, value);
        self
    }

    fn refused(&mut self, word: &str) -> &mut Self {
        self.outcome = Outcome::Fail;
        self.refused = Some(word.to_owned());
        self
    }

    fn lost(&mut self) -> &mut Self {
        self.outcome = Outcome::Info;
        self.return_ns = None;
        self
    }
}

#[test]
fn a_sound_history_holds_exactly_key_by_key() {
    let mut story = Story::starting(Model::Stock, 2);
    for key in ["a/w", "b/w"] {
        story.add(key, "reserve", (0, 10)).with("units", 2);
        story.add(key, "reserve", (5, 15)).with("units", 1).refused("insufficient");
        story.add(key, "release", (12, 30)).with("units", 2);
        story.add(key, "read", (13, 20)).saw("available", 2).saw("reserved", 0);
        story.add(key, "release", (14, 20)).with("units", 9).refused("gone");
    }
    let report = story.report();
    assert_eq!((report.answer, report.strength), (Verdict::Holds, Strength::Exact), "{report:?}");
    assert_eq!((report.operations, report.keys, report.indeterminate), (10, 2, 0));
}

#[test]
fn units_that_are_not_there_are_oversold() {
    let mut story = Story::starting(Model::Stock, 1);
    story.add("p/w", "reserve", (0, 10)).with("units", 1);
    story.add("p/w", "reserve", (5, 12)).with("units", 1);
    story.add("q/w", "reserve", (0, 10)).with("units", 1);
    let (rule, operations, allowed) = story.violation();
    assert_eq!((rule.as_str(), operations), ("oversold", vec![1]));
    assert_eq!(allowed, "a refusal as insufficient, or what these levels leave: 0 available");
    let what = &story.report().violations[0].what;
    assert_eq!(what, "operation 1 `reserve {\"units\":1}` was answered {}, and no order of the calls explains it");
}

#[test]
fn refusals_and_reads_of_a_level_have_rules_of_their_own() {
    let mut story = Story::starting(Model::Stock, 5);
    story.add("p/w", "reserve", (0, 10)).with("units", 2);
    story.add("p/w", "reserve", (20, 30)).with("units", 3).refused("insufficient");
    assert_eq!(story.violation().0, "refused-without-cause");

    let reads = |seen: &[i64]| {
        let mut story = Story::starting(Model::Stock, 5);
        story.add("p/w", "reserve", (0, 10)).with("units", 2);
        for (number, available) in seen.iter().enumerate() {
            let call_ns = 20 + 20 * number as u64;
            story.add("p/w", "read", (call_ns, call_ns + 10)).saw("available", *available);
        }
        story.violation().0
    };
    assert_eq!(reads(&[5, 3]), "stale-read");
    assert_eq!(reads(&[3, 5, 5]), "units-made");
    assert_eq!(reads(&[3, 2]), "units-lost");
    assert_eq!(reads(&[-1]), "negative-stock");
}

#[test]
fn two_changes_that_left_the_same_level_lost_one() {
    let mut story = Story::starting(Model::Stock, 5);
    story.add("p/w", "reserve", (0, 10)).with("units", 1).saw("available", 4);
    story.add("p/w", "reserve", (0, 10)).with("units", 1).saw("available", 4);
    assert_eq!(story.violation().0, "lost-update");

    let mut story = Story::starting(Model::Stock, 5);
    story.add("p/w", "reserve", (0, 10)).with("units", 1).saw("version", 7);
    story.add("p/w", "reserve", (20, 30)).with("units", 1).saw("version", 7);
    assert_eq!(story.violation().0, "lost-update");
}

#[test]
fn a_lock_is_held_once_until_its_lease_may_be_over() {
    let grants = |second: (u64, u64)| {
        let mut story = Story::of(Model::Lock);
        story.add("t/r", "acquire", (0, 10_000_000)).with("ttl_ms", 100).saw("token", "a");
        story.add("t/r", "acquire", second).with("ttl_ms", 100).saw("token", "b");
        story
    };
    let (rule, operations, allowed) = grants((50_000_000, 98_000_000)).violation();
    assert_eq!((rule.as_str(), operations), ("granted-twice", vec![1, 0]));
    assert_eq!(allowed, "a refusal as busy: held by the grant of operation 0");
    // One part in a hundred is what clocks may differ by.
    assert_eq!(grants((50_000_000, 99_000_001)).report().answer, Verdict::Holds);
    let mut renewed = grants((50_000_000, 120_000_000));
    renewed.add("t/r", "renew", (30_000_000, 40_000_000)).with("ttl_ms", 100).with("token", "a");
    renewed.operations.swap(1, 2);
    assert_eq!(renewed.violation().0, "granted-twice");
}

#[test]
fn what_ends_a_grant_must_be_its_own() {
    let mut story = Story::of(Model::Lock);
    story.add("t/r", "acquire", (0, 10)).saw("token", "a");
    story.add("t/r", "release", (20, 30)).with("token", "b");
    assert_eq!(story.violation().0, "released-by-stranger");
    story.operations[1].refused("not-owner");
    story.add("t/r", "exists", (40, 50)).saw("held", true);
    story.add("t/r", "release", (60, 70)).with("token", "a").with("foreign", true).refused("not-owner");
    assert_eq!(story.report().answer, Verdict::Holds);
    story.add("t/r", "release", (80, 90)).with("token", "a");
    story.add("t/r", "acquire", (100, 110)).refused("busy");
    assert_eq!(story.violation().0, "refused-without-cause");
}

#[test]
fn a_lost_increment_is_told_from_a_stale_read() {
    let reads = |seen: [i64; 2]| {
        let mut story = Story::of(Model::Counter);
        story.add("k", "increment", (0, 10));
        story.add("k", "increment", (0, 10)).with("by", 2);
        for (number, value) in seen.into_iter().enumerate() {
            let call_ns = 20 + 20 * number as u64;
            story.add("k", "read", (call_ns, call_ns + 10)).saw("value", value);
        }
        story
    };
    assert_eq!(reads([3, 3]).report().answer, Verdict::Holds);
    assert_eq!(reads([1, 3]).violation(), ("stale-read".to_owned(), vec![2], "one of these: 3".to_owned()));
    assert_eq!(reads([1, 1]).violation().0, "lost-update");
    let mut told = Story::of(Model::Counter);
    told.add("k", "increment", (0, 10)).saw("value", 1);
    told.add("k", "increment", (5, 15)).saw("value", 1);
    assert_eq!(told.violation().0, "lost-update");
}

#[test]
fn a_register_knows_its_values_whatever_they_are() {
    let mut story = Story::starting(Model::Register, "empty");
    story.add("k", "read", (0, 5)).saw("value", "empty");
    story.add("k", "write", (10, 20)).with("value", 7);
    story.add("k", "cas", (30, 40)).with("from", 7).with("to", serde_json::Value::Null);
    story.add("k", "cas", (32, 50)).with("from", 7).with("to", 8).refused("conflict");
    story.add("k", "read", (60, 70)).saw("value", serde_json::Value::Null);
    assert_eq!(story.report().answer, Verdict::Holds);
    story.operations[4].saw("value", 7);
    assert_eq!(story.violation(), ("lost-update".to_owned(), vec![4], "one of these values: null".to_owned()));
    story.add("k", "read", (80, 90)).saw("value", serde_json::Value::Null);
    assert_eq!(story.violation().0, "stale-read");
    story.operations[3].input.set("from", 9).set("to", 9);
    story.operations[3].refused = None;
    story.operations[3].outcome = Outcome::Ok;
    assert_eq!(story.violation().0, "lost-update");
}

#[test]
fn an_unknown_outcome_may_explain_and_is_a_doubt() {
    let mut story = Story::starting(Model::Stock, 3);
    story.add("p/w", "reserve", (0, 10)).with("units", 2).lost();
    story.add("p/w", "read", (5, 10)).lost();
    story.add("p/w", "read", (20, 30)).saw("available", 3);
    story.add("p/w", "read", (40, 50)).saw("available", 1);
    assert_eq!(story.doubts(), ["indeterminate"]);
    let report = story.report();
    assert_eq!((report.indeterminate, report.could_hide.as_str()), (1, "an error of up to 2 units"));
    story.add("p/w", "read", (60, 70)).saw("available", 3);
    assert_eq!(story.violation().0, "units-made");
}

#[test]
fn what_cannot_be_read_is_a_doubt_that_names_the_operation() {
    let mut story = Story::starting(Model::Stock, 3);
    story.add("p/w", "reserve", (0, 10)).with("units", "two");
    story.add("p/w", "juggle", (0, 10));
    story.add("p/w", "read", (20, 30));
    assert_eq!(story.doubts(), ["bad-field", "bad-field", "bad-field"]);
    let doubts = story.report().doubts;
    assert_eq!(
        doubts[0].what,
        "operation 0 (`reserve`): `units` is \"two\"; it should be a whole number; it is left out"
    );
    assert_eq!(doubts[1].operations, [1]);

    let mut nameless = Story::of(Model::Lock);
    nameless.add("t/r", "acquire", (0, 10));
    assert_eq!(nameless.doubts(), ["no-witness"]);
    assert_eq!(Story::starting(Model::Counter, "many").report().answer, Verdict::Unknown);
    let mut broken = Story::starting(Model::Counter, "many");
    broken.add("k", "increment", (0, 10));
    assert_eq!(broken.doubts(), ["bad-field"]);
}

#[test]
fn a_search_that_was_given_up_is_a_doubt() {
    let mut story = Story::of(Model::Counter);
    for client in 0..40 {
        story.add("k", "increment", (0, 100)).with("by", 2_i64 << client);
    }
    story.add("k", "read", (1, 99)).saw("value", 1);
    assert_eq!(story.doubts(), ["budget"]);
}

#[test]
fn a_model_without_a_search_is_unknown() {
    let mut story = Story::of(Model::RateLimit);
    story.add("user", "call", (0, 10));
    assert!(story.doubts().is_empty());
}
