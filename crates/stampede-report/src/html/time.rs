//! What happened when: latency, throughput, load and the heatmap on one time axis, with the events marked.

use maud::{Markup, html};
use stampede_model::histogram::Histogram;
use stampede_model::run::RunFile;
use stampede_model::run_result::{LoadResult, StepResult};
use stampede_model::units::{show_figure, show_ns, thousands, trimmed};

use super::chart::{self, Frame, Mark, Rows, Scale, Series, Size, Table, VIEW, mark_lines, short_ns};
use crate::slices::{self, Axis, Slice, Times};
use crate::words;

/// Rows of a large heatmap.
const ROWS: usize = 36;
/// Rows of a small one.
const FEW_ROWS: usize = 20;
/// Events listed under the charts.
const MOST_EVENTS: usize = 200;

pub(super) fn section(run: &RunFile, axis: Axis, marks: &[Mark]) -> Markup {
    let result = &run.result;
    let place = Place { id: "run", axis, marks, size: Size::Large };
    let slices = slices::whole(result, axis);
    let steps: Vec<&StepResult> = result.steps.iter().collect();
    html! {
        section {
            h2 { "Over time" }
            (latency(&place, &slices))
            (throughput(&place, &slices))
            (load(&place, &slices))
            (heatmap(&place, &steps, &result.latency.intent))
            (events(result))
        }
    }
}

/// Where a chart stands.
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) axis: Axis,
    pub(super) marks: &'a [Mark],
    pub(super) size: Size,
}

