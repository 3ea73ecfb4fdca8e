//! Stress runs alone and beside a load run, in every kind of report.

use std::path::PathBuf;

use serde_json::{Value, json};
use stampede_model::run::RunFile;
use stampede_model::stress::StressRun;
use stampede_report::export::{self, ExportError, Format};
use stampede_report::stress::{self, AttachError, attach};
use stampede_report::summary::{self, Detail, Paint};
use stampede_report::{ReadError, Record, parse, parse_any};

use crate::browser::Browser;
use crate::page::{assert_quiet, drawn, keep};
use crate::sample::{self, stress as runs};

const EVIL: &str =
    "<script>alert('x')</script>\"><img src=http://evil.invalid/x onerror=alert(1)>\u{1b}[2J\u{202e}|`&amp;\u{0}";

fn all() -> [(&'static str, StressRun); 4] {
    [("postgres", runs::postgres()), ("redis", runs::redis()), ("pool", runs::pool()), ("steps", runs::steps())]
}

fn text(format: Format, run: &StressRun) -> String {
    String::from_utf8(stress::render(format, run).unwrap()).unwrap()
}

/// A load run with one of each beside it.
fn merged() -> RunFile {
    let mut run = sample::quiet();
    for (_, stress) in all() {
        attach(&mut run, stress).unwrap();
    }
    run
}

#[test]
fn the_texts_are_as_reviewed() {
    for (name, run) in all() {
        insta::assert_snapshot!(format!("stress_{name}"), stress::summary(&run, Detail::Full, Paint::Plain));
        insta::assert_snapshot!(format!("stress_{name}_markdown"), text(Format::Markdown, &run));
    }
    insta::assert_snapshot!("stress_postgres_junit", text(Format::Junit, &runs::postgres()));
    insta::assert_snapshot!("stress_pool_junit", text(Format::Junit, &runs::pool()));
}

#[test]
fn a_run_goes_out_as_json_and_comes_back() {
    for (name, run) in all() {
        let bytes = stress::render(Format::Json, &run).unwrap();
        let Record::Stress(again) = parse_any(&bytes).unwrap() else { panic!("{name} is no stress run") };
        assert!(*again == run, "{name} came back changed");
    }
    let bytes = export::render(Format::Json, &merged()).unwrap();
    let again = parse(&bytes).unwrap();
    assert!(again.stress == merged().stress, "what is beside a run came back changed");
}

#[test]
fn what_is_beside_a_run_is_in_its_verdict_and_its_texts() {
    let mut run = sample::quiet();
    assert!(summary::render(&run, Detail::Full).starts_with("GET ") && run.stress.is_empty());
    attach(&mut run, runs::redis()).unwrap();
    assert!(String::from_utf8(export::render(Format::Markdown, &run).unwrap()).unwrap().starts_with("# PASS"));
    let run = merged();
    let markdown = String::from_utf8(export::render(Format::Markdown, &run).unwrap()).unwrap();
    assert!(markdown.starts_with("# FAIL") && markdown.contains("\n## FAIL: stress PostgreSQL "), "{markdown}");
    let summary = summary::render(&run, Detail::Full);
    let (verdict, figures) = (summary.find("\nFAIL  stress PostgreSQL ").unwrap(), summary.find("\ntps ").unwrap());
    assert!(verdict < summary.find("\nasked ").unwrap() && verdict < figures, "{summary}");
    let json: Value = serde_json::from_str(&summary::render(&run, Detail::Json)).unwrap();
    assert_eq!((&json["verdict"], &json["stress"][0]["verdict"]), (&json!("FAIL"), &json!("FAIL")));
    assert_eq!(json["stress"][1]["verdict"], "PASS");

    let junit = String::from_utf8(export::render(Format::Junit, &run).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&junit).unwrap();
    let cases: Vec<(String, bool)> = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .filter(|case| case.attribute("classname").unwrap().starts_with("stampede.stress-"))
        .map(|case| {
            let name = format!("{} {}", case.attribute("classname").unwrap(), case.attribute("name").unwrap());
            (name, case.children().any(|child| child.has_tag_name("failure")))
        })
        .collect();
    let failed: Vec<&str> = cases.iter().filter(|(_, failed)| *failed).map(|(name, _)| name.as_str()).collect();
    let nothing = "nothing was found against it";
    let pool = format!("stampede.stress-3.pool {nothing}");
    let steps = format!("stampede.stress-4.http {nothing}");
    assert_eq!(failed, ["stampede.stress-1.postgres tps > 5000/s", &pool, &steps]);
    assert_eq!(cases.len(), 3 + 1 + 4, "a case for each threshold and one for each run");
}

#[test]
fn the_same_run_is_put_beside_once_and_not_without_end() {
    let mut run = sample::quiet();
    attach(&mut run, runs::redis()).unwrap();
    let again = attach(&mut run, runs::redis()).unwrap_err();
    assert!(again.to_string().contains("begun 2026-03-14 09:26:53 UTC"), "{again}");
    for place in 1..stress::MOST as u64 {
        attach(&mut run, StressRun { started_unix_ns: place, ..runs::redis() }).unwrap();
    }
    let one_more = StressRun { started_unix_ns: 1_000, ..runs::redis() };
    assert_eq!(attach(&mut run, one_more), Err(AttachError::Full));
    assert_eq!(run.stress.len(), stress::MOST);
}

#[test]
fn kinds_of_files_for_load_runs_alone_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.csv", "a.hgrm", "a.hlog", "a.prom"] {
        let path = folder.path().join(name);
        assert!(matches!(stress::check(&path), Err(ExportError::NotForStress { .. })), "{name}");
        assert!(matches!(stress::write(&path, &runs::redis()), Err(ExportError::NotForStress { .. })), "{name}");
        assert!(!path.exists());
    }
    let refused = stress::render(Format::Oha, &runs::redis()).unwrap_err();
    assert_eq!(refused.to_string(), "a stress run cannot be put into oha: use html, json, md or junit");
}

