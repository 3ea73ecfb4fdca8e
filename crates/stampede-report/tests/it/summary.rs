//! The summary in its details.

use serde_json::{Value, json};
use stampede_report::export;
use stampede_report::summary::{Detail, Paint, render, render_painted};

use crate::sample;

#[test]
fn the_summaries_are_as_reviewed() {
    insta::assert_snapshot!("summary_full", render(&sample::shop(), Detail::Full));
    insta::assert_snapshot!("summary_short", render(&sample::shop(), Detail::Short));
    insta::assert_snapshot!("summary_quiet", render(&sample::quiet(), Detail::Full));
    insta::assert_snapshot!("summary_empty", render(&sample::empty(), Detail::Full));
    assert_eq!(render(&sample::shop(), Detail::None), "");
    let json: serde_json::Value = serde_json::from_str(&render(&sample::shop(), Detail::Json)).unwrap();
    assert_eq!((json["verdict"].as_str(), json["counts"]["asked"].as_u64()), (Some("FAIL"), Some(28_647)));
}

#[test]
fn everything_that_a_scenario_did_side_by_side_is_told() {
    let mut run = sample::shop();
    let flow = |name: &str, arrivals: Value| json!({ "name": name, "arrivals": arrivals, "users": 5 });
    let closed = json!({ "model": "closed", "connections": 5 });
    let open = json!({
        "model": "open", "rate_per_s": 20.0, "spacing": "uniform", "seed": 7, "max_in_flight": 5, "max_queue": 9
    });
    run.plan.flows = serde_json::from_value(json!([flow("look", open), flow("b\u{1b}uy", closed)])).unwrap();
    let told =
        "shop rush: look: open model, 20/s uniform, at most 5 in flight; b\\u{1b}uy: closed model, 5 connections";
    let text = render(&run, Detail::Short);
    assert!(text.starts_with(told), "{text}");
    assert!(!text.contains("/s asked"), "the rate of one is not that of all: {text}");
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("x.html");
    export::write(&page, &run).unwrap();
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<dt>look</dt><dd>open model, 20/s uniform, at most 5 in flight</dd>"), "{page}");
    let name = run.plan.flows[0].clone();
    run.plan.flows = vec![name; 6];
    assert!(render(&run, Detail::Short).lines().next().unwrap().ends_with("; and 2 more"));
}

#[test]
fn colour_only_repeats_the_words() {
    let run = sample::shop();
    let painted = render_painted(&run, Detail::Full, Paint::Colour);
    assert!(painted.contains("\x1b[1;31mFAIL\x1b[0m") && painted.contains("\x1b[32mPASS\x1b[0m"));
    let mut bare = painted;
    for code in ["\x1b[1;31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, render(&run, Detail::Full));
}

#[test]
fn no_name_moves_the_cursor() {
    let text = render(&sample::hostile(), Detail::Full);
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text}");
    assert!(text.contains("\\u{1b}[2J"), "it is shown: {text}");
}

#[test]
fn an_untrustworthy_run_says_so_first() {
    let mut run = sample::quiet();
    run.result.health.behind = 2_000;
    run.trust = stampede_model::run_trust::Trust::of(&run.result, &[]);
    let text = render(&run, Detail::Short);
    assert!(text.find("NOT TRUSTWORTHY").unwrap() < text.find("PASS").unwrap(), "{text}");
}
