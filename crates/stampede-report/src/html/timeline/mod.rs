//! A timeline on a page: every figure on one time axis, what was so as bands with names, moments as letters.
//!
//! Invariants: all charts have the same axis, so that what stands above one another happened at the same time; bands and letters are
//! told in words below; a hint is called one. Nothing here knows what a figure means.
//! Absent on purpose: anything of chaos. Whoever has a [`Timeline`] gets the same picture.

mod bands;

use maud::{Markup, html};
use stampede_model::timeline::{MomentKind, Panel, Series as Line, Timeline, Unit};
use stampede_model::units::{show_ns, trimmed};

use super::chart::{self, Frame, Mark, Rows, Scale, Series, Size, Table, VIEW, mark_lines, short_ns};
use super::time::{clock, moment, seconds};
use crate::slices::Axis;
use crate::words::plain;

/// Beside the style of every page.
pub(super) const STYLE: &str = include_str!("style.css");
/// Slices of a chart.
const SLICES: u64 = 240;
/// Letters there are; what comes behind is told without one.
const LETTERS: usize = 26;
/// Colours and strokes of series that have none of their own.
const CLASSES: [&str; 6] = ["t0", "t1", "t2", "t3", "t4", "t5"];

/// The whole section, under `heading`.
pub(super) fn section(heading: &str, timeline: &Timeline) -> Markup {
    let axis = axis(timeline.length_ns);
    let marks = marks(timeline, axis);
    let shown: Vec<&Panel> =
        timeline.panels.iter().filter(|panel| panel.series.iter().any(|one| !one.points.is_empty())).collect();
    html! {
        section.timeline {
            h2 { (heading) }
            (bands::names(timeline, axis))
            @for (place, panel) in shown.iter().enumerate() { (chart(place, panel, (timeline, axis, &marks))) }
            (moments(timeline))
            (bands::list(timeline))
        }
    }
}

fn axis(length_ns: u64) -> Axis {
    let seconds = length_ns.div_ceil(1_000_000_000).max(1);
    let slice_s = seconds.div_ceil(SLICES);
    let count = usize::try_from(seconds.div_ceil(slice_s)).unwrap_or(1);
    Axis { slice_s: u32::try_from(slice_s).unwrap_or(u32::MAX), count }
}

fn chart(place: usize, panel: &Panel, (timeline, axis, marks): (&Timeline, Axis, &[Mark])) -> Markup {
    let lines: Vec<Series> = panel
        .series
        .iter()
        .enumerate()
        .map(|(number, line)| Series { class: class(line, number), values: slices(line, axis) })
        .collect();
    let values = || lines.iter().flat_map(|line| line.values.iter().flatten().copied());
    let scale = match panel.unit {
        Unit::Ns => Scale::of(values()),
        Unit::PerSecond | Unit::Count => Some(Scale::linear(values().fold(0.0, f64::max))),
    };
    let Some(scale) = scale else { return html! {} };
    let names: Vec<&str> = panel.series.iter().map(|line| line.name.as_str()).collect();
    let rows = (0..axis.count).map(|slice| {
        let cells =
            lines.iter().map(|line| line.values[slice].map_or("–".to_owned(), |value| show(value, panel.unit)));
        std::iter::once(clock(axis.start_s(slice))).chain(cells).collect()
    });
    let frame = Frame {
        id: format!("timeline-{place}"),
        title: &panel.title,
        says: format!("{}: the largest in each slice; {}.", names.join(", "), scale.words()),
        size: Size::Small,
        y: scale.labels(|value| short(value, panel.unit)),
        x: seconds(axis),
        legend: lines.iter().map(|line| line.class).zip(names.iter().copied()).collect(),
        marks,
        table: Table { heads: std::iter::once("from").chain(names.iter().copied()).collect(), rows: rows.collect() },
        rows: Rows::Slices,
    };
    let drawing = html! {
        (bands::drawn(timeline, axis))
        (mark_lines(marks, (VIEW, VIEW)))
        @for line in &lines { (chart::line(line, &scale)) }
    };
    frame.around((VIEW, VIEW), &drawing)
}

/// The largest figure in each slice.
fn slices(line: &Line, axis: Axis) -> Vec<Option<f64>> {
    let mut values: Vec<Option<f64>> = vec![None; axis.count];
    for (at_ns, value) in &line.points {
        let second = u32::try_from(at_ns / 1_000_000_000).unwrap_or(u32::MAX);
        let slice = &mut values[axis.place(second)];
        *slice = Some(slice.map_or(*value, |before| before.max(*value)));
    }
    values
}

fn class(line: &Line, number: usize) -> &'static str {
    match line.name.as_str() {
        "p50" => "p50",
        "p95" => "p95",
        "p99" => "p99",
        "max" => "max",
        "succeeded" => "good",
        "failed" => "bad",
        _ => CLASSES[number % CLASSES.len()],
    }
}

fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns => show_ns(value.max(0.0) as u64),
        Unit::PerSecond | Unit::Count => trimmed(value),
    }
}

fn short(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns => short_ns(value),
        Unit::PerSecond | Unit::Count => trimmed(value),
    }
}

fn letters() -> impl Iterator<Item = String> {
    ('A'..='Z').take(LETTERS).map(String::from).chain(std::iter::repeat(String::new()))
}

fn marks(timeline: &Timeline, axis: Axis) -> Vec<Mark> {
    let lettered = timeline.marks.iter().zip(letters()).take(LETTERS);
    lettered
        .map(|(mark, label)| Mark { place: axis.share(mark.at_ns), label, text: plain(&mark.text).into_owned() })
        .collect()
}

fn moments(timeline: &Timeline) -> Markup {
    let any_hint = timeline.marks.iter().any(|mark| mark.kind == MomentKind::Hint);
    html! {
        @if !timeline.marks.is_empty() {
            h3 { "What stands out" }
            ol.events {
                @for (mark, letter) in timeline.marks.iter().zip(letters()) {
                    li {
                        b.letter { (letter) } " " (moment(mark.at_ns)) " · "
                        @if mark.kind == MomentKind::Hint { span.tag.hint { "hint" } " " }
                        (plain(&mark.text))
                    }
                }
            }
            @if any_hint {
                p.note { "A hint is read out of the figures, by what left its usual range first. It is no proof of a cause." }
            }
        }
    }
}