#[test]
fn a_file_that_denies_itself_is_refused() {
    let refusal = |run: &StressRun, change: fn(&mut Value)| {
        let mut json = serde_json::to_value(run.clone().into_file()).unwrap();
        change(&mut json);
        parse_any(&serde_json::to_vec(&json).unwrap()).map(drop).unwrap_err()
    };
    let told = |run: &StressRun, change| refusal(run, change).to_string();
    let postgres = runs::postgres();
    assert!(told(&postgres, |json| json["figures"][1]["name"] = "tps".into()).contains("two figures are called `tps`"));
    assert!(told(&postgres, |json| json["samples"][9]["at_ns"] = 0.into()).contains("samples are not in order"));
    assert!(told(&postgres, |json| json["tools"][1]["series"][3]["at_ns"] = 0.into()).contains("seconds of pgbench"));
    let pool = runs::pool();
    assert!(told(&pool, |json| json["pool"]["phases"][1]["asked"] = 1.into()).contains("during the exhaustion"));
    assert!(told(&pool, |json| json["pool"]["phases"][0]["good"] = u64::MAX.into()).contains("the 20 requests before"));
    assert!(matches!(refusal(&pool, |json| json["version"] = 9.into()), ReadError::Version { reads: 1, .. }));
    assert!(matches!(refusal(&pool, |json| json["format"] = "x".into()), ReadError::NoRun { .. }));
    assert!(matches!(refusal(&pool, |json| json["kind"] = "mysql".into()), ReadError::Damaged(_)));
    let bytes = stress::render(Format::Json, &pool).unwrap();
    assert!(matches!(parse(&bytes).map(drop).unwrap_err(), ReadError::Format { .. }), "it is no load run");
    // What is beside a load run is looked at as well.
    let mut run = merged();
    run.stress[0].samples.reverse();
    let bytes = serde_json::to_vec(&run).unwrap();
    assert!(matches!(parse(&bytes).map(drop).unwrap_err(), ReadError::Contradiction { .. }));
}

#[test]
fn a_tool_that_prints_markup_gets_nothing_into_any_format() {
    let run = runs::hostile(EVIL);
    let harmless = |text: &str| text.chars().all(|letter| letter == '\n' || letter == '\t' || !letter.is_control());
    let page = text(Format::Html, &run);
    assert!(!page.contains("<script>alert") && !page.contains("<img"), "markup from outside");
    for text in [&page, &text(Format::Markdown, &run), &stress::summary(&run, Detail::Full, Paint::Plain)] {
        assert!(harmless(text) && !text.contains('\u{202e}'), "control characters");
    }
    let markdown = text(Format::Markdown, &run);
    let outside_fence: Vec<&str> = markdown.split("```").step_by(2).collect();
    assert!(!outside_fence.concat().contains("<script>"), "{markdown}");
    let junit = text(Format::Junit, &run);
    let document = roxmltree::Document::parse(&junit).unwrap();
    assert!(document.descendants().all(|node| !node.has_tag_name("script")));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.html");
    let mut beside = sample::quiet();
    attach(&mut beside, run).unwrap();
    export::write(&path, &beside).unwrap();
    let mut browser = Browser::start();
    browser.look(400, "light", "screen");
    browser.open(&path);
    assert_quiet(&browser, &path);
    assert_eq!(browser.value("[document.images.length, document.scripts.length]"), json!([0, 1]));
    let shown = browser.value("document.querySelector('.tool .curl').textContent");
    assert!(shown.as_str().unwrap().contains("<script>alert('x')</script>"), "it is shown, not obeyed: {shown}");
    assert_eq!(browser.value(TOO_WIDE), json!([]));
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
}

