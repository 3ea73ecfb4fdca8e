//! A run of an autoscaler on a page: verdict, rows, and everything over one time axis.
//!
//! Invariants: rates, latencies, replicas and the metrics have the same axis, one under the other; replicas are steps, because they
//! are never between two numbers; the number of slices is bounded, however long the run.

mod charts;

use maud::{Markup, html};
use stampede_model::autoscale::AutoscaleReport;
use stampede_model::threshold::Judgement;
use stampede_model::units::{show_ns, show_share, thousands};
use stampede_model::verdict::{RowReport, Verdict};

use super::head;
use crate::autoscale::end;
use crate::slices::Axis;
use crate::words::{self, Outcome};

/// What only this page has.
pub(super) const STYLE: &str = "path.wanted { stroke: var(--cmax); stroke-dasharray: 4 3; } \
    path.ready { stroke: var(--c50); stroke-width: 2.2; } path.limit { stroke: var(--bad); stroke-width: 1.2; stroke-dasharray: 2 3; } \
    path.one { stroke: var(--c50); } path.two { stroke: var(--c95); stroke-dasharray: 7 2; } path.three { stroke: var(--c99); }";

/// Slices of a chart.
const SLICES: u64 = 240;

/// How the run came out.
pub(super) fn outcome(report: &AutoscaleReport) -> Outcome {
    let has = |verdict| report.rows.iter().any(|row| row.verdict == verdict);
    if report.rows.is_empty() || has(Verdict::Unknown) || has(Verdict::NotRun) {
        Outcome::Open
    } else if has(Verdict::Missed) || has(Verdict::Violated) {
        Outcome::Fail
    } else {
        Outcome::Pass
    }
}

/// Everything but the page around it.
pub(super) fn alone(report: &AutoscaleReport) -> Markup {
    let axis = axis(report);
    html! {
        header {
            div.title {
                (head::verdict(outcome(report)))
                div {
                    h1 { (words::plain(&report.load)) ", " (words::plain(&report.service)) " of " (words::plain(&report.target)) }
                    p.sub { (line(report)) }
                }
            }
            @if !report.doubts.is_empty() {
                div.banner role="alert" {
                    strong { "This measurement is not trustworthy." }
                    ul { @for doubt in &report.doubts { li { (words::plain(doubt)) } } }
                }
            }
            (cards(report))
        }
        main {
            section { h2 { "Rows" } (table(report)) }
            section { h2 { "Over time" } (charts::all(report, axis)) }
            section { h2 { "Changes" } (changes(report)) }
            section { h2 { "Manifest" } p { "The same numbers for Kubernetes:" } pre { (report.autoscaler.manifest()) } }
        }
    }
}

/// The axis of every chart.
fn axis(report: &AutoscaleReport) -> Axis {
    let looks = report.moments.last().map_or(0, |moment| moment.at_ns / 1_000_000_000 + 1);
    let seconds = (report.seconds.len() as u64).max(looks).max(1);
    let slice_s = seconds.div_ceil(SLICES).max(1);
    let count = usize::try_from(seconds.div_ceil(slice_s)).unwrap_or(1);
    Axis { slice_s: u32::try_from(slice_s).unwrap_or(u32::MAX), count }
}

fn line(report: &AutoscaleReport) -> Markup {
    let started_ns = u64::try_from(report.started_unix_ms).unwrap_or(0).saturating_mul(1_000_000);
    html! {
        (show_ns(report.elapsed_ns)) " · " (words::started(started_ns)) " · a look every " (report.interval_ms) " ms"
        @if report.compress > 1 { " · all windows divided by " (report.compress) }
        @if report.interrupted { " · " strong { "interrupted" } }
    }
}

fn cards(report: &AutoscaleReport) -> Markup {
    let counts = report.counts;
    let lost = counts.asked.saturating_sub(counts.succeeded);
    let share = if counts.asked == 0 { 0.0 } else { lost as f64 / counts.asked as f64 };
    let ready = report.moments.iter().map(|moment| moment.ready);
    let (least, most) = (ready.clone().min().unwrap_or(0), ready.max().unwrap_or(0));
    let peak = report.seconds.iter().map(|second| second.succeeded).max().unwrap_or(0);
    let worst = report.seconds.iter().filter_map(|second| second.p95_ns).max();
    let cards = [
        ("Replicas", format!("{least} to {most}"), format!("{} changes", report.changes.len())),
        ("Most served", format!("{}/s", thousands(peak)), "in one second".to_owned()),
        ("Worst p95", worst.map_or("-".to_owned(), show_ns), "of a second".to_owned()),
        ("Errors", show_share(share), format!("{} of {}", thousands(lost), thousands(counts.asked))),
    ];
    html! {
        dl.cards { @for (name, value, more) in cards { div { dt { (name) } dd { (value) } dd.more { (more) } } } }
    }
}

fn table(report: &AutoscaleReport) -> Markup {
    let mark = |row: &RowReport| match row.verdict {
        Verdict::Pass => Judgement::Pass,
        Verdict::Violated | Verdict::Missed => Judgement::Fail,
        Verdict::Unknown | Verdict::NotRun => Judgement::Unknown,
    };
    html! {
        div.scroll {
            table {
                thead { tr { @for name in ["Verdict", "Demanded", "Measured", ""] { th scope="col" { (name) } } } }
                tbody {
                    @for row in &report.rows {
                        tr {
                            td { (head::mark(mark(row))) }
                            td { (words::plain(&row.target)) }
                            td { (words::plain(&row.figure)) }
                            td { (words::plain(&row.reason)) }
                        }
                    }
                }
            }
        }
    }
}

fn changes(report: &AutoscaleReport) -> Markup {
    html! {
        @if report.changes.is_empty() {
            p { "Replicas were never changed." }
        } @else {
            div.scroll {
                table {
                    thead { tr { @for name in ["", "At", "Replicas", "Took", ""] { th scope="col" { (name) } } } }
                    tbody {
                        @for (change, letter) in report.changes.iter().zip(charts::letters()) {
                            tr {
                                td { b.letter { (letter) } }
                                td { (show_ns(change.at_ns)) }
                                td { (change.from) " → " (change.to) }
                                td { (show_ns(change.done_ns.saturating_sub(change.at_ns))) }
                                td { (words::plain(&end(change))) }
                            }
                        }
                    }
                }
            }
        }
    }
}
