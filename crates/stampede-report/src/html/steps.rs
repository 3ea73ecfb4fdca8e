//! Each step by itself: a table of all, then the same charts for each, small.
//!
//! Invariant: the charts of a step are bounded in slices, so that fifty steps over an hour are still one page.

use maud::{Markup, html};
use stampede_model::run_result::{FailureCount, LoadResult, StepResult};
use stampede_model::units::{show_figure, show_share, thousands};

use super::chart::{Scale, Size, outline};
use super::time::{self, Place, moment};
use super::{spread, tail};
use crate::slices::{self, Axis, Slice};
use crate::words;

/// Slices of a small chart.
const SLICES: usize = 90;
/// Steps that are open when the page is.
const OPEN: usize = 3;
/// Requests shown under a step; the section of the slowest has those of the whole run.
const SLOWEST: usize = 5;

pub(super) fn section(result: &LoadResult) -> Markup {
    let axis = Axis::of(result, SLICES);
    let sliced: Vec<Vec<Slice>> =
        result.steps.iter().map(|step| axis.map_or_else(Vec::new, |axis| slices::of_step(step, axis))).collect();
    html! {
        section {
            h2 { "Steps" }
            (overview(result, &sliced))
            p.buttons hidden { button type="button" data-open="yes" { "Open all" } " " button type="button" data-open="no" { "Close all" } }
            @for (place, (step, slices)) in result.steps.iter().zip(&sliced).enumerate() {
                details.step id=(format!("step-{place}")) open[place < OPEN] {
                    summary { (words::plain(&step.name)) span.sub { " " (line(step)) } }
                    (one(place, step, slices, axis))
                }
            }
        }
    }
}

fn overview(result: &LoadResult, sliced: &[Vec<Slice>]) -> Markup {
    html! {
        div.scroll {
            table.numbers {
                thead {
                    tr {
                        @for head in ["step", "asked", "not ok", "share", "p50", "p95", "p99", "max", "p95 over time"] {
                            th scope="col" { (head) }
                        }
                    }
                }
                tbody {
                    @for (place, (step, slices)) in result.steps.iter().zip(sliced).enumerate() {
                        tr data-step=(place) {
                            th scope="row" { a href=(format!("#step-{place}")) { (words::plain(&step.name)) } }
                            @for cell in cells(step) { td { (cell) } }
                            td { (spark(slices)) }
                        }
                    }
                }
            }
        }
    }
}

fn cells(step: &StepResult) -> Vec<String> {
    let intent = &step.latency.intent;
    let (asked, lost) = (step.counts.asked, lost(step));
    let share = if asked == 0 { "–".to_owned() } else { show_share(lost as f64 / asked as f64) };
    let mut cells = vec![thousands(asked), thousands(lost), share];
    cells.extend([0.5, 0.95, 0.99].map(|share| show_figure(intent.quantile(share))));
    cells.push(show_figure(intent.max()));
    cells
}

fn lost(step: &StepResult) -> u64 {
    step.counts.asked.saturating_sub(step.counts.succeeded)
}

fn spark(slices: &[Slice]) -> Markup {
    let values: Vec<Option<f64>> = slices.iter().map(|slice| slice.times.p95.map(|ns| ns as f64)).collect();
    let scale = Scale::of(values.iter().flatten().copied());
    html! {
        @if let Some(scale) = scale {
            svg.spark viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
                path.p95 d=(outline(&values, &scale)) {}
            }
        }
    }
}

fn line(step: &StepResult) -> String {
    let intent = &step.latency.intent;
    let [p95, p99] = [0.95, 0.99].map(|share| show_figure(intent.quantile(share)));
    format!("{} asked, {} not ok, p95 {p95}, p99 {p99}", thousands(step.counts.asked), thousands(lost(step)))
}

fn one(place: usize, step: &StepResult, slices: &[Slice], axis: Option<Axis>) -> Markup {
    let id = format!("step-{place}");
    html! {
        @if !step.tags.is_empty() {
            p.sub { @for (name, value) in &step.tags { (words::plain(name)) "=" (words::plain(value)) " " } }
        }
        @if let Some(axis) = axis {
            @let place = Place { id: &id, axis, marks: &[], size: Size::Small };
            div.pair { (time::latency(&place, slices)) (time::throughput(&place, slices)) }
            div.pair {
                (time::heatmap(&place, &[step], &step.latency.intent))
                (spread::distribution(&id, Size::Small, &step.latency.intent))
            }
        }
        (spread::parts(&id, &step.latency))
        (statuses(step))
        (failures(&step.failures))
        @if !step.slowest.is_empty() {
            details.slowest {
                summary { "Its slowest requests" }
                (tail::requests(step.slowest.iter().take(SLOWEST).map(|slow| (None, slow))))
            }
        }
    }
}

fn statuses(step: &StepResult) -> Markup {
    html! {
        @if !step.statuses.is_empty() {
            p.flow {
                "Answers: "
                @for (status, count) in &step.statuses { span { b { (thousands(*count)) } " × " (status) } " " }
            }
        }
    }
}

fn failures(failures: &[FailureCount]) -> Markup {
    html! {
        @if !failures.is_empty() {
            ul.failures {
                @for failure in failures {
                    li {
                        b { (thousands(failure.count)) } " × " (failure.kind.to_string()) ", first at "
                        (moment(failure.first_ns)) ", last at " (moment(failure.last_ns)) ": "
                        code { (words::plain(&failure.example)) }
                    }
                }
            }
        }
    }
}
