//! A correct system is never accused, whatever it shows and whatever gets lost; one wrong answer is refused by the right rule.

use proptest::prelude::*;

use serde_json::json;

use super::*;
use crate::check::Answer;
use crate::check::envelope::Spanned;
use crate::check::testing::{lost, operation, refused};
use crate::history::{Fields, Model, Outcome};

const ALL: Shows = Shows { versions: true, figures: true, reservations: true };
const NOTHING: Shows = Shows { versions: false, figures: false, reservations: false };

fn plans() -> impl Strategy<Value = Plan> {
    let shows = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(versions, figures, reservations)| Shows {
        versions,
        figures,
        reservations,
    });
    let quiet = prop_oneof![
        Just(vec![]),
        Just(vec![Kind::Expire]),
        Just(vec![Kind::Confirm]),
        Just(vec![Kind::Release, Kind::Expire]),
        Just(vec![Kind::Adjust, Kind::Confirm, Kind::Receive]),
    ];
    let sizes = (10_usize..400, 1_usize..40, 0_i64..30, 1_i64..4);
    let troubles = (prop_oneof![Just(0), 1_u64..100], prop_oneof![Just(0), 100_u64..1_000]);
    let looks = any::<(bool, bool, bool)>();
    (any::<u64>(), sizes, troubles, looks, shows, quiet).prop_map(|(seed, sizes, troubles, looks, shows, quiet)| Plan {
        initial: sizes.2,
        most_units: sizes.3,
        lost_per_mille: troubles.0,
        expiring_per_mille: troubles.1,
        is_read_at_begin: looks.0,
        is_read_at_end: looks.1,
        keeps_ledger: looks.2,
        quiet,
        ..Plan::new(seed, sizes.0, sizes.1).showing(shows)
    })
}

fn rules(report: &CheckReport) -> Vec<&str> {
    report.violations.iter().map(|finding| finding.rule.as_str()).collect()
}

/// The history as a file has it.
fn in_full(plan: &Plan) -> (Heading, Vec<Operation>) {
    let mut heading = Heading::of(Model::Stock);
    heading.settings.set("initial", plan.initial);
    let level = plan.level();
    let shown = |figures: &Figures| -> Fields {
        Figure::ALL.into_iter().filter_map(|figure| Some((figure.as_str(), figures.get(figure)?))).collect()
    };
    let mut operations: Vec<Operation> = Vec::new();
    for op in level.ops() {
        let word = format!("{:?}", op.kind()).to_lowercase();
        let amount = if op.kind() == Kind::Adjust { "delta" } else { "units" };
        let mut whole = operation(op.id(), &word, op.span(), json!({ amount: op.units() }), json!({}));
        whole.output = shown(op.figures());
        if let Some(reservation) = op.reservation() {
            whole.input.set("reservation", format!("res-{reservation}"));
        }
        if let Some(version) = op.version() {
            whole.output.set("version", version);
        }
        operations.push(match op.fate() {
            Fate::Done => whole,
            Fate::Unknown => lost(whole),
            Fate::Insufficient => refused(whole, "insufficient"),
            Fate::Gone => refused(whole, "gone"),
        });
    }
    for row in &level.rows {
        let mut whole = operation(row.id, "movement", (0, 0), json!({"version": row.version}), json!({}));
        shown(&row.deltas).iter().for_each(|(name, value)| {
            whole.input.set(name, value.clone());
        });
        operations.push(whole);
    }
    (heading, operations)
}

/// The history with one operation changed.
fn changed(plan: &Plan, which: impl Fn(&StockOp) -> bool, change: impl Fn(StockOp) -> StockOp) -> Option<Level> {
    let mut ops = plan.ops();
    let chosen: Vec<usize> = (0..ops.len()).filter(|&at| which(&ops[at])).collect();
    let at = *chosen.get(chosen.len() / 2)?;
    ops[at] = change(ops[at]);
    Some(Level::new("k", Some(plan.initial), ops, Vec::new()))
}

