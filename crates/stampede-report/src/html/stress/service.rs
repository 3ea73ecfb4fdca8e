//! How a service took the loss of its connections, or rising rates.

use maud::{Markup, html};
use stampede_model::stress::pool::{PoolRecord, PoolSecond};
use stampede_model::stress::steps::{StepRecord, StepsRecord};
use stampede_model::units::{show_ns, trimmed};

use super::lines::{Chart, Ground, Reach, draw, ground, plain};
use super::moments::{axis, place};
use crate::html::chart::{Mark, short_ns};
use crate::html::time::moment;
use crate::{stress, words};

/// Labels an axis of rates has room for.
const MOST_RATES: usize = 9;

pub(super) fn pool(id: &str, record: &PoolRecord) -> Markup {
    html! {
        p { (stress::held(record)) "." }
        (table(&stress::phases(record)))
        ul.failures {
            @for phase in &record.phases {
                li { b { (stress::phase_word(phase.phase)) } ": " (words::plain(&stress::ends(phase))) }
            }
        }
        p { (stress::recovery(record)) "." }
        @if let Some(chart) = seconds(id, record) { (chart) }
    }
}

fn seconds(id: &str, record: &PoolRecord) -> Option<Markup> {
    let at = |second: &PoolSecond| second.second.saturating_mul(1_000_000_000);
    let moments: Vec<u64> = record.seconds.iter().map(at).collect();
    let axis = axis(&moments, record.moments.end_ns)?;
    let width = f64::from(axis.slice_s);
    let of = |pick: fn(&PoolSecond) -> u64| {
        let mut slices = vec![Some(0.0); axis.count];
        for second in &record.seconds {
            let slice = &mut slices[place(axis, at(second))];
            *slice = slice.map(|sum: f64| sum + pick(second) as f64 / width);
        }
        slices
    };
    let moments = record.moments;
    let events = [
        (moments.taken_ns, "the first connection was about to be taken"),
        (moments.held_ns, "all of them were held"),
        (moments.released_ns, "they were given back"),
    ];
    let mark = |((at_ns, text), letter): ((u64, &str), char)| Mark {
        place: axis.share(at_ns),
        label: letter.to_string(),
        text: text.to_owned(),
    };
    let marks: Vec<Mark> = events.into_iter().zip('A'..).map(mark).collect();
    let (x, slices) = ground(axis);
    let chart = Chart {
        kind: "answers",
        title: "Answers per second, by when the request should leave",
        says: "Good answers, answers 503 and everything else per second".to_owned(),
        short: plain,
        long: trimmed,
        series: vec![
            ("good", of(|second| second.good)),
            ("503", of(|second| second.unavailable)),
            ("everything else", of(|second| second.bad)),
        ],
        scale: Reach::FromZero,
    };
    let drawn = draw(&Ground { id, x: &x, head: "from", slices: &slices, marks: &marks }, &chart)?;
    Some(html! {
        (drawn)
        ol.events {
            @for ((at_ns, text), mark) in events.iter().zip(&marks) {
                li { b.letter { (mark.label) } " " (moment(*at_ns)) " · " (text) }
            }
        }
    })
}

pub(super) fn steps(id: &str, record: &StepsRecord) -> Markup {
    let count = record.steps.len();
    let names: Vec<String> = record.steps.iter().map(|step| format!("{}/s", trimmed(step.rate_per_s))).collect();
    let every = count.div_ceil(MOST_RATES).max(1);
    let middle = |place: usize| (place as f64 + 0.5) / count as f64;
    let x: Vec<(f64, String)> =
        names.iter().enumerate().step_by(every).map(|(place, name)| (middle(place), name.clone())).collect();
    let ground = Ground { id, x: &x, head: "asked", slices: &names, marks: &[] };
    let of = |pick: &dyn Fn(&StepRecord) -> Option<f64>| record.steps.iter().map(pick).collect::<Vec<_>>();
    let ns = |ms: Option<f64>| ms.map(|ms| ms * 1e6);
    let rates = Chart {
        kind: "rates",
        title: "Good answers per second, step by step",
        says: "Good answers and asked requests per second, one slice for each step".to_owned(),
        short: plain,
        long: |value| format!("{value:.1}"),
        series: vec![("good", of(&|step| Some(step.succeeded_per_s))), ("asked", of(&|step| Some(step.rate_per_s)))],
        scale: Reach::FromZero,
    };
    let latency = Chart {
        kind: "latency",
        title: "Latency, step by step",
        says: "Median, p95 and p99 from the intended start, one slice for each step".to_owned(),
        short: short_ns,
        long: |ns| show_ns(ns as u64),
        series: vec![
            ("p50", of(&|step| ns(step.latency_ms.p50))),
            ("p95", of(&|step| ns(step.latency_ms.p95))),
            ("p99", of(&|step| ns(step.latency_ms.p99))),
        ],
        scale: Reach::Fitting,
    };
    let doubts: Vec<(&String, String)> = (names.iter().zip(&record.steps))
        .flat_map(|(name, step)| step.trust.doubts.iter().map(move |doubt| (name, doubt.to_string())))
        .collect();
    html! {
        (table(&stress::steps(record)))
        p { (stress::highest_held(record)) "." }
        @if !doubts.is_empty() {
            ul.failures { @for (name, doubt) in &doubts { li { b { (name) } " not trustworthy: " (words::plain(doubt)) } } }
        }
        div.pair { @for chart in [&rates, &latency] { @if let Some(drawn) = draw(&ground, chart) { (drawn) } } }
    }
}

/// A table of figures; the first row is its heading.
fn table(rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll {
            table.numbers {
                thead { tr { @for head in rows.iter().take(1).flatten() { th scope="col" { (head) } } } }
                tbody {
                    @for row in rows.iter().skip(1) {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
