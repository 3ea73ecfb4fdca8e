//! Runs of a check through every form: text, Markdown, JUnit, the page in a real browser, the script in a real shell.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use stampede_model::check::{CheckRun, WorkloadVerdict};
use stampede_report::check;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::page::{assert_quiet, keep};
use crate::sample::check as sample;

#[test]
fn a_run_as_text() {
    insta::assert_snapshot!("check_text", check::text(&sample::buggy()));
    insta::assert_snapshot!("check_text_odd", check::text(&sample::odd()));
    insta::assert_snapshot!("check_text_recorded", check::text(&sample::recorded()));
    let sound = check::text(&sample::sound());
    assert!(
        !sound.contains("FAIL")
            && sound
                .ends_with("1 of 1 workloads hold (http://127.0.0.1:8080, 2026-03-14 09:26:53 UTC, 27.4s, seed 42)\n"),
        "{sound}"
    );
}

#[test]
fn a_run_as_markdown_and_junit() {
    insta::assert_snapshot!("check_markdown", check::markdown(&sample::buggy()));
    insta::assert_snapshot!("check_junit", check::junit(&sample::buggy()));
}

#[test]
fn each_workload_is_a_line_as_it_ends() {
    let lines: Vec<String> = sample::buggy().workloads.iter().map(check::line).collect();
    insta::assert_snapshot!("check_lines", lines.join("\n"));
}

#[test]
fn junit_is_whole_xml_with_a_case_for_each_workload() {
    for run in [sample::buggy(), sample::hostile(), sample::odd()] {
        let text = check::junit(&run);
        let document = roxmltree::Document::parse(&text).unwrap();
        let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
        let of = |word: &str| run.workloads.iter().filter(|workload| check::line(workload).starts_with(word)).count();
        assert_eq!(
            [count("testcase"), count("failure"), count("error")],
            [run.workloads.len(), of("FAIL"), of("UNKNOWN")]
        );
    }
}

#[test]
fn a_hostile_target_moves_no_cursor_and_closes_no_fence() {
    let run = sample::hostile();
    for text in [check::text(&run), check::markdown(&run), check::html(&run), check::junit(&run)] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\0']), "{text:?}");
    }
    let markdown = check::markdown(&run);
    let fences: Vec<&str> = markdown.lines().filter(|line| line.starts_with("~~~")).collect();
    assert_eq!(fences.len() % 2, 0);
    assert!(fences.chunks(2).all(|pair| pair[0] != "~~~" && pair[1] == "~~~"), "{fences:?}");
    let mut is_fenced = false;
    for line in markdown.lines() {
        is_fenced ^= line.starts_with("~~~");
        assert!(is_fenced || !line.contains("<script"), "markup outside of a fence: {line}");
    }
}

/// Scripts as the page shows them.
fn scripts(run: &CheckRun) -> Vec<String> {
    let markdown = check::markdown(run);
    let parts = markdown.split("<details><summary>As a script</summary>\n\n~~~sh\n").skip(1);
    parts.map(|part| part.split("\n~~~\n").next().unwrap().to_owned()).collect()
}

