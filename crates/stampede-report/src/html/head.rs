//! The top of the page: verdict, what was loaded and how, the chief figures, the thresholds.

use maud::{Markup, html};
use stampede_model::run::RunFile;
use stampede_model::threshold::{Judged, Judgement};
use stampede_model::units::{show_figure, show_ns, show_share, thousands, trimmed};

use crate::summary::parts::hidden;
use crate::words::{self, Outcome};

/// The verdict as a tag; its size is its place's.
pub(super) fn verdict(outcome: Outcome) -> Markup {
    let (class, sign) = match outcome {
        Outcome::Pass => ("pass", "✓"),
        Outcome::Fail => ("fail", "✗"),
        Outcome::Doubtful => ("fail", "!"),
        Outcome::Open => ("open", "?"),
        Outcome::Unjudged => ("open", "–"),
    };
    html! { p.verdict.(class) { span aria-hidden="true" { (sign) } " " (outcome.word()) } }
}

pub(super) fn show(run: &RunFile, outcome: Outcome) -> Markup {
    let kept = run.thresholds.iter().filter(|judged| judged.judgement == Judgement::Pass).count();
    html! {
        header {
            div.title {
                (verdict(outcome))
                div {
                    h1 { (words::target(run)) }
                    p.sub {
                        (words::model(run)) " · " (show_ns(run.result.elapsed_ns)) " · " (words::started(run.started_unix_ns))
                        @if let Some(ending) = words::ending(run.result.ending) { " · " strong { (ending) } }
                        @if !run.thresholds.is_empty() {
                            " · " (kept) " of " (run.thresholds.len()) " thresholds kept"
                        }
                    }
                }
            }
            @if !run.trust.stands() { (banner(run)) }
            @for (place, stress) in run.stress.iter().enumerate() {
                p.beside {
                    (tag(Outcome::of_stress(stress))) " "
                    a href=(format!("#stress-{place}")) { (words::stressed(stress)) }
                }
            }
            (cards(run))
        }
    }
}

fn banner(run: &RunFile) -> Markup {
    html! {
        div.banner role="alert" {
            strong { "This measurement is not trustworthy." }
            ul { @for doubt in &run.trust.doubts { li { (words::plain(&doubt.to_string())) } } }
        }
    }
}

fn cards(run: &RunFile) -> Markup {
    let result = &run.result;
    let intent = &result.latency.intent;
    let at = |share| show_figure(intent.quantile(share));
    let asked = words::asked_per_s(run).map_or(String::new(), |rate| format!("of {}/s asked", trimmed(rate)));
    let lost = result.counts.asked.saturating_sub(result.counts.succeeded);
    let cards = [
        ("rate", "Answered per second", format!("{:.1}", result.answered_per_s()), asked),
        ("success", "Success", show_share(result.success_share()), format!("{} not ok", thousands(lost))),
        ("p50", "Median", at(0.5), "from intent".to_owned()),
        ("p95", "p95", at(0.95), "from intent".to_owned()),
        ("p99", "p99", at(0.99), format!("service {}", show_figure(result.latency.service.quantile(0.99)))),
        ("max", "Slowest", show_figure(intent.max()), "from intent".to_owned()),
    ];
    html! {
        dl.cards {
            @for (id, name, value, more) in cards {
                div { dt { (name) } dd id=(format!("card-{id}")) { (value) } dd.more { (more) } }
            }
        }
        (counts(run))
        @if let Some(gap) = hidden(result) { p.note { "Note: " (gap) "." } }
    }
}

fn counts(run: &RunFile) -> Markup {
    let counts = &run.result.counts;
    let flow = [
        ("asked", counts.asked),
        ("sent", counts.sent),
        ("answered", counts.answered),
        ("succeeded", counts.succeeded),
        ("failed", counts.failed),
        ("unfinished", counts.unfinished),
        ("not sent", counts.not_sent),
    ];
    html! {
        p.flow {
            @for (name, count) in flow { span data-count=(count) { b { (thousands(count)) } " " (name) } " " }
        }
    }
}

pub(super) fn thresholds(run: &RunFile) -> Markup {
    html! {
        section {
            h2 { "Thresholds" }
            @if run.thresholds.is_empty() {
                p { "None were set, so nothing was judged." }
            } @else {
                (judged(&run.thresholds))
            }
            @for remark in &run.trust.remarks { p.note { "Note: " (words::plain(remark)) } }
        }
    }
}

/// Thresholds as a table.
pub(super) fn judged(thresholds: &[Judged]) -> Markup {
    html! {
        div.scroll {
            table.thresholds {
                thead { tr { th scope="col" { "Verdict" } th scope="col" { "Threshold" } th scope="col" { "Measured" } } }
                tbody {
                    @for judged in thresholds {
                        tr {
                            td { (mark(judged.judgement)) }
                            td { (words::threshold(judged)) }
                            td { (words::plain(&judged.measured)) }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn mark(judgement: Judgement) -> Markup {
    let (class, sign) = match judgement {
        Judgement::Pass => ("pass", "✓"),
        Judgement::Fail => ("fail", "✗"),
        Judgement::Unknown => ("open", "?"),
    };
    html! { span.tag.(class) { span aria-hidden="true" { (sign) } " " (words::mark(judgement)) } }
}

/// The verdict of a stress run, small.
fn tag(outcome: Outcome) -> Markup {
    mark(match outcome {
        Outcome::Pass => Judgement::Pass,
        Outcome::Fail | Outcome::Doubtful => Judgement::Fail,
        Outcome::Open | Outcome::Unjudged => Judgement::Unknown,
    })
}
