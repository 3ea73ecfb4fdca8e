//! A stress run on a page: by itself, or as a section beside a load run.
//!
//! Invariants: both show the same parts in the same order, verdict first; a part without content is left out; charts are
//! bounded in slices, lists by the record.

mod inside;
mod lines;
mod moments;
mod servers;
mod service;
mod tools;

use maud::{Markup, html};
use stampede_model::stress::{Finding, Grade, StressRun};
use stampede_model::threshold::Judgement;
use stampede_model::units::show_ns;

use super::head;
use crate::words::{self, Outcome};

/// A part of a run with its heading; `None` where there is nothing to show.
type Part = (&'static str, Option<Markup>);

/// Everything but the page around it.
pub(super) fn alone(run: &StressRun) -> Markup {
    html! {
        header {
            div.title {
                (head::verdict(Outcome::of_stress(run)))
                div { h1 { (words::stressed(run)) } p.sub { (line(run)) } }
            }
            (tools::cards(run))
        }
        main {
            @for (title, inner) in parts("stress", run) {
                @if let Some(inner) = inner { section { h2 { (title) } (inner) } }
            }
        }
    }
}

/// The run as a section among those of a load run.
pub(super) fn beside(place: usize, run: &StressRun) -> Markup {
    let id = format!("stress-{place}");
    html! {
        section.stress id=(id) {
            div.title {
                (head::verdict(Outcome::of_stress(run)))
                div { h2 { (words::stressed(run)) } p.sub { (line(run)) } }
            }
            (tools::cards(run))
            @for (title, inner) in parts(&id, run) {
                @if let Some(inner) = inner { h3.part { (title) } (inner) }
            }
        }
    }
}

fn line(run: &StressRun) -> Markup {
    let kept = run.thresholds.iter().filter(|judged| judged.judgement == Judgement::Pass).count();
    html! {
        (show_ns(run.elapsed_ns)) " · " (words::started(run.started_unix_ns))
        @if let Some(ending) = words::ending(run.ending) { " · " strong { (ending) } }
        @if !run.thresholds.is_empty() { " · " (kept) " of " (run.thresholds.len()) " thresholds kept" }
    }
}

fn parts(id: &str, run: &StressRun) -> [Part; 7] {
    [
        ("Verdict", verdict(run)),
        ("Without connections", run.pool.as_ref().map(|record| service::pool(id, record))),
        ("Rising rates", run.steps.as_ref().map(|record| service::steps(id, record))),
        ("Commands", tools::commands(run)),
        ("Figures", tools::figures(run)),
        ("Over time", servers::charts(id, run)),
        ("Inside the server", inside::show(run)),
    ]
}

fn verdict(run: &StressRun) -> Option<Markup> {
    let something = !run.thresholds.is_empty() || !run.findings.is_empty();
    something.then(|| {
        html! {
            @if !run.thresholds.is_empty() { (head::judged(&run.thresholds)) }
            @if !run.findings.is_empty() { ul.findings { @for finding in &run.findings { (found(finding)) } } }
        }
    })
}

fn found(finding: &Finding) -> Markup {
    let mark = match finding.grade {
        Grade::Violation | Grade::Missed => head::mark(Judgement::Fail),
        Grade::Doubt => head::mark(Judgement::Unknown),
        Grade::Note => html! { span.tag { "note" } },
    };
    html! { li { (mark) " " (words::plain(&finding.text)) } }
}
