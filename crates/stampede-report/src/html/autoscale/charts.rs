//! The charts of an autoscaler's run, one under the other on one axis.

use std::fmt::Write;

use maud::{Markup, html};
use stampede_model::autoscale::{AutoscaleReport, Metric, Moment};
use stampede_model::units::{show_ns, thousands, trimmed};

use crate::html::chart::{self, Frame, Mark, Rows, Scale, Series, Size, Table, VIEW, mark_lines, short_ns};
use crate::html::time::{clock, seconds};
use crate::slices::Axis;

/// Changes that are marked; more would hide what they explain.
const MOST_MARKS: usize = 26;

/// Letters of changes, then nothing.
pub(super) fn letters() -> impl Iterator<Item = String> {
    ('A'..='Z').map(String::from).chain(std::iter::repeat(String::new()))
}

/// All of them.
pub(super) fn all(report: &AutoscaleReport, axis: Axis) -> Markup {
    let marks: Vec<Mark> = report
        .changes
        .iter()
        .zip(letters())
        .take(MOST_MARKS)
        .map(|(change, label)| Mark {
            place: axis.share(change.at_ns),
            label,
            text: format!("{} to {} replicas", change.from, change.to),
        })
        .collect();
    let ground = Ground { axis, marks: &marks };
    let held = held(&report.moments, axis);
    html! {
        (rates(report, &ground))
        (latency(report, &ground))
        (replicas(&held, &ground))
        @for (place, metric) in report.autoscaler.metrics.iter().enumerate() { (metric_chart(&held, (place, metric), &ground)) }
    }
}

#[derive(Clone, Copy)]
struct Ground<'a> {
    axis: Axis,
    marks: &'a [Mark],
}

