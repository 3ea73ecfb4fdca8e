//! The tester tested: the sound twin passes every row, and each faulty twin is named by the row that looks for its fault.

use std::sync::Arc;

use stampede_engine::blackbox::{Bench, run_row};
use stampede_engine::load::Control;
use stampede_model::target::{Effort, Origin, Scope, Target};
use stampede_model::verdict::{RowReport, Verdict};

use crate::toy::{Fault, Toy};

const KV_ERP: &str = include_str!("../../../../targets/kv-erp.toml");

/// The example target, its quick load shortened: what is tested is the row, not the load.
fn target() -> Target {
    let text = KV_ERP.replace("lasts = \"5s\"", "lasts = \"1s\"");
    Target::parse("targets/kv-erp.toml", &text).unwrap()
}

/// Runs one row against a twin whose users are fresh.
fn run(fault: Fault, row: &str) -> RowReport {
    let toy = Toy::start(fault);
    // The processes stay in the description: they say that the target is the bench's own.
    let target = target();
    assert_eq!(target.start.origin(), Origin::Started);
    run_at(&target, &toy.url, row)
}

fn run_at(target: &Target, url: &str, row: &str) -> RowReport {
    let rows = target.rows();
    let row = *rows.iter().find(|candidate| candidate.id() == row).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bench = Bench::new(target, url, "test", Scope::default()).unwrap();
        run_row(&bench, row, Effort::Quick, &Arc::new(Control::new())).await
    })
}

fn assert_passes(row: &str) {
    let report = run(Fault::None, row);
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
}

fn assert_names(fault: Fault, row: &str, words: &str) {
    let report = run(fault, row);
    assert_eq!(report.verdict, Verdict::Violated, "{report:#?}");
    let told = format!("{}\n{}", report.reason, report.evidence.join("\n"));
    assert!(told.contains(words), "{fault:?} should be named by {words:?}: {report:#?}");
}

#[test]
fn the_sound_twin_passes_the_stock_rows() {
    for row in ["stock-all-succeed", "stock-no-oversell", "concurrency"] {
        assert_passes(row);
    }
}

#[test]
fn the_sound_twin_passes_the_rate_limit() {
    assert_passes("rate-limit");
}

#[test]
fn the_sound_twin_passes_the_lock_rows() {
    assert_passes("lock-rules");
    assert_passes("lock-exclusive");
}

#[test]
fn the_sound_twin_fails_no_request_of_the_load() {
    let report = run(Fault::None, "load");
    // On a crowded machine the generator may call itself too late; that is unknown, and never a violation or a missed threshold.
    assert!(matches!(report.verdict, Verdict::Pass | Verdict::Unknown), "{report:#?}");
    assert!(report.figure.ends_with("errors 0.00 % of 200"), "{report:#?}");
}

#[test]
fn a_lost_update_is_named_by_every_stock_row() {
    assert_names(Fault::LostUpdate, "stock-all-succeed", "lost update");
    assert_names(Fault::LostUpdate, "stock-no-oversell", "oversold");
    assert_names(Fault::LostUpdate, "concurrency", "lost update");
}

#[test]
fn an_oversell_is_named() {
    assert_names(Fault::Oversell, "stock-no-oversell", "oversold: 100 units were promised, 50 were there");
}

#[test]
fn a_forgetful_ledger_is_named() {
    assert_names(Fault::ForgetfulLedger, "concurrency", "ledger: version 7 expected, 8 found");
}

#[test]
fn a_limit_of_61_is_named() {
    assert_names(Fault::OffByOneLimit, "rate-limit", "sequential: 61 calls passed, the limit is 60");
}

#[test]
fn a_limiter_that_looks_first_and_counts_later_is_named() {
    assert_names(Fault::CheckThenRecord, "rate-limit", "simultaneous: 70 calls passed, the limit is 60");
}

#[test]
fn a_limit_shared_by_tenants_is_named() {
    assert_names(Fault::SharedLimit, "rate-limit", "other tenant: a user of another tenant was answered 429");
}

#[test]
fn missing_headers_are_named() {
    assert_names(Fault::MissingHeaders, "rate-limit", "sequential: Retry-After is missing");
}

#[test]
fn a_dishonest_remaining_is_named() {
    assert_names(Fault::DishonestRemaining, "rate-limit", "Remaining is dishonest");
}

#[test]
fn a_double_grant_is_named() {
    assert_names(Fault::DoubleGrant, "lock-exclusive", "granted twice");
}

#[test]
fn a_fence_that_does_not_rise_is_named() {
    assert_names(Fault::StuckFence, "lock-exclusive", "fencing numbers do not rise");
}

#[test]
fn a_stranger_who_can_release_is_named() {
    assert_names(Fault::StrangerReleases, "lock-rules", "a stranger cannot release: a stranger's release was accepted");
}

#[test]
fn a_lock_shared_by_tenants_is_named() {
    assert_names(Fault::SharedLocks, "lock-rules", "tenants lock apart");
}

#[test]
fn a_lock_that_never_expires_is_named() {
    assert_names(Fault::NeverExpires, "lock-rules", "a lock expires after its time to live");
}

#[test]
fn a_failing_server_misses_the_load_rows_threshold() {
    let report = run(Fault::FailingList, "load");
    assert_eq!(report.verdict, Verdict::Missed, "{report:#?}");
    assert!(report.reason.contains("errors"), "{report:#?}");
}

#[test]
fn a_used_up_user_of_a_found_target_is_unknown_and_no_pass() {
    let toy = Toy::start(Fault::None);
    let target = target().found_at(&toy.url);
    assert_eq!(run_at(&target, &toy.url, "rate-limit").verdict, Verdict::Pass);
    let again = run_at(&target, &toy.url, "rate-limit");
    assert_eq!(again.verdict, Verdict::Unknown, "{again:#?}");
    assert!(again.reason.contains("was not fresh"), "{again:#?}");
}

#[test]
fn a_row_whose_set_up_fails_is_not_run() {
    let toy = Toy::start(Fault::None);
    let text = KV_ERP.replace("path = \"/api/v1/products\"", "path = \"/api/v1/no-such-thing\"");
    let target = Target::parse("t.toml", &text).unwrap();
    let report = run_at(&target, &toy.url, "stock-all-succeed");
    assert_eq!(report.verdict, Verdict::NotRun);
    assert!(report.reason.starts_with("set-up: request `new_product` answered 404"), "{report:#?}");
}