/// What makes a narrow page scroll sideways, other than what scrolls within its own box.
const TOO_WIDE: &str = "[...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll, pre, svg') && \
    one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML.slice(0, 80))";

fn page(name: &str, write: impl FnOnce(&PathBuf)) -> (tempfile::TempDir, PathBuf, Browser) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{name}.html"));
    write(&path);
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);
    (folder, path, browser)
}

#[test]
fn every_chart_of_every_kind_is_drawn() {
    let wanted: [&[&str]; 4] = [
        &["tool-1-tps", "tool-1-latency", "sessions", "waits", "commits", "oldest", "blocks"],
        &["ops", "memory", "clients", "keyspace", "lost", "lists"],
        &["answers"],
        &["rates", "latency"],
    ];
    for ((name, run), kinds) in all().into_iter().zip(wanted) {
        let (_folder, path, mut browser) = page(name, |path| stress::write(path, &run).unwrap());
        let drawn = drawn(&mut browser);
        let ids: Vec<&str> = drawn.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, kinds.iter().map(|kind| format!("stress-{kind}")).collect::<Vec<_>>());
        assert!(drawn.iter().all(|(_, marks)| *marks > 0), "{drawn:?}");
        assert_quiet(&browser, &path);
        keep(&format!("stress-{name}.png"), &browser.picture());
        browser.look(400, "dark", "screen");
        assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "{name} scrolls sideways");
    }
}

#[test]
fn a_page_says_what_the_stress_run_says() {
    let run = runs::postgres();
    let (_folder, _path, mut browser) = page("true", |path| stress::write(path, &run).unwrap());
    let cell = "[...document.querySelectorAll('#stress-commits tbody tr')].map(row => row.cells[1].textContent)";
    let rows: Vec<String> = serde_json::from_value(browser.value(cell)).unwrap();
    assert_eq!((rows.len(), rows[0].as_str(), rows[1].as_str()), (62, "–", "3,300"), "3,300 more each second");
    let rates = "[...document.querySelectorAll('#stress-tool-1-tps tbody tr')].map(row => row.cells[1].textContent)";
    let wanted: Vec<String> =
        run.tools[1].series.iter().map(|second| format!("{:.1}", second.figures[0].value)).collect();
    assert_eq!(browser.value(rates), json!(wanted));
    let commands = "[...document.querySelectorAll('.tool .curl')].map(line => line.textContent)";
    let wanted: Vec<&str> = run.tools.iter().map(|tool| tool.command.as_str()).collect();
    assert_eq!(browser.value(commands), json!(wanted));
    let verdict = browser.value("document.querySelector('.verdict').textContent");
    assert!(verdict.as_str().unwrap().ends_with("FAIL"), "{verdict}");
}

#[test]
fn beside_a_load_run_each_has_its_section_and_charts_of_its_own() {
    let run = merged();
    let (_folder, path, mut browser) = page("merged", |path| export::write(path, &run).unwrap());
    let drawn = drawn(&mut browser);
    assert_eq!(drawn.len(), 7 + 7 + 6 + 1 + 2, "{drawn:?}");
    assert!(drawn.iter().all(|(_, marks)| *marks > 0), "{drawn:?}");
    let ids: Value = browser.value("[...document.querySelectorAll('[id]')].map(one => one.id)");
    let ids: Vec<String> = serde_json::from_value(ids).unwrap();
    let unique: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "an id stands twice");
    let verdicts = browser.value("[...document.querySelectorAll('section.stress .verdict')].map(one => one.innerText)");
    assert_eq!(verdicts, json!(["✗ FAIL", "✓ PASS", "✗ FAIL", "✗ FAIL"]));
    let links = browser
        .value("[...document.querySelectorAll('.beside a')].filter(one => document.querySelector(one.hash)).length");
    assert_eq!(links, 4);
    assert_quiet(&browser, &path);
    keep("stress-merged.png", &browser.picture());
}
