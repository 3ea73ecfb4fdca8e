//! The report in a real browser: it loads nothing, complains of nothing, shows every chart, and says what the run file says.

use std::path::PathBuf;

use serde_json::{Value, json};
use stampede_model::run::RunFile;
use stampede_model::units::{show_figure, show_ns, show_share};
use stampede_report::export;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::sample;

/// Writes the page of `run` where a browser finds it.
fn page(run: &RunFile) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    export::write(&path, run).unwrap();
    (folder, path)
}

/// Keeps a picture for who wants to look.
pub(crate) fn keep(name: &str, picture: &[u8]) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(path, picture).unwrap();
}

/// Marks drawn in each chart, grid and event lines apart.
const DRAWN: &str = "[...document.querySelectorAll('figure.chart')].map(chart => [chart.id, \
    [...chart.querySelectorAll('.area svg path:not(.grid):not(.event), .area svg rect')] \
    .filter(mark => mark.getBBox().width > 0).length])";

pub(crate) fn drawn(browser: &mut Browser) -> Vec<(String, u64)> {
    serde_json::from_value(browser.value(DRAWN)).unwrap()
}

pub(crate) fn assert_quiet(browser: &Browser, path: &std::path::Path) {
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let requests: Vec<String> =
        browser.requests().into_iter().filter(|address| !address.starts_with("data:")).collect();
    assert_eq!(requests, [format!("file://{}", path.display())], "the page asked for something");
}

#[test]
fn a_page_is_whole_silent_and_true_to_its_run() {
    let run = sample::shop();
    let (_folder, path) = page(&run);
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);

    let drawn = drawn(&mut browser);
    let ids: Vec<&str> = drawn.iter().map(|(id, _)| id.as_str()).collect();
    for kind in ["latency", "throughput", "load", "heat", "distribution", "curve", "phases"] {
        assert!(ids.contains(&format!("run-{kind}").as_str()), "no {kind} in {ids:?}");
    }
    for step in 0..4 {
        for kind in ["latency", "throughput", "heat", "distribution", "phases"] {
            assert!(ids.contains(&format!("step-{step}-{kind}").as_str()), "no {kind} of step {step} in {ids:?}");
        }
    }
    // A closed step draws nothing until it is opened.
    browser.value("document.querySelectorAll('details.step').forEach(step => { step.open = true; })");
    for (id, marks) in self::drawn(&mut browser) {
        assert!(marks > 0, "{id} is empty");
    }
    says_what_the_run_says(&mut browser, &run);
    the_read_out_names_the_second(&mut browser, &run);
    assert_quiet(&browser, &path);
    keep("report-light.png", &browser.picture());

    let light = browser.value("getComputedStyle(document.body).backgroundColor");
    browser.look(1_280, "dark", "screen");
    assert_ne!(browser.value("getComputedStyle(document.body).backgroundColor"), light);
    keep("report-dark.png", &browser.picture());
    browser.look(400, "light", "screen");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
    keep("report-narrow.png", &browser.picture());
    browser.look(794, "light", "print");
    keep("report-print.png", &browser.picture());
    assert_quiet(&browser, &path);
}

fn says_what_the_run_says(browser: &mut Browser, run: &RunFile) {
    let intent = &run.result.latency.intent;
    let at = |share| show_figure(intent.quantile(share));
    let cards = [
        ("rate", format!("{:.1}", run.metrics.requests_per_sec)),
        ("success", show_share(run.metrics.success_rate)),
        ("p50", at(0.5)),
        ("p95", at(0.95)),
        ("p99", at(0.99)),
        ("max", show_figure(intent.max())),
    ];
    for (id, shown) in cards {
        assert_eq!(browser.value(&format!("document.getElementById('card-{id}').textContent")), shown, "{id}");
    }
    let counts = browser.value("[...document.querySelectorAll('header .flow span')].map(one => +one.dataset.count)");
    let of = &run.result.counts;
    assert_eq!(counts, json!([of.asked, of.sent, of.answered, of.succeeded, of.failed, of.unfinished, of.not_sent]));
    let verdicts =
        browser.value("[...document.querySelectorAll('.thresholds tbody tr')].map(row => row.cells[0].innerText)");
    assert_eq!(verdicts, json!(["✓ PASS", "✗ FAIL", "✗ FAIL", "✓ PASS", "✗ FAIL"]));

    let rows = browser.value(
        "[...document.querySelectorAll('#run-latency tbody tr')].map(row => [...row.cells].slice(1).map(cell => cell.textContent))",
    );
    let shown = |ns: Option<u64>| ns.map_or("–".to_owned(), show_ns);
    let seconds = run.result.seconds.iter();
    let wanted: Vec<[String; 4]> =
        seconds.map(|point| [point.p50_ns, point.p95_ns, point.p99_ns, point.max_ns].map(shown)).collect();
    assert_eq!(rows, json!(wanted));
    let rows = browser
        .value("[...document.querySelectorAll('#run-throughput tbody tr')].map(row => +row.cells[2].textContent)");
    let wanted: Vec<u64> = run.result.seconds.iter().map(|point| point.failed).collect();
    assert_eq!(rows, json!(wanted));
}

