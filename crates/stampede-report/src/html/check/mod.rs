//! A check's run on a page: the verdicts, each violation as a picture of its operations, then what is in doubt.
//!
//! Invariants: the page is whole without script; a picture says nothing that its sentences and its table do not say; what is
//! impossible is told by a hatching, a mark and a word, not by colour alone.

mod example;
mod lanes;

use maud::{Markup, html};
use stampede_model::check::{Answer, CheckReport, CheckRun, Finding, WorkloadVerdict};
use stampede_model::units::thousands;

use crate::check::{advice, words};
use crate::words::plain;

/// Beside the style of every page.
pub(super) const STYLE: &str = include_str!("style.css");

/// Everything but the page around it.
pub(super) fn alone(run: &CheckRun) -> Markup {
    html! {
        header {
            div.title {
                p.verdict.(class(run.answer())) { (sign(run.answer())) " " (words::word(run.answer())) }
                div {
                    h1 { "Check of " (plain(&run.target)) }
                    p.sub { (words::summary(run)) " · " (words::circumstances(run)) }
                }
            }
        }
        main { (inside(run)) }
    }
}

/// The verdicts and what they rest on, for a page that has more.
pub(super) fn inside(run: &CheckRun) -> Markup {
    html! {
        (table(run))
        @for (place, verdict) in run.workloads.iter().enumerate() { (violated(run, place, verdict)) }
        (doubts(run))
        (tiers(run))
    }
}

fn class(answer: Answer) -> &'static str {
    match answer {
        Answer::Holds => "pass",
        Answer::Violated => "fail",
        Answer::Unknown => "open",
    }
}

fn sign(answer: Answer) -> Markup {
    let sign = match answer {
        Answer::Holds => "✓",
        Answer::Violated => "✗",
        Answer::Unknown => "?",
    };
    html! { span aria-hidden="true" { (sign) } }
}

fn tag(answer: Answer) -> Markup {
    html! { span.tag.(class(answer)) { (sign(answer)) " " (words::word(answer)) } }
}

fn table(run: &CheckRun) -> Markup {
    let hidden: Vec<(&str, String)> = run
        .workloads
        .iter()
        .flat_map(|verdict| words::could_hide(verdict).into_iter().map(|text| (verdict.id.as_str(), text)))
        .collect();
    html! {
        section {
            h2 { "Verdicts" }
            div.scroll {
                table.verdicts {
                    thead {
                        tr {
                            th scope="col" { "Verdict" } th scope="col" { "Workload" } th scope="col" { "Checked" }
                            th.figure scope="col" { "Operations" } th scope="col" { "Strength" }
                            th.figure scope="col" { "Unresolved" } th.figure scope="col" { "Violations" }
                        }
                    }
                    tbody { @for (place, verdict) in run.workloads.iter().enumerate() { (row(place, verdict)) } }
                }
            }
            @for (id, text) in hidden {
                p.note { b { (plain(id)) } ": the unresolved ones could hide " (text) }
            }
        }
    }
}

fn row(place: usize, verdict: &WorkloadVerdict) -> Markup {
    let id = plain(&verdict.id);
    html! {
        tr {
            td { (tag(verdict.answer)) }
            th scope="row" {
                @if verdict.violations().next().is_some() { a href=(format!("#workload-{place}")) { (id) } } @else { (id) }
            }
            td { (verdict.model) }
            td.figure { (thousands(verdict.operations)) }
            td { (verdict.strength) }
            td.figure { (words::unresolved(verdict)) }
            td.figure { (thousands(words::violation_count(verdict))) }
        }
    }
}

fn violated(run: &CheckRun, place: usize, verdict: &WorkloadVerdict) -> Markup {
    let others = words::without_picture(verdict);
    if verdict.counterexamples.is_empty() && others.is_empty() {
        return html! {};
    }
    let told = verdict.violations().count() as u64;
    let more = words::violation_count(verdict).saturating_sub(told);
    html! {
        section id=(format!("workload-{place}")) {
            h2 { (tag(Answer::Violated)) " " (plain(&verdict.id)) }
            @for (number, example) in verdict.counterexamples.iter().enumerate() {
                (example::show(&format!("w{place}-{number}"), example, &run.url))
            }
            @if !others.is_empty() {
                h3.part { @if verdict.counterexamples.is_empty() { "What was found" } @else { "What else was found" } }
                ul.findings { @for finding in others { (found(finding)) } }
            }
            @if more > 0 { p.note { (thousands(more)) " more are counted, not told." } }
            h3.part { "See it again" }
            @for (why, command) in words::again(run, verdict) { p.note { (why) ":" } code.curl { (command) } }
        }
    }
}

fn found(finding: &Finding) -> Markup {
    html! {
        li {
            b { (words::of_key(&finding.rule, &finding.key)) } ": " (plain(&finding.what))
            @if !finding.allowed.is_empty() { " " span.sub { "Allowed would have been: " (plain(&finding.allowed)) } }
        }
    }
}

fn doubts(run: &CheckRun) -> Markup {
    let doubts: Vec<(&str, &Finding)> =
        run.workloads.iter().flat_map(|verdict| verdict.doubts().map(|doubt| (verdict.id.as_str(), doubt))).collect();
    html! {
        @if !doubts.is_empty() {
            section {
                h2 { "In doubt" }
                ul.findings {
                    @for (id, doubt) in doubts {
                        li {
                            (tag(Answer::Unknown)) " " b { (plain(id)) ", " (words::of_key(&doubt.rule, &doubt.key)) } ": "
                            (plain(&doubt.what))
                            @if let Some(advice) = advice(&doubt.rule) { br; span.sub { "To do: " (advice) "." } }
                        }
                    }
                }
            }
        }
    }
}

/// What each check looked at.
fn tiers(run: &CheckRun) -> Markup {
    let reports: Vec<(&str, &CheckReport)> = run
        .workloads
        .iter()
        .flat_map(|verdict| verdict.reports.iter().map(|report| (verdict.id.as_str(), report)))
        .collect();
    html! {
        @if !reports.is_empty() {
            section {
                details {
                    summary { "Every check of every workload" }
                    div.scroll {
                        table.verdicts {
                            thead {
                                tr {
                                    th scope="col" { "Workload" } th scope="col" { "Check" } th scope="col" { "Answer" }
                                    th scope="col" { "Strength" } th.figure scope="col" { "Operations" }
                                    th.figure scope="col" { "Keys" } th.figure scope="col" { "Unknown outcomes" }
                                    th.figure scope="col" { "Violations" } th.figure scope="col" { "Doubts" }
                                }
                            }
                            tbody { @for (id, report) in reports { (tier(id, report)) } }
                        }
                    }
                }
            }
        }
    }
}

fn tier(id: &str, report: &CheckReport) -> Markup {
    html! {
        tr {
            th scope="row" { (plain(id)) }
            td { (plain(&report.check)) }
            td { (tag(report.answer)) }
            td { (report.strength) }
            td.figure { (thousands(report.operations)) }
            td.figure { (thousands(report.keys)) }
            td.figure { (thousands(report.indeterminate)) }
            td.figure { (thousands(report.violation_count)) }
            td.figure { (thousands(report.doubt_count)) }
        }
    }
}
