//! A run of an autoscaler, shown.

use stampede_model::autoscale::{
    AUTOSCALE_FORMAT, AUTOSCALE_VERSION, AutoscaleReport, Autoscaler, Moment, Reason, ScaleChange, ScaleSecond,
};
use stampede_model::run_result::Counts;
use stampede_model::verdict::{RowReport, Verdict};
use stampede_report::autoscale::{page, text};

use crate::browser::Browser;
use crate::page::{assert_quiet, drawn, keep};

const S: u64 = 1_000_000_000;

const SCALER: &str = "[autoscaler]\nname = \"api\"\nmin = 3\nmax = 8\n\
    [[autoscaler.metric]]\npods = \"requests\"\naverage = 600\n";

fn row(target: &str, verdict: Verdict, reason: &str) -> RowReport {
    RowReport {
        id: "scale-x".into(),
        test: "Horizontal Scale".into(),
        metric: "m".into(),
        target: target.into(),
        figure: "measured".into(),
        verdict,
        reason: reason.into(),
        evidence: Vec::new(),
        elapsed_ms: 1,
    }
}

/// A hump of a hundred seconds.
fn report(verdict: Verdict) -> AutoscaleReport {
    let moment = |at_s: u64| {
        let wanted = if (20..80).contains(&at_s) { 8 } else { 3 };
        let ready = if (24..82).contains(&at_s) { 8 } else { 3 };
        Moment {
            at_ns: at_s * S,
            wanted,
            ready,
            recommended: Some(wanted),
            values: vec![(at_s > 2).then_some(f64::from(wanted) * 70.0)],
            reason: Reason::Metrics,
        }
    };
    let second = |at_s: u64| {
        let asked = if (20..70).contains(&at_s) { 5_000 } else { 1_000 };
        ScaleSecond { asked, succeeded: asked, failed: u64::from(at_s == 50), p95_ns: Some((at_s + 3) * 1_000_000) }
    };
    AutoscaleReport {
        format: AUTOSCALE_FORMAT.into(),
        version: AUTOSCALE_VERSION,
        target: "<b>shop</b>".into(),
        url: "http://127.0.0.1:1".into(),
        service: "api".into(),
        started_unix_ms: 1_790_000_000_000,
        elapsed_ns: 100 * S,
        load: "1000 → 5000 → 1000 req/s".into(),
        compress: 10,
        interval_ms: 1_500,
        autoscaler: Autoscaler::parse("a.toml", SCALER).unwrap(),
        moments: (0..50).map(|number| moment(number * 2)).collect(),
        changes: vec![
            ScaleChange { at_ns: 20 * S, done_ns: 24 * S, from: 3, to: 8, failed: None },
            ScaleChange { at_ns: 80 * S, done_ns: 82 * S, from: 8, to: 3, failed: Some("api-8 <hangs>".into()) },
        ],
        seconds: (0..100).map(second).collect(),
        counts: Counts { asked: 300_000, sent: 300_000, succeeded: 299_999, failed: 1, ..Counts::default() },
        outcomes_left_out: 0,
        doubts: Vec::new(),
        interrupted: false,
        rows: vec![row("3 → 8 → 3 replicas", Verdict::Pass, ""), row("no error", verdict, "because <it> did")],
    }
}

#[test]
fn the_text_has_rows_changes_and_the_looks_that_matter() {
    let text = text(&report(Verdict::Missed));
    for word in
        ["PASS    3 → 8 → 3 replicas", "FAIL    no error", "because <it> did", "FAILED: api-8 <hangs>", "divided by 10"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Four looks differ from the ones before: the first, the wish, both readinesses, and the wish back.
    assert_eq!(text.matches("as the metrics ask").count(), 5, "{text}");
    assert!(text.contains("requests (target 600 a replica)"), "{text}");
}

#[test]
fn the_page_has_everything_on_one_axis_and_escapes_what_came_from_outside() {
    let page = page(&report(Verdict::Missed));
    for id in ["scale-rates", "scale-latency", "scale-replicas", "scale-metric-0"] {
        assert_eq!(page.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    assert_eq!(page.matches("1m40").count() % 4, 0, "every axis has the same end");
    assert!(page.contains("&lt;b&gt;shop&lt;/b&gt;") && !page.contains("<b>shop</b>"));
    assert!(page.contains("api-8 &lt;hangs&gt;") && page.contains("FAIL") && page.contains("minReplicas: 3"));
    for (verdict, word) in [(Verdict::Pass, "PASS"), (Verdict::Unknown, "OPEN")] {
        assert!(self::page_title(&report(verdict)).starts_with(word));
    }
}

#[test]
fn in_a_browser_every_chart_draws_something_and_nothing_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scale.html");
    std::fs::write(&path, page(&report(Verdict::Missed))).unwrap();
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);
    let drawn = drawn(&mut browser);
    assert_eq!(drawn.len(), 4, "{drawn:?}");
    assert!(drawn.iter().all(|(_, marks)| *marks > 0), "{drawn:?}");
    assert_quiet(&browser, &path);
    keep("scale-light.png", &browser.picture());
    let rows = "[...document.querySelectorAll('#scale-replicas tbody tr')].map(row => row.innerText)";
    let rows: Vec<String> = serde_json::from_value(browser.value(rows)).unwrap();
    assert_eq!(rows.len(), 100);
    browser.look(400, "dark", "screen");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
    keep("scale-narrow.png", &browser.picture());
}

fn page_title(report: &AutoscaleReport) -> String {
    let page = page(report);
    let (_, rest) = page.split_once("<title>").unwrap();
    rest.split_once("</title>").unwrap().0.to_owned()
}

#[test]
fn a_run_survives_its_file() {
    let report = report(Verdict::Pass);
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<AutoscaleReport>(&text).unwrap(), report);
}
