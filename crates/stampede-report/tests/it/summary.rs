//! The summary in its details.

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
