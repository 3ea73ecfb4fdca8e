//! A campaign's page in a real browser: one time axis for all of it, every band named and told, nothing loaded, nothing overflowing.

use serde_json::json;
use stampede_model::chaos::{
    CHAOS_FORMAT, CHAOS_VERSION, ChaosReport, CheckedReport, Expected, FaultReport, Recovery, SteadyReport,
};
use stampede_model::failure::FailureKind;
use stampede_model::timeline::{Band, Timeline, Unit, hints};
use stampede_report::chaos;

use crate::browser::Browser;
use crate::page::{assert_quiet, drawn, keep};
use crate::sample;

const SECOND: u64 = 1_000_000_000;
const FAULTS: u64 = 30;
/// From the beginning of one fault to that of the next.
const APART: u64 = 40;
const NAMES: [&str; 5] =
    ["kill", "latency 100ms jitter 20ms", "http-no-answer 20 %", "lock-table stock_levels", "promote kill"];

/// Faults one after the other: waits for locks grow a second before latency does.
fn campaign() -> ChaosReport {
    let mut timeline = Timeline { length_ns: (FAULTS * APART + 10) * SECOND, ..Timeline::default() };
    for second in 0..FAULTS * APART + 10 {
        let (at_ns, into) = (second * SECOND, second % APART);
        let is_bad = second > APART && (3..9).contains(&into);
        let p99 = if is_bad { 900e6 } else { 8e6 + (second % 3) as f64 * 1e6 };
        for (name, share) in [("p50", 0.2), ("p95", 0.7), ("p99", 1.0)] {
            timeline.add(("Latency of answers", Unit::Ns), name, (at_ns, p99 * share));
        }
        timeline.add(("Requests", Unit::PerSecond), "succeeded", (at_ns, if is_bad { 4.0 } else { 20.0 }));
        timeline.add(("Requests", Unit::PerSecond), "failed", (at_ns, if is_bad { 16.0 } else { 0.0 }));
        let waits = if second > APART && (2..9).contains(&into) { 12.0 } else { 0.0 };
        timeline.add(("Sessions of PostgreSQL", Unit::Count), "waiting for a lock", (at_ns, waits));
        timeline.add(("Sessions of PostgreSQL", Unit::Count), "idle", (at_ns, 40.0));
    }
    let faults: Vec<FaultReport> = (1..=FAULTS).map(fault).collect();
    timeline.bands = faults
        .iter()
        .map(|fault| Band {
            name: format!("{} on {}", fault.fault, fault.on),
            from_ns: fault.injected_ns,
            until_ns: fault.undone_ns,
            text: "clients were served again after 7.00 s".to_owned(),
        })
        .collect();
    timeline.marks = hints(&timeline, "Latency of answers", "p99");
    let run = sample::check::buggy();
    ChaosReport {
        format: CHAOS_FORMAT.to_owned(),
        version: CHAOS_VERSION,
        target: "kv-erp cluster <b>".to_owned(),
        url: "http://127.0.0.1:8080".to_owned(),
        seed: 7,
        started_unix_ms: 1_764_000_000_000,
        elapsed_ms: (FAULTS * APART + 10) * 1_000,
        aborted: None,
        steady: SteadyReport {
            after_ms: Some(10),
            question: "GET /readyz is answered with 200".to_owned(),
            ..SteadyReport::default()
        },
        succeeded: 20_000,
        failed: 2_000,
        samples_left_out: 0,
        faults,
        checked: Some(CheckedReport::of(run)),
        checked_trouble: None,
        timeline,
    }
}

fn fault(number: u64) -> FaultReport {
    let injected_ns = number * APART * SECOND + 2 * SECOND;
    FaultReport {
        fault: NAMES[number as usize % NAMES.len()].to_owned(),
        on: "api-postgres".to_owned(),
        injected_ns,
        undone_ns: injected_ns + 6 * SECOND,
        refused: None,
        verified: true,
        note: "calm".to_owned(),
        seen: Recovery {
            recovered_after_ns: Some(7 * SECOND),
            after_undo_ns: Some(SECOND),
            errors: [(FailureKind::Timeout, 96)].into(),
            ..Recovery::default()
        },
        expected: Expected { recovery_ns: Some(10 * SECOND), ..Expected::default() },
    }
}

#[test]
fn a_campaign_is_one_time_axis_and_every_band_has_a_name() {
    let report = campaign();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chaos.html");
    std::fs::write(&path, chaos::html(&report)).unwrap();
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);
    for (id, marks) in drawn(&mut browser) {
        assert!(marks > 0, "{id} is empty");
    }
    // The same axis under every chart, so that what stands above one another happened at the same time.
    let axes = browser.value(
        "new Set([...document.querySelectorAll('.timeline .x')].map(axis => axis.textContent)).size + ' of ' + \
         document.querySelectorAll('.timeline .x').length",
    );
    assert_eq!(axes, "1 of 3");
    assert_eq!(browser.value("document.querySelectorAll('.timeline .names span').length"), FAULTS);
    assert_eq!(browser.value("document.querySelectorAll('.timeline ol.bands li').length"), FAULTS);
    assert_eq!(browser.value("document.querySelectorAll('#timeline-0 rect.band').length"), FAULTS);
    // A band begins where its fault does.
    let place = browser
        .value("(band => +band.getAttribute('x'))(document.querySelectorAll('#timeline-0 rect.band')[0]) / 1000");
    let wanted = report.faults[0].injected_ns as f64 / report.timeline.length_ns as f64;
    assert!((place.as_f64().unwrap() - wanted).abs() < 0.01, "{place} is not {wanted}");
    // The hint names what moved first, and says that it is one.
    let hint = browser.value("document.querySelector('.timeline ol.events li').innerText");
    let hint = hint.as_str().unwrap().to_owned();
    for word in
        ["hint", "p99 rose from", "what moved first: waiting for a lock from 0 to 12 (1.00 s before)", "during `"]
    {
        assert!(hint.contains(word), "{word}: {hint}");
    }
    assert_eq!(
        browser.value("document.querySelectorAll('.timeline ol.events li').length"),
        report.timeline.marks.len()
    );
    // Names do not cover one another: each begins to the right of the one before.
    let lefts = browser.value(
        "[...document.querySelectorAll('.timeline .names span')].map(name => parseFloat(name.style.left)).every((left, at, all) => \
         at === 0 || left - all[at - 1] >= 1.7)",
    );
    assert_eq!(lefts, json!(true));
    let rows = browser.value("[...document.querySelectorAll('.kinds tbody tr')].map(row => row.cells[0].innerText)");
    assert!(rows.as_array().unwrap().contains(&json!("oversold units")), "{rows}");
    assert_quiet(&browser, &path);
    keep("chaos-light.png", &browser.picture());
    browser.look(1_280, "dark", "screen");
    keep("chaos-dark.png", &browser.picture());
    browser.look(400, "light", "screen");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
    keep("chaos-narrow.png", &browser.picture());
}

#[test]
fn what_came_from_outside_is_text_and_an_empty_campaign_has_a_page() {
    let mut report = campaign();
    report.timeline.bands[0].name = "<script>alert(1)</script>".to_owned();
    report.faults[0].on = "<img src=x>".to_owned();
    let page = chaos::html(&report);
    assert!(!page.contains("<script>alert") && !page.contains("<img") && !page.contains("cluster <b>"));
    let empty = ChaosReport { faults: Vec::new(), checked: None, timeline: Timeline::default(), ..report };
    let page = chaos::html(&empty);
    assert!(page.contains("OPEN") && !page.contains("Was it right meanwhile?"));
}