impl<'a> Ground<'a> {
    fn frame(&self, id: &str, title: &'a str, says: String) -> Frame<'a> {
        Frame {
            id: format!("scale-{id}"),
            title,
            says,
            size: Size::Small,
            y: Vec::new(),
            x: seconds(self.axis),
            legend: Vec::new(),
            marks: self.marks,
            table: Table::default(),
            rows: Rows::Slices,
        }
    }

    fn rows(&self, cells: impl Fn(usize) -> Vec<String>) -> Vec<Vec<String>> {
        let row = |place: usize| std::iter::once(clock(self.axis.start_s(place))).chain(cells(place)).collect();
        (0..self.axis.count).map(row).collect()
    }
}

fn rates(report: &AutoscaleReport, ground: &Ground<'_>) -> Markup {
    let width = f64::from(ground.axis.slice_s);
    let per_s = |class, pick: fn(&stampede_model::autoscale::ScaleSecond) -> u64| {
        let mut values = vec![0.0; ground.axis.count];
        for (at, second) in report.seconds.iter().enumerate() {
            values[ground.axis.place(u32::try_from(at).unwrap_or(u32::MAX))] += pick(second) as f64 / width;
        }
        Series { class, values: values.into_iter().map(Some).collect() }
    };
    let (asked, served) = (per_s("sent", |one| one.asked), per_s("good", |one| one.succeeded));
    let failed = per_s("bad", |one| one.failed);
    let most =
        [&asked, &served, &failed].iter().flat_map(|one| one.values.iter().flatten().copied()).fold(0.0, f64::max);
    let scale = Scale::linear(most);
    let says = "Requests per second that were asked, that succeeded and that failed; linear axis.".to_owned();
    let mut frame = ground.frame("rates", "Requests per second", says);
    frame.y = scale.labels(plain);
    frame.legend = vec![("sent", "asked"), ("good", "succeeded"), ("bad", "failed")];
    frame.table.heads = vec!["from", "asked/s", "succeeded/s", "failed/s"];
    frame.table.rows = ground
        .rows(|place| [&asked, &served, &failed].map(|one| one.values[place].map_or(String::new(), trimmed)).to_vec());
    let drawing = html! {
        (mark_lines(ground.marks, (VIEW, VIEW)))
        (chart::area(&served, &scale)) (chart::line(&asked, &scale)) (chart::bars(&failed, &scale))
    };
    frame.around((VIEW, VIEW), &drawing)
}

fn latency(report: &AutoscaleReport, ground: &Ground<'_>) -> Markup {
    let mut values: Vec<Option<f64>> = vec![None; ground.axis.count];
    for (at, second) in report.seconds.iter().enumerate() {
        let slice = &mut values[ground.axis.place(u32::try_from(at).unwrap_or(u32::MAX))];
        // Of several seconds in one slice the worst is shown: percentiles cannot be averaged.
        *slice = [*slice, second.p95_ns.map(|ns| ns as f64)].into_iter().flatten().reduce(f64::max);
    }
    let Some(scale) = Scale::of(values.iter().flatten().copied()) else { return html! {} };
    let says = format!("The 95th percentile from the intended start, second by second; {}.", scale.words());
    let mut frame = ground.frame("latency", "p95 from the intended start", says);
    frame.y = scale.labels(short_ns);
    frame.table.heads = vec!["from", "p95"];
    frame.table.rows = ground.rows(|place| vec![values[place].map_or("–".to_owned(), |ns| show_ns(ns as u64))]);
    let series = Series { class: "p95", values: values.clone() };
    let drawing = html! { (mark_lines(ground.marks, (VIEW, VIEW))) (chart::line(&series, &scale)) };
    frame.around((VIEW, VIEW), &drawing)
}

fn replicas(held: &[Option<&Moment>], ground: &Ground<'_>) -> Markup {
    let of = |pick: fn(&Moment) -> u32| -> Vec<Option<f64>> {
        held.iter().map(|moment| moment.map(|moment| f64::from(pick(moment)))).collect()
    };
    let (wanted, ready) = (of(|moment| moment.wanted), of(|moment| moment.ready));
    let most = wanted.iter().chain(&ready).flatten().copied().fold(1.0, f64::max);
    let scale = Scale::linear(most);
    let says = "Replicas that were wanted and that were ready; linear axis.".to_owned();
    let mut frame = ground.frame("replicas", "Replicas", says);
    frame.y = scale.labels(trimmed);
    frame.legend = vec![("wanted", "wanted"), ("ready", "ready")];
    frame.table.heads = vec!["from", "wanted", "ready"];
    frame.table.rows =
        ground.rows(|place| [&wanted, &ready].map(|one| one[place].map_or("–".to_owned(), trimmed)).to_vec());
    let drawing = html! {
        (mark_lines(ground.marks, (VIEW, VIEW)))
        path.ready d=(steps(&ready, &scale)) {}
        path.wanted d=(steps(&wanted, &scale)) {}
    };
    frame.around((VIEW, VIEW), &drawing)
}

fn metric_chart(held: &[Option<&Moment>], (number, metric): (usize, &Metric), ground: &Ground<'_>) -> Markup {
    let goal = match metric {
        Metric::Utilization { percent, .. } => f64::from(*percent),
        Metric::Resource { average, .. } | Metric::Pods { average, .. } | Metric::ExternalAverage { average, .. } => {
            average.value()
        }
        Metric::External { value, .. } => value.value(),
    };
    let values: Vec<Option<f64>> = held.iter().map(|moment| (*moment)?.values.get(number).copied().flatten()).collect();
    let scale = Scale::linear(values.iter().flatten().copied().fold(goal, f64::max));
    let title = format!("{}, target {}", metric.name(), metric.goal());
    let says = format!("{} at each look, and its target; linear axis.", metric.name());
    let mut frame = ground.frame(&format!("metric-{number}"), &title, says);
    frame.y = scale.labels(plain);
    frame.legend = vec![("one", "measured"), ("limit", "target")];
    frame.table.heads = vec!["from", "measured"];
    frame.table.rows = ground.rows(|place| vec![values[place].map_or("–".to_owned(), trimmed)]);
    let drawing = html! {
        (mark_lines(ground.marks, (VIEW, VIEW)))
        path.limit d=(format!("M0 {0:.0}H{VIEW}", VIEW * (1.0 - scale.place(goal)))) {}
        path.one d=(steps(&values, &scale)) {}
    };
    frame.around((VIEW, VIEW), &drawing)
}

/// The last look at the end of each slice: what was true until the next one.
fn held(moments: &[Moment], axis: Axis) -> Vec<Option<&Moment>> {
    let mut next = moments.iter().peekable();
    let mut last = None;
    let slice = |place: usize| {
        let end_ns = axis.start_s(place + 1).saturating_mul(1_000_000_000);
        while let Some(moment) = next.next_if(|moment| moment.at_ns < end_ns) {
            last = Some(moment);
        }
        last
    };
    (0..axis.count).map(slice).collect()
}

/// A path of steps: level through each slice, upright between them; a gap stays a gap.
fn steps(values: &[Option<f64>], scale: &Scale) -> String {
    let slice = VIEW / values.len().max(1) as f64;
    let mut path = String::new();
    let mut is_open = false;
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_open = false;
            continue;
        };
        let (left, right, y) = (place as f64 * slice, (place + 1) as f64 * slice, VIEW * (1.0 - scale.place(*value)));
        // Writing to a String cannot fail.
        let _infallible = if is_open { write!(path, "V{y:.0}") } else { write!(path, "M{left:.1} {y:.0}") };
        let _infallible = write!(path, "H{right:.1}");
        is_open = true;
    }
    path
}

fn plain(value: f64) -> String {
    if value >= 1_000.0 { thousands(value as u64) } else { trimmed(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_level_and_gaps_stay_gaps() {
        let scale = Scale::linear(10.0);
        let drawn = steps(&[Some(0.0), Some(10.0), None, Some(5.0)], &scale);
        assert_eq!(drawn, "M0.0 1000H250.0V0H500.0M750.0 500H1000.0");
    }
}
