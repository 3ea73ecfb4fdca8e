//! Counterexamples of histories with a planted fault, judged by a small judge of versions.

use proptest::prelude::*;
use serde_json::json;

use super::reduce::reduce;
use super::*;
use crate::check::Finding;

const INITIAL: i64 = 3;

fn operation(id: u64, process: u64, key: &str, op: &str) -> Operation {
    Operation {
        id,
        process,
        key: key.to_owned(),
        op: op.to_owned(),
        input: Fields::new(),
        call_ns: id * 1_000,
        return_ns: Some(id * 1_000 + 900),
        outcome: Outcome::Ok,
        refused: None,
        output: Fields::new(),
        note: String::new(),
        idempotency_key: None,
    }
}

/// Replays accepted changes by version and finds the first answer that is not what the replay leaves.
fn judge(operations: &[Operation]) -> Vec<Finding> {
    let mut keys: Vec<&str> = operations.iter().map(|one| one.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().filter_map(|key| judge_key(key, operations)).collect()
}

fn judge_key(key: &str, operations: &[Operation]) -> Option<Finding> {
    let version = |one: &Operation| one.output.integer("version").unwrap();
    let of_key = |one: &&Operation| one.key == key && one.outcome == Outcome::Ok && one.op != "read";
    let mut changes: Vec<&Operation> = operations.iter().filter(of_key).collect();
    changes.sort_by_key(|one| version(one));
    let (mut available, mut before) = (INITIAL, None);
    for change in changes {
        let units = change.input.need_integer("units").unwrap();
        available += if change.op == "reserve" { -units } else { units };
        if available < 0 || change.output.integer("available").unwrap() != Some(available) {
            return Some(Finding::new("oversold", key, "one too many").by([change.id].into_iter().chain(before)));
        }
        before = Some(change.id);
    }
    None
}

/// A sound history of several keys; what a step does is drawn.
fn history(steps: &[(u8, u8)]) -> Vec<Operation> {
    let mut levels = [(INITIAL, 0_i64); 3];
    let mut operations = Vec::new();
    for (id, (kind, at)) in (0..).zip(steps.iter().copied()) {
        let place = usize::from(at % 3);
        let (available, version) = &mut levels[place];
        let mut one = operation(id, u64::from(at % 5), &format!("sku-{place}"), "reserve");
        match kind % 4 {
            0 if *available == 0 => {
                one.outcome = Outcome::Fail;
                one.refused = Some("insufficient".to_owned());
                one.input.set("units", 1);
            }
            0 | 1 if *available > 0 => {
                (*available, *version) = (*available - 1, *version + 1);
                one.input.set("units", 1);
                one.output.set("version", *version).set("available", *available);
            }
            2 => {
                "receive".clone_into(&mut one.op);
                (*available, *version) = (*available + 1, *version + 1);
                one.input.set("units", 1);
                one.output.set("version", *version).set("available", *available);
            }
            _ => {
                "read".clone_into(&mut one.op);
                one.output.set("version", *version).set("available", *available);
            }
        }
        operations.push(one);
    }
    operations
}

/// One accepted sale too many: the stock is shown as if it had not happened.
fn oversell(operations: &mut Vec<Operation>) {
    let last = operations
        .iter()
        .filter(|one| one.key == "sku-0" && one.outcome == Outcome::Ok)
        .max_by_key(|one| one.output.integer("version").unwrap());
    let (version, available) = last.map_or((0, INITIAL), |one| {
        (one.output.need_integer("version").unwrap(), one.output.need_integer("available").unwrap())
    });
    let mut planted = operation(operations.len() as u64, 9, "sku-0", "reserve");
    planted.input.set("units", 1);
    planted.output.set("version", version + 1).set("available", available);
    operations.push(planted);
}

proptest! {
    #[test]
    fn what_is_left_still_shows_it_and_no_effect_is_lost(
        steps in prop::collection::vec((0_u8..4, 0_u8..30), 0..80),
        budget in 0_u32..40,
    ) {
        let mut operations = history(&steps);
        prop_assert_eq!(judge(&operations), vec![], "the history is sound");
        oversell(&mut operations);
        let finding = judge(&operations).remove(0);
        let mut asked = 0;
        let mut is_still = |left: &[Operation]| { asked += 1; judge(left).into_iter().find(|found| found.rule == finding.rule) };
        let reduced = reduce(&operations, &finding, &mut is_still, budget);
        prop_assert_eq!(asked, reduced.judged);
        prop_assert!(reduced.judged <= budget);
        let left: Vec<Operation> = reduced.left.iter().map(|at| operations[*at].clone()).collect();
        prop_assert_eq!(judge(&left), vec![finding.clone()], "the same rule, by the same operations");
        let effects = |of: &[Operation]| of.iter().filter(|one| one.key == "sku-0" && one.outcome == Outcome::Ok && one.op != "read").count();
        prop_assert_eq!(effects(&left), effects(&operations), "an effect on the key was left out");
        if budget >= 2 {
            prop_assert!(left.iter().all(|one| one.key == "sku-0"), "another key is left");
        }
        if budget >= 3 {
            prop_assert_eq!(left.len(), effects(&left), "something idle is left");
        }

        let shown = shrink(&operations, &finding, &mut |left| judge(left).pop(), budget);
        prop_assert_eq!(&shown, &shrink(&operations, &finding, &mut |left| judge(left).pop(), budget), "not the same twice");
        let ids: Vec<u64> = shown.operations.iter().map(|one| one.id).collect();
        prop_assert!(finding.operations.iter().all(|id| ids.contains(id)), "{:?} lacks {:?}", ids, finding.operations);
        prop_assert_eq!(shown.operations.iter().filter(|one| one.part == Part::Impossible).count(), 1);
        prop_assert_eq!((shown.of, shown.left), (operations.len() as u64, left.len() as u64));
    }
}

#[test]
fn a_delivery_is_never_left_out_to_make_a_sale_look_wrong() {
    // Three on the shelf, a fourth is delivered, all four are sold, then a fifth: only the fifth is wrong.
    let mut operations = history(&[(2, 0), (1, 0), (1, 0), (1, 0), (1, 0)]);
    oversell(&mut operations);
    let finding = judge(&operations).remove(0);
    assert_eq!(finding.operations, [5, 4]);
    let without: Vec<Operation> = operations[1..5].to_vec();
    assert_eq!(judge(&without).len(), 1, "without the delivery an honest sale looks wrong");
    let reduced = reduce(&operations, &finding, &mut |left| judge(left).pop(), 100);
    assert_eq!(reduced.left, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_judge_that_does_not_find_it_leaves_everything() {
    let operations = history(&[(1, 0), (3, 1), (3, 2)]);
    let finding = Finding::new("oversold", "sku-0", "they say so").by([0]);
    let reduced = reduce(&operations, &finding, &mut |_| None, 100);
    assert_eq!((reduced.left.len(), reduced.judged), (3, 1));
}

#[test]
fn where_the_named_operations_suffice_nothing_else_is_left() {
    let operations: Vec<Operation> = (0..40).map(|id| operation(id, id % 4, "red", "create")).collect();
    let finding = Finding::new("tenant-leak", "red", "blue's mark is shown to red").by([17]);
    let is_there = |left: &[Operation]| left.iter().any(|one| one.id == 17).then(|| finding.clone());
    let reduced = reduce(&operations, &finding, &mut { is_there }, 20);
    assert_eq!(reduced.left, [17]);
    let shown = shrink(&operations, &finding, &mut { is_there }, 20);
    assert_eq!(shown.operations.len(), 1, "no context is needed");
}

#[test]
fn calls_under_a_limit_are_never_left_out() {
    let mut operations: Vec<Operation> = (0..10).map(|id| operation(id, id % 3, "alice", "call")).collect();
    for refused in &mut operations[6..] {
        (refused.outcome, refused.refused) = (Outcome::Fail, Some("limited".to_owned()));
    }
    let finding = Finding::new("limited-without-cause", "alice", "").by([9]);
    let reduced = reduce(&operations, &finding, &mut |_| Some(finding.clone()), 100);
    assert_eq!(reduced.left.len(), 10, "a refused call may have counted");
}

#[test]
fn of_sixty_one_named_calls_the_first_and_the_last_are_shown() {
    let operations: Vec<Operation> = (0..70).map(|id| operation(id, id % 8, "alice", "call")).collect();
    let finding = Finding::new("over-limit", "alice", "61 calls in one window").by([60].into_iter().chain(0..60));
    let shown = shrink(&operations, &finding, &mut |_| Some(finding.clone()), 10);
    let ids: Vec<u64> = shown.operations.iter().map(|one| one.id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 54, 55, 56, 57, 58, 59, 60]);
    assert_eq!((shown.unshown, shown.operations[11].part), (49, Part::Impossible));
}

#[test]
fn each_rule_is_explained_once_within_one_budget() {
    let operations = history(&[(1, 0), (1, 0)]);
    let found: Vec<Finding> =
        ["oversold", "oversold", "lost-update"].map(|rule| Finding::new(rule, "sku-0", "").by([1])).to_vec();
    let mut asked = 0;
    let mut judge = |_: &[Operation]| {
        asked += 1;
        found.clone()
    };
    let explained = explain(&operations, &found, &mut judge, 10);
    let rules: Vec<&str> = explained.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, ["oversold", "lost-update"]);
    assert!((2..=10).contains(&asked), "{asked}");
}

#[test]
fn the_state_before_and_after_is_shown_by_version() {
    let mut operations = history(&[(1, 0), (1, 0), (1, 0), (2, 0), (3, 0)]);
    // A version does not come in the order of the calls.
    operations[4].output.set("version", 0);
    let finding = Finding::new("oversold", "sku-0", "").by([1]);
    let shown = shrink(&operations, &finding, &mut |_| None, 0);
    let parts: Vec<(u64, Part)> = shown.operations.iter().map(|one| (one.id, one.part)).collect();
    assert_eq!(parts, [(0, Part::Context), (1, Part::Impossible), (2, Part::Context)]);
    assert_eq!((shown.began_ns, shown.operations[2].call_ns), (0, Some(2_000)));
}

#[test]
fn without_versions_the_nearest_in_time_are_shown() {
    let mut operations: Vec<Operation> = (0..6).map(|id| operation(id, id, "k", "write")).collect();
    operations[4].output.set("value", 7);
    let shown = shrink(&operations, &Finding::new("stale-read", "k", "").by([2]), &mut |_| None, 0);
    let ids: Vec<u64> = shown.operations.iter().map(|one| one.id).collect();
    assert_eq!(ids, [1, 2, 4], "what shows nothing says nothing of the state after");
    assert_eq!(shown.began_ns, 1_000);
}

fn said(op: &str, change: impl FnOnce(&mut Operation)) -> String {
    let mut one = operation(17, 3, "k", op);
    change(&mut one);
    Shown::of(&one, Part::Context, 0, &[]).sentence()
}

fn with(fields: serde_json::Value) -> Fields {
    serde_json::from_value(fields).unwrap()
}

#[test]
fn stock_in_words() {
    let reserve = |one: &mut Operation| {
        one.input = with(json!({"units": 1}));
        "POST /reservations: 201".clone_into(&mut one.note);
    };
    let told = said("reserve", |one| {
        reserve(one);
        one.output = with(json!({"version": 17, "available": 4}));
    });
    assert_eq!(told, "client 3 reserved 1 unit: answered 201, version 17, 4 available left");
    let told = said("reserve", |one| {
        reserve(one);
        (one.outcome, one.refused) = (Outcome::Fail, Some("insufficient".to_owned()));
        "POST /reservations: 409".clone_into(&mut one.note);
    });
    assert_eq!(told, "client 3 asked to reserve 1 unit: refused with 409 (insufficient)");
    let told = said("reserve", |one| {
        reserve(one);
        (one.outcome, one.return_ns) = (Outcome::Info, None);
        "POST /reservations: no answer: timed out".clone_into(&mut one.note);
    });
    assert_eq!(told, "client 3 asked to reserve 1 unit: no answer; whether it took effect is unknown");
    let told = said("release", |one| one.input = with(json!({"units": 2, "reservation": "r-1"})));
    assert_eq!(told, "client 3 gave back 2 units of reservation r-1: answered");
    let told = said("adjust", |one| one.input = with(json!({"delta": -3})));
    assert_eq!(told, "client 3 adjusted the stock by -3: answered");
    let told = said("movement", |one| one.output = with(json!({"version": 4, "available": -1, "reserved": 1})));
    assert_eq!(told, "the ledger books -1 available, +1 reserved: version 4");
    let told = said("read", |one| one.output = with(json!({"version": 4, "available": 0, "reserved": 5})));
    assert_eq!(told, "client 3 read the stock: answered, version 4, 0 available left, 5 reserved");
}

#[test]
fn locks_values_and_limits_in_words() {
    let told = said("acquire", |one| {
        one.input = with(json!({"ttl_ms": 30_000, "wait_ms": 0}));
        one.output = with(json!({"fence": 7, "token": "t".repeat(90)}));
    });
    assert_eq!(told, format!("client 3 took the lock for 30s: answered, fence 7, token {}…", "t".repeat(40)));
    let told = said("acquire", |one| {
        one.input = with(json!({"ttl_ms": 500, "wait_ms": 2_000}));
        (one.outcome, one.refused) = (Outcome::Fail, Some("busy".to_owned()));
    });
    assert_eq!(told, "client 3 asked to take the lock for 500ms, waiting up to 2s: refused (busy)");
    let told = said("release", |one| one.input = with(json!({"token": "x", "foreign": true})));
    assert_eq!(told, "client 3 gave back the lock with somebody else's token: answered");
    let told = said("cas", |one| one.input = with(json!({"from": 1, "to": 2})));
    assert_eq!(told, "client 3 changed 1 to 2: answered");
    let told = said("call", |one| {
        one.output = with(json!({"limit": 60, "remaining": 0, "retry_after_ms": 41_000}));
        "GET /products: 200".clone_into(&mut one.note);
    });
    assert_eq!(told, "client 3 called: answered 200, 0 remaining, limit 60, retry after 41s");
    let told = said("call", |one| one.output = with(json!({"reset_ms": 1_773_480_473_040_u64})));
    assert_eq!(told, "client 3 called: answered, window ends at 09:27:53 UTC");
    let told = said("order", |one| {
        one.input = with(json!({"lines": [{"key": "a", "units": 1}, {"key": "b", "units": 2}]}));
        one.output = with(json!({"lines": [{"key": "a", "version": 3, "available": 2}, {"key": "b", "version": 9}]}));
    });
    assert_eq!(told, "client 3 ordered 1 of a and 2 of b: answered, a at version 3 with 2 left, b at version 9");
}

#[test]
fn tenants_keys_and_jobs_in_words() {
    let told = said("see", |one| {
        one.input = with(json!({"route": "GET /products"}));
        one.output = with(json!({"status": 200, "canaries": ["cnry-blue-1"]}));
    });
    assert_eq!(told, "client 3 asked for GET /products: answered 200, shows cnry-blue-1");
    let told = said("foreign", |one| {
        one.input = with(json!({"route": "GET /products/{id}", "owner": "blue"}));
        one.output = with(json!({"status": 200, "shows": true, "canaries": []}));
    });
    assert_eq!(
        told,
        "client 3 asked for GET /products/{id} with an id of blue: answered 200, no mark of anybody, shows what is not theirs"
    );
    let told = said("create", |one| {
        one.input = with(json!({"body": "d41d"}));
        one.output = with(json!({"id": "o-1", "replayed": true}));
        "POST /orders: 201; a resent request repeats its answer".clone_into(&mut one.note);
    });
    assert_eq!(
        told,
        "client 3 created it with body d41d: answered 201, id o-1, as a repeated answer (known by sending it again)"
    );
    let told = said("find", |one| one.output = with(json!({"ids": ["a", "b", "c", "d", "e"]})));
    assert_eq!(told, "client 3 looked what exists under that key: answered, 5 things: a, b, c, d, 1 more");
    let told = said("effect", |one| {
        one.input = with(json!({"job": "j-4"}));
        one.output = with(json!({"times": 2}));
    });
    assert_eq!(told, "client 3 looked how often job j-4 took effect: answered, 2 times");
    let told = said("twist", |one| one.input = with(json!({"by": 3})));
    assert_eq!(told, "client 3 did `twist` (by 3): answered");
}

#[test]
fn a_lock_is_held_until_its_release_or_the_end_of_its_lease() {
    let of = |op: &str, id: u64, ttl_ms: u64| {
        let mut one = operation(id, id, "lock", op);
        one.input = with(json!({"ttl_ms": ttl_ms, "token": "t"}));
        one.output.set("token", "t");
        one
    };
    let held = |operations: &[Operation]| held::until_ns(&operations[0], operations);
    assert_eq!(held(&[of("acquire", 1, 2)]), Some(2_001_000), "to the end of the lease");
    assert_eq!(held(&[of("acquire", 1, 2), of("release", 7, 0)]), Some(7_000), "to the release");
    assert_eq!(held(&[of("acquire", 1, 2), of("renew", 5, 3)]), Some(3_005_000), "to the end of what was renewed");
    assert_eq!(held(&[of("acquire", 1, 2), of("release", 7, 0), of("renew", 9, 3)]), Some(7_000));
    let mut stranger = of("release", 7, 0);
    stranger.input.set("token", "u");
    assert_eq!(held(&[of("acquire", 1, 2), stranger]), Some(2_001_000), "a stranger's release ends nothing");
    assert_eq!(held(&[of("release", 1, 2)]), None);
    let mut refused = of("acquire", 1, 2);
    refused.outcome = Outcome::Fail;
    assert_eq!(held(&[refused]), None);
}

#[test]
fn a_label_says_what_matters_first() {
    let label = |op: &str, input: serde_json::Value, output: serde_json::Value| {
        let mut one = operation(1, 1, "k", op);
        (one.input, one.output) = (with(input), with(output));
        "POST /x: 201".clone_into(&mut one.note);
        Shown::of(&one, Part::Context, 0, &[]).label
    };
    let out = json!({"available": 0, "reserved": 9, "version": 4, "reservation": "r"});
    assert_eq!(label("reserve", json!({"units": 1}), out), "reserve 1 unit: 201, version 4, 0 available left");
    assert_eq!(label("acquire", json!({}), json!({"token": "t", "fence": 7})), "take the lock: 201, fence 7");
}