proptest! {
    #[test]
    fn a_correct_system_is_never_accused(plan in plans()) {
        let report = check_level(&plan.level());
        prop_assert_eq!(report.violations, vec![]);
        let is_whole = plan.lost_per_mille == 0 && plan.is_read_at_end && report.answer == Answer::Holds;
        prop_assert!(plan.lost_per_mille > 0 || !plan.is_read_at_end || is_whole, "{:?}", report.doubts);
    }

    #[test]
    fn a_file_says_what_the_level_says(plan in plans()) {
        let (heading, operations) = in_full(&plan);
        let (file, level) = (check(&heading, &operations), check_level(&plan.level()));
        prop_assert_eq!(file.operations, level.operations + plan.level().rows.len() as u64);
        prop_assert_eq!((file.answer, file.strength, file.indeterminate), (level.answer, level.strength, level.indeterminate));
        prop_assert_eq!((&file.violations, &file.could_hide), (&vec![], &level.could_hide));
        let told = |report: &CheckReport| report.doubts.iter().map(|doubt| doubt.what.clone()).collect::<Vec<_>>();
        prop_assert_eq!(told(&file), told(&level));
    }

    #[test]
    fn a_request_that_is_repeated_is_never_an_accusation(plan in plans(), later in 0_u64..2_000) {
        let (heading, mut operations) = in_full(&plan);
        let mut again = Vec::new();
        for operation in operations.iter_mut().filter(|operation| !["read", "movement", "expire"].contains(&operation.op.as_str())) {
            operation.idempotency_key = Some(format!("key-{}", operation.id));
            if operation.id % 5 == 0 && operation.outcome != Outcome::Info {
                // The stored answer, given again.
                let call_ns = operation.call_ns + later;
                let return_ns = operation.return_ns.map(|return_ns| return_ns + later);
                again.push(Operation { id: operation.id + 100_000, call_ns, return_ns, ..operation.clone() });
            }
        }
        operations.extend(again);
        prop_assert_eq!(&check(&heading, &operations).violations, &vec![]);
    }

    #[test]
    fn a_row_of_the_ledger_that_is_off_is_refused(seed in any::<u64>(), clients in 1_usize..40, figure in 0_usize..2) {
        let plan = Plan { keeps_ledger: true, ..Plan::new(seed, 300, clients).showing(ALL) };
        let mut level = plan.level();
        let middle = level.rows.len() / 2;
        let (row, figure) = (&mut level.rows[middle], Figure::ALL[figure]);
        row.deltas = row.deltas.with(figure, row.deltas.get(figure).unwrap() + 1);
        let report = check_level(&level);
        prop_assert!(rules(&report).contains(&"units-made"), "{:?}", report.violations);
    }

    #[test]
    fn versions_prove_a_correct_history_without_a_read_at_the_end(seed in any::<u64>(), clients in 1_usize..40, is_read_at_end in any::<bool>()) {
        let plan = Plan { is_read_at_end, ..Plan::new(seed, 300, clients).showing(ALL) };
        let report = check_level(&plan.level());
        prop_assert_eq!((report.answer, report.strength), (Answer::Holds, Strength::Witness));
    }

    #[test]
    fn a_version_given_twice_is_a_lost_update(seed in any::<u64>(), clients in 2_usize..40) {
        let plan = Plan::new(seed, 300, clients).showing(ALL);
        let change = |op: StockOp| op.at_version(op.version().map(|version| version - 1));
        let level = changed(&plan, |op| op.is_done_update() && op.version() > Some(3), change).unwrap();
        let report = check_level(&level);
        prop_assert!(rules(&report).contains(&"lost-update"), "{:?}", report.violations);
    }

    #[test]
    fn a_figure_off_by_one_is_refused(seed in any::<u64>(), clients in 1_usize..40, is_more in any::<bool>()) {
        let plan = Plan::new(seed, 300, clients).showing(ALL);
        let by = if is_more { 1 } else { -1 };
        let change = |op: StockOp| op.showing(op.figures().with(Figure::Available, op.figures().get(Figure::Available).unwrap() + by));
        let level = changed(&plan, |op| op.kind() == Kind::Reserve && op.figures().get(Figure::Available) > Some(0), change);
        let Some(level) = level else { return Ok(()) };
        let report = check_level(&level);
        let wanted = if is_more { "units-made" } else { "units-lost" };
        // An answer that lacks just what the update before it did, is called by its likelier name.
        prop_assert!(rules(&report).iter().any(|rule| [wanted, "lost-update"].contains(rule)), "{:?}", report.violations);
    }

    #[test]
    fn a_refusal_while_units_are_free_is_refused(seed in any::<u64>(), clients in 1_usize..40, with_versions in any::<bool>()) {
        let plan = Plan { initial: 1_000, ..Plan::new(seed, 300, clients).showing(if with_versions { ALL } else { NOTHING }) };
        let change = |op: StockOp| op.came_out(Fate::Insufficient);
        // As if it had never been granted: with versions its own would be missing.
        let mut ops = plan.ops();
        let last = ops.iter().map(Spanned::end_ns).max().unwrap();
        ops.push(change(StockOp::new(9_999, Kind::Reserve, 2, (last + 1, last + 2))));
        let report = check_level(&Level::new("k", Some(plan.initial), ops, Vec::new()));
        prop_assert_eq!(rules(&report)[0], "refused-without-cause");
        prop_assert_eq!(report.violations[0].operations[0], 9_999);
    }

    #[test]
    fn one_unit_oversold_is_found_by_a_read_at_the_end(seed in any::<u64>(), clients in 4_usize..40) {
        let plan = Plan { most_units: 1, ..Plan::new(seed, 400, clients).faulty(Fault::Oversells(150)) };
        let report = check_level(&plan.level());
        let sound = check_level(&Plan { fault: None, ..plan.clone() }.level());
        prop_assert_eq!(sound.violation_count, 0);
        let is_planted = plan.ops().iter().filter(|op| op.fate() == Fate::Insufficient).count()
            != Plan { fault: None, ..plan }.ops().iter().filter(|op| op.fate() == Fate::Insufficient).count();
        if is_planted {
            prop_assert!(rules(&report).iter().any(|rule| ["oversold", "lost-update"].contains(rule)), "{:?}", report.violations);
        }
    }
}