fn the_read_out_names_the_second(browser: &mut Browser, run: &RunFile) {
    browser.value("document.getElementById('run-latency').scrollIntoView()");
    let place = browser.value(
        "(box => [box.left + box.width * 41.5 / 90, box.top + box.height / 2])(document.querySelector('#run-latency .area').getBoundingClientRect())",
    );
    let moved = json!({"type": "mouseMoved", "x": place[0], "y": place[1]});
    browser.call("Input.dispatchMouseEvent", &moved);
    let said = browser.value("document.querySelector('#run-latency output').textContent");
    let p50 = show_ns(run.result.seconds[41].p50_ns.unwrap());
    assert!(said.as_str().unwrap().starts_with(&format!("from 41s · p50 {p50} · ")), "{said}");
}

#[test]
fn a_hostile_target_gets_nothing_into_the_page() {
    let run = sample::hostile();
    let (_folder, path) = page(&run);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("<script>alert") && !text.contains("<img"), "markup from outside");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains('\0'), "control characters");
    let mut browser = Browser::start();
    browser.open(&path);
    assert_quiet(&browser, &path);
    assert_eq!(browser.value("document.images.length"), 0);
    assert_eq!(browser.value("document.scripts.length"), 1);
    let shown = browser.value("document.querySelector('.curl').textContent");
    assert!(shown.as_str().unwrap().contains("<script>alert('x')</script>"), "it is shown, not obeyed: {shown}");
    browser.look(400, "light", "screen");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
}

#[test]
fn without_script_the_page_is_whole() {
    let (_folder, path) = page(&sample::shop());
    let mut browser = Browser::start();
    browser.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.open(&path);
    let document = browser.call("DOM.getDocument", &json!({}));
    let root = document["root"]["nodeId"].clone();
    let mut count = |selector: &str| {
        let found = browser.call("DOM.querySelectorAll", &json!({"nodeId": root, "selector": selector}));
        found["nodeIds"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count("figure.chart"), 7 + 4 * 5);
    assert!(count("figure.chart .area svg path[d]") > 100);
    assert_eq!(count("#run-latency tbody tr"), 90);
    assert_eq!(count(".buttons:not([hidden])"), 0, "buttons that would do nothing");
}

#[test]
fn an_hour_of_fifty_steps_is_one_page_under_five_megabytes() {
    let run = sample::huge();
    let (_folder, path) = page(&run);
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);
    assert_quiet(&browser, &path);
    browser.value("document.querySelectorAll('details.step').forEach(step => { step.open = true; })");
    let drawn = drawn(&mut browser);
    assert_eq!(drawn.len(), 7 + 50 * 5);
    assert!(drawn.iter().all(|(_, marks)| *marks > 0), "{drawn:?}");
    keep("report-huge.png", &browser.picture());
    let rate: Value = browser.value("document.getElementById('card-p99').textContent");
    assert_eq!(rate, show_figure(run.result.latency.intent.quantile(0.99)));
}

#[test]
fn a_run_without_requests_is_a_page_too() {
    for run in [sample::empty(), sample::quiet()] {
        let (_folder, path) = page(&run);
        let mut browser = Browser::start();
        browser.look(1_280, "light", "screen");
        browser.open(&path);
        assert_quiet(&browser, &path);
        assert!(drawn(&mut browser).iter().all(|(_, marks)| *marks > 0));
        let wanted = if run.result.counts.asked == 0 { "OPEN" } else { "PASS" };
        let verdict = browser.value("document.querySelector('.verdict').textContent");
        assert!(verdict.as_str().unwrap().ends_with(wanted), "{verdict}");
    }
}