/// Runs a script with a curl that writes its arguments down, and gives those back.
fn replayed(script: &str) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let curl =
        "#!/bin/sh\n{ for word in \"$@\"; do printf '%s\\036' \"$word\"; done; printf '\\035'; } >\"$CALLS/$$\"\n";
    let (program, calls) = (folder.path().join("curl"), folder.path().join("calls"));
    std::fs::write(&program, curl).unwrap();
    std::fs::create_dir(&calls).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // No pause: the order is what is tested.
    std::fs::write(folder.path().join("sleep"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(folder.path().join("sleep"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-e", "-c", script])
        .env("PATH", path)
        .env("CALLS", &calls)
        .env("TOKEN", "secret")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    assert!(!folder.path().join("pwned").exists(), "a value became a command");
    let files = std::fs::read_dir(&calls).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    files.map(|text| text.trim_end_matches('\u{1d}').split_terminator('\u{1e}').map(str::to_owned).collect()).collect()
}

#[test]
fn a_script_replays_the_calls() {
    let scripts = scripts(&sample::buggy());
    insta::assert_snapshot!("check_script", scripts[0]);
    assert_eq!(scripts.len(), 4);
    let mut calls = replayed(&scripts[0]);
    calls.retain(|call| call.iter().any(|word| word == "POST"));
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert!(call.iter().any(|word| word == "http://127.0.0.1:8080/api/v1/stock/8c1f/reservations"), "{call:?}");
        assert!(call.iter().any(|word| word == "Authorization: Bearer secret"), "{call:?}");
        assert!(call.iter().any(|word| word == "{\"units\":1}"), "{call:?}");
        assert!(call.iter().any(|word| word.starts_with("Idempotency-Key: r-4")), "{call:?}");
    }
    assert_eq!(replayed(&scripts[3]).len(), 12);
}

#[test]
fn no_value_of_a_history_becomes_a_command() {
    let run = sample::hostile();
    for script in scripts(&run) {
        let calls = replayed(&script);
        assert!(!calls.is_empty());
        assert!(calls.iter().flatten().any(|word| word.contains("$(touch pwned)")), "it is passed on as it is");
    }
}

#[test]
fn the_run_goes_out_as_json_and_comes_back() {
    for run in [sample::buggy(), sample::odd(), sample::recorded()] {
        let text = serde_json::to_string(&run).unwrap();
        assert_eq!(serde_json::from_str::<CheckRun>(&text).unwrap(), run);
    }
}

fn page(run: &CheckRun) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("check.html");
    std::fs::write(&path, check::html(run)).unwrap();
    (folder, path)
}

/// For each picture: the number of bars, and those that can be seen.
const BARS: &str = "[...document.querySelectorAll('figure.lanes svg')].map(svg => [...svg.querySelectorAll('rect.bar')]\
    .map(bar => [+bar.dataset.operation, bar.getBBox().width > 0 && bar.getBBox().height > 0]))";

fn shows_every_operation(browser: &mut Browser, run: &CheckRun) {
    let bars: Vec<Vec<(u64, bool)>> = serde_json::from_value(browser.value(BARS)).unwrap();
    let examples: Vec<_> = run.workloads.iter().flat_map(|workload| &workload.counterexamples).collect();
    assert_eq!(bars.len(), examples.len());
    for (mut bars, example) in bars.into_iter().zip(examples) {
        assert!(bars.iter().all(|(_, is_seen)| *is_seen), "{bars:?}");
        bars.sort_unstable();
        let mut wanted: Vec<u64> = example.operations.iter().map(|one| one.id).collect();
        wanted.sort_unstable();
        assert_eq!(bars.iter().map(|(id, _)| *id).collect::<Vec<_>>(), wanted);
    }
}

fn verdicts(browser: &mut Browser) -> Value {
    browser.value("[...document.querySelector('.verdicts tbody').rows].map(row => [row.cells[0].innerText, row.cells[1].innerText])")
}

/// No word of a picture lies over another one, and none leaves the page.
fn words_have_room(browser: &mut Browser) {
    let clashes = browser.value(
        "[...document.querySelectorAll('.drawing')].flatMap(drawing => { \
           const all = [...drawing.querySelectorAll('.op')].map(op => [op.textContent, op.getBoundingClientRect()]); \
           return all.flatMap(([a, one], at) => all.slice(at + 1).filter(([b, two]) => \
             one.left < two.right - 1 && two.left < one.right - 1 && one.top < two.bottom - 1 && two.top < one.bottom - 1) \
             .map(([b]) => `${a} / ${b}`)).concat(all.filter(([a, one]) => one.right > innerWidth || one.left < 0).map(([a]) => a)); })",
    );
    assert_eq!(clashes, json!([]));
}

#[test]
fn the_page_shows_every_violation_and_asks_for_nothing() {
    let run = sample::buggy();
    let (_folder, path) = page(&run);
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);
    assert_quiet(&browser, &path);
    shows_every_operation(&mut browser, &run);
    let wanted = [
        ("✗ FAIL", "last-unit"),
        ("✗ FAIL", "locks"),
        ("✗ FAIL", "tenants"),
        ("✗ FAIL", "limit"),
        ("✓ PASS", "counters"),
        ("? UNKNOWN", "jobs"),
    ];
    assert_eq!(verdicts(&mut browser), json!(wanted));
    let hatched = browser.value(
        "[...document.querySelectorAll('rect.bar.impossible')].map(bar => [+bar.dataset.operation, getComputedStyle(bar).fill.includes('-hatch')])",
    );
    assert_eq!(hatched, json!([[416, true], [91, true], [23, true], [60, true]]), "told without colour");
    let held = "[...document.querySelectorAll('rect.hold')].map(hold => hold.getBBox().width > 0)";
    assert_eq!(browser.value(held), json!([true, true]), "the time in which each holds the lock");
    words_have_room(&mut browser);
    keep("check-light.png", &browser.picture());

    let light = browser.value("getComputedStyle(document.body).backgroundColor");
    browser.look(1_280, "dark", "screen");
    assert_ne!(browser.value("getComputedStyle(document.body).backgroundColor"), light);
    keep("check-dark.png", &browser.picture());
    browser.look(400, "light", "screen");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
    words_have_room(&mut browser);
    keep("check-narrow.png", &browser.picture());
    browser.look(794, "light", "print");
    keep("check-print.png", &browser.picture());
    assert_quiet(&browser, &path);
}