impl<'a> Place<'a> {
    fn frame(&self, kind: &str, title: &'static str, says: String) -> Frame<'a> {
        Frame {
            id: format!("{}-{kind}", self.id),
            title,
            says,
            size: self.size,
            y: Vec::new(),
            x: seconds(self.axis),
            legend: Vec::new(),
            marks: self.marks,
            table: Table::default(),
            rows: Rows::Slices,
        }
    }
}

/// Latency from the intended start, by percentile.
pub(super) fn latency(place: &Place<'_>, slices: &[Slice]) -> Markup {
    let of = |class, pick: fn(&Times) -> Option<u64>| Series {
        class,
        values: slices.iter().map(|slice| pick(&slice.times).map(|ns| ns as f64)).collect(),
    };
    let series = [of("max", |of| of.max), of("p99", |of| of.p99), of("p95", |of| of.p95), of("p50", |of| of.p50)];
    let Some(scale) = Scale::of(series.iter().flat_map(|one| one.values.iter().flatten().copied())) else {
        return html! {};
    };
    let says =
        format!("Median, p95, p99 and largest latency from the intended start in each slice; {}.", scale.words());
    let mut frame = place.frame("latency", "Latency", says);
    frame.y = scale.labels(short_ns);
    frame.legend = vec![("p50", "p50"), ("p95", "p95"), ("p99", "p99"), ("max", "max")];
    frame.table.heads = vec!["from", "p50", "p95", "p99", "max"];
    frame.table.rows = rows(place.axis, slices, |slice| {
        let Times { p50, p95, p99, max } = slice.times;
        [p50, p95, p99, max].map(|ns| ns.map_or("–".to_owned(), show_ns)).to_vec()
    });
    let drawing = html! {
        (mark_lines(place.marks, (VIEW, VIEW)))
        @for one in &series { (chart::line(one, &scale)) }
    };
    frame.around((VIEW, VIEW), &drawing)
}

/// Requests that succeeded, failed and were sent, per second.
pub(super) fn throughput(place: &Place<'_>, slices: &[Slice]) -> Markup {
    let width = f64::from(place.axis.slice_s);
    let of = |class, pick: fn(&Slice) -> u64| Series {
        class,
        values: slices.iter().map(|slice| Some(pick(slice) as f64 / width)).collect(),
    };
    let (succeeded, failed) = (of("good", |slice| slice.succeeded), of("bad", |slice| slice.failed));
    let sent = of("sent", |slice| slice.sent);
    let is_sent = slices.iter().any(|slice| slice.sent > 0);
    let all = [&succeeded, &failed, &sent];
    let most = all.iter().flat_map(|one| one.values.iter().flatten().copied()).fold(0.0, f64::max);
    let scale = Scale::linear(most);
    let says = "Requests per second that succeeded and that failed, and those sent; linear axis.".to_owned();
    let mut frame = place.frame("throughput", "Requests per second", says);
    frame.y = scale.labels(thousands_of);
    frame.legend = vec![("good", "succeeded"), ("bad", "failed")];
    frame.table.heads = vec!["from", "succeeded/s", "failed/s"];
    if is_sent {
        frame.legend.push(("sent", "sent"));
        frame.table.heads.push("sent/s");
    }
    frame.table.rows = rows(place.axis, slices, |slice| {
        let counts = [slice.succeeded, slice.failed, slice.sent];
        let rates = counts.into_iter().take(if is_sent { 3 } else { 2 });
        rates.map(|count| trimmed(count as f64 / width)).collect()
    });
    let drawing = html! {
        (mark_lines(place.marks, (VIEW, VIEW)))
        (chart::area(&succeeded, &scale))
        @if is_sent { (chart::line(&sent, &scale)) }
        (chart::bars(&failed, &scale))
    };
    frame.around((VIEW, VIEW), &drawing)
}

/// Users and requests under way.
fn load(place: &Place<'_>, slices: &[Slice]) -> Markup {
    let of = |class, pick: fn(&Slice) -> u64| Series {
        class,
        values: slices.iter().map(|slice| Some(pick(slice) as f64)).collect(),
    };
    let (in_flight, users) = (of("inflight", |slice| slice.in_flight), of("users", |slice| slice.users));
    let most = [&in_flight, &users].iter().flat_map(|one| one.values.iter().flatten().copied()).fold(0.0, f64::max);
    if most == 0.0 {
        return html! {};
    }
    let scale = Scale::linear(most);
    let says = "Users alive and requests under way or waiting, the most in each slice; linear axis.".to_owned();
    let mut frame = place.frame("load", "Users and requests in flight", says);
    frame.y = scale.labels(thousands_of);
    frame.legend = vec![("inflight", "in flight"), ("users", "users")];
    frame.table.heads = vec!["from", "in flight", "users"];
    frame.table.rows = rows(place.axis, slices, |slice| [slice.in_flight, slice.users].map(thousands).to_vec());
    let drawing = html! {
        (mark_lines(place.marks, (VIEW, VIEW)))
        (chart::area(&in_flight, &scale)) (chart::line(&users, &scale))
    };
    frame.around((VIEW, VIEW), &drawing)
}

/// Where all latencies lay in each slice; `whole` is their distribution over the run.
pub(super) fn heatmap(place: &Place<'_>, steps: &[&StepResult], whole: &Histogram) -> Markup {
    let (Some(min), Some(max)) = (whole.min(), whole.max()) else { return html! {} };
    if steps.iter().all(|step| step.seconds.is_empty()) {
        return html! {};
    }
    let rows = if place.size == Size::Large { ROWS } else { FEW_ROWS };
    let scale = Scale::log(min.ns as f64, max.ns as f64);
    let mut cells = vec![vec![0_u64; rows]; place.axis.count];
    slices::each(steps, place.axis, |column, merged| {
        for (ns, samples) in merged.steps() {
            let row = (scale.place(ns as f64) * rows as f64) as usize;
            cells[column][row.min(rows - 1)] += samples;
        }
    });
    let says = format!(
        "How many requests took how long in each slice, darker for more; from {} to {}, logarithmic axis. The figures are \
         in the table of the latency chart.",
        show_figure(Some(min)),
        show_figure(Some(max))
    );
    let mut frame = place.frame("heat", "All latencies (darker: more requests)", says);
    frame.y = scale.labels(short_ns);
    let view = (place.axis.count as f64, rows as f64);
    frame.around(view, &html! { (chart::heat(&cells)) (mark_lines(place.marks, view)) })
}

fn events(result: &LoadResult) -> Markup {
    let letters = ('A'..='Z').map(String::from).chain(std::iter::repeat(String::new()));
    html! {
        @if !result.events.is_empty() {
            h3 { "Events" }
            ol.events {
                @for (event, letter) in result.events.iter().zip(letters).take(MOST_EVENTS) {
                    li {
                        b.letter { (letter) } " " (moment(event.at_ns)) " · " (words::tag(&event.kind)) ": "
                        (words::plain(&event.text))
                    }
                }
            }
            @if result.events.len() > MOST_EVENTS {
                p.note { (result.events.len() - MOST_EVENTS) " more are in the run file." }
            }
        }
    }
}

fn rows(axis: Axis, slices: &[Slice], cells: impl Fn(&Slice) -> Vec<String>) -> Vec<Vec<String>> {
    let row = |(place, slice): (usize, &Slice)| {
        let from = clock(axis.start_s(place));
        std::iter::once(from).chain(cells(slice)).collect()
    };
    slices.iter().enumerate().map(row).collect()
}

/// Labels of a time axis, at round moments.
pub(super) fn seconds(axis: Axis) -> Vec<(f64, String)> {
    let length = axis.length_s();
    let steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
    let step = steps.into_iter().find(|step| length / step <= 9).unwrap_or_else(|| length.div_ceil(9)).max(1);
    (0..=length / step).map(|tick| ((tick * step) as f64 / length as f64, clock(tick * step))).collect()
}

/// Seconds after the start as `45s`, `1m30`, `2h05`.
pub(super) fn clock(at_s: u64) -> String {
    match at_s {
        0..60 => format!("{at_s}s"),
        60..3_600 => format!("{}m{:02}", at_s / 60, at_s % 60),
        _ => format!("{}h{:02}", at_s / 3_600, at_s % 3_600 / 60),
    }
}

/// A moment of the run to a tenth of a second, longer ones by the clock.
pub(super) fn moment(at_ns: u64) -> String {
    let tenths = at_ns / 100_000_000;
    if tenths < 600 { format!("{}.{} s", tenths / 10, tenths % 10) } else { clock(tenths / 10) }
}

fn thousands_of(value: f64) -> String {
    if value >= 1_000.0 { thousands(value as u64) } else { trimmed(value) }
}
