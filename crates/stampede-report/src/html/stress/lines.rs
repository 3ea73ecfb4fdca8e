//! Charts of a stress run: one or a few series over slices, with their figures.

use maud::{Markup, html};
use stampede_model::units::{thousands, trimmed};

use crate::html::chart::{self, Frame, Mark, Rows, Scale, Series, Size, Table, VIEW, mark_lines};
use crate::html::time::{clock, seconds};
use crate::slices::Axis;

/// Looks of series, first to last: as an area, then lines that differ in more than colour.
pub(super) const LOOKS: [&str; 4] = ["inflight", "p95", "p99", "max"];

/// What lies under a chart: where it stands, its slices and their names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    /// Begins the chart's own id.
    pub(super) id: &'a str,
    /// Labels of the horizontal axis: 0 (left) to 1.
    pub(super) x: &'a [(f64, String)],
    /// What a slice's name is.
    pub(super) head: &'a str,
    /// The name of each slice.
    pub(super) slices: &'a [String],
    pub(super) marks: &'a [Mark],
}

/// One chart.
pub(super) struct Chart<'a> {
    pub(super) kind: &'a str,
    pub(super) title: &'a str,
    /// What it shows, for who does not see it.
    pub(super) says: String,
    /// A value on the axis.
    pub(super) short: fn(f64) -> String,
    /// A value in the table.
    pub(super) long: fn(f64) -> String,
    /// Names with a value for each slice.
    pub(super) series: Vec<(&'a str, Vec<Option<f64>>)>,
    pub(super) scale: Reach,
}

/// How an axis reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// From 0.
    FromZero,
    /// Logarithmic when values differ much.
    Fitting,
}

/// The axis' labels and the names of its slices.
pub(super) fn ground(axis: Axis) -> (Vec<(f64, String)>, Vec<String>) {
    (seconds(axis), (0..axis.count).map(|place| clock(axis.start_s(place))).collect())
}

/// Whole numbers with their thousands, small ones with decimals.
pub(super) fn plain(value: f64) -> String {
    if value >= 1_000.0 { thousands(value as u64) } else { trimmed(value) }
}

/// Names of the series that could be drawn; nothing where all are zero or not known.
pub(super) fn draw(ground: &Ground<'_>, of: &Chart<'_>) -> Option<Markup> {
    let all = || of.series.iter().flat_map(|(_, values)| values.iter().flatten().copied());
    if all().all(|value| value <= 0.0) {
        return None;
    }
    let scale = match of.scale {
        Reach::FromZero => Scale::linear(all().fold(0.0, f64::max)),
        Reach::Fitting => Scale::of(all().filter(|value| *value > 0.0))?,
    };
    let drawn: Vec<(&str, Series)> = of
        .series
        .iter()
        .zip(LOOKS)
        .map(|((name, values), class)| (*name, Series { class, values: values.clone() }))
        .collect();
    let frame = Frame {
        id: format!("{}-{}", ground.id, of.kind),
        title: of.title,
        says: format!("{}; {}.", of.says, scale.words()),
        size: Size::Small,
        y: scale.labels(of.short),
        x: ground.x.to_vec(),
        legend: drawn.iter().map(|(name, series)| (series.class, *name)).collect(),
        marks: ground.marks,
        table: Table { heads: heads(ground, of), rows: rows(ground, of) },
        rows: Rows::Slices,
    };
    let drawing = html! {
        (mark_lines(ground.marks, (VIEW, VIEW)))
        @for (place, (_, series)) in drawn.iter().enumerate() {
            @if place == 0 { (chart::area(series, &scale)) } @else { (chart::line(series, &scale)) }
        }
    };
    Some(frame.around((VIEW, VIEW), &drawing))
}

fn heads<'a>(ground: &Ground<'a>, of: &Chart<'a>) -> Vec<&'a str> {
    std::iter::once(ground.head).chain(of.series.iter().map(|(name, _)| *name)).collect()
}

fn rows(ground: &Ground<'_>, of: &Chart<'_>) -> Vec<Vec<String>> {
    let cell = |value: Option<f64>| value.map_or("–".to_owned(), of.long);
    let row = |(place, name): (usize, &String)| {
        let cells = of.series.iter().map(|(_, values)| cell(values.get(place).copied().flatten()));
        std::iter::once(name.clone()).chain(cells).collect()
    };
    ground.slices.iter().enumerate().map(row).collect()
}