fn opened(browser: &mut Browser, run: &CheckRun) -> TempDir {
    let (folder, path) = page(run);
    browser.look(400, "light", "screen");
    browser.open(&path);
    assert_quiet(browser, &path);
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 400, "it scrolls sideways");
    folder
}

#[test]
fn odd_and_hostile_runs_make_whole_pages() {
    let mut browser = Browser::start();
    let _odd = opened(&mut browser, &sample::odd());
    assert_eq!(browser.value("document.querySelectorAll('figure.lanes').length"), 1, "rows of a ledger have no time");
    assert_eq!(browser.value("document.querySelectorAll('rect.bar.open').length"), 1);
    assert_eq!(browser.value("document.querySelectorAll('.operations tbody tr').length"), 4);
    keep("check-odd.png", &browser.picture());
    let run = sample::hostile();
    let _hostile = opened(&mut browser, &run);
    assert_eq!(browser.value("document.scripts.length"), 1);
    assert_eq!(browser.value("document.querySelector('h1').innerText.includes('<script>')"), true, "shown, not obeyed");
    shows_every_operation(&mut browser, &run);
    let _sound = opened(&mut browser, &sample::sound());
    assert_eq!(browser.value("document.querySelectorAll('figure.lanes, .findings').length"), 0);
}

#[test]
fn a_page_says_what_the_run_says() {
    let run = sample::buggy();
    let (_folder, path) = page(&run);
    let mut browser = Browser::start();
    browser.look(1_280, "light", "screen");
    browser.open(&path);
    let told =
        |workload: &WorkloadVerdict| workload.counterexamples.iter().map(|one| one.what.clone()).collect::<Vec<_>>();
    let wanted: Vec<String> = run.workloads.iter().flat_map(told).collect();
    assert_eq!(
        browser.value("[...document.querySelectorAll('.told > div:first-child dd')].map(dd => dd.textContent)"),
        json!(wanted)
    );
    let answers = browser.value("[...document.querySelectorAll('#w0-0 .operations tbody tr')].map(row => row.cells[5].innerText.split('\\n')[0])");
    let wanted: Vec<&str> =
        run.workloads[0].counterexamples[0].operations.iter().map(|one| one.answered.as_str()).collect();
    assert_eq!(answers, json!(wanted));
}
