//! Lines, areas and bars over slices of equal width.
//!
//! Invariants: a slice without a value is a gap, not a zero; a lone value between gaps is drawn as wide as its slice.

use std::fmt::Write;

use maud::{Markup, html};

use super::{Scale, VIEW};

/// A series: its class, and a value per slice.
#[derive(Clone, Debug)]
pub(in crate::html) struct Series {
    pub(in crate::html) class: &'static str,
    pub(in crate::html) values: Vec<Option<f64>>,
}

/// The series as a line.
pub(in crate::html) fn line(series: &Series, scale: &Scale) -> Markup {
    let path = outline(&series.values, scale);
    html! { @if !path.is_empty() { path.(series.class) d=(path) {} } }
}

/// The series as a filled area down to the axis, with its line.
pub(in crate::html) fn area(series: &Series, scale: &Scale) -> Markup {
    let slice = VIEW / series.values.len().max(1) as f64;
    let mut filled = String::new();
    let mut place = 0;
    for run in series.values.chunk_by(|a, b| a.is_some() == b.is_some()) {
        let from = place;
        place += run.len();
        if run[0].is_none() {
            continue;
        }
        let (left, right) = ((from as f64 + 0.5) * slice, (place as f64 - 0.5) * slice);
        let _infallible = write!(filled, "M{left:.1} {VIEW}");
        for (value, at) in run.iter().flatten().zip(from..) {
            let _infallible = write!(filled, "L{:.1} {:.0}", (at as f64 + 0.5) * slice, height(*value, scale));
        }
        let _infallible = write!(filled, "L{right:.1} {VIEW}z");
    }
    html! { @if !filled.is_empty() { path.fill.(series.class) d=(filled) {} } (line(series, scale)) }
}

/// A bar per slice; one that is not zero can always be seen.
pub(in crate::html) fn bars(series: &Series, scale: &Scale) -> Markup {
    let slice = VIEW / series.values.len().max(1) as f64;
    let mut path = String::new();
    for (place, value) in series.values.iter().enumerate() {
        let Some(value) = value.filter(|value| *value > 0.0) else { continue };
        let (x, y) = (place as f64 * slice + slice * 0.06, height(value, scale).min(VIEW * 0.985));
        let _infallible = write!(path, "M{x:.1} {VIEW}V{y:.0}h{:.1}V{VIEW}z", slice * 0.88);
    }
    html! { @if !path.is_empty() { path.bar.(series.class) d=(path) {} } }
}

/// The path through the middles of the slices.
pub(in crate::html) fn outline(values: &[Option<f64>], scale: &Scale) -> String {
    let slice = VIEW / values.len().max(1) as f64;
    let mut path = String::new();
    let mut is_open = false;
    for (place, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_open = false;
            continue;
        };
        let (x, y) = ((place as f64 + 0.5) * slice, height(*value, scale));
        let is_alone = !is_open && values.get(place + 1).is_none_or(Option::is_none);
        let _infallible = if is_alone {
            write!(path, "M{:.1} {y:.0}h{slice:.1}", x - slice / 2.0)
        } else {
            write!(path, "{}{x:.1} {y:.0}", if is_open { 'L' } else { 'M' })
        };
        is_open = true;
    }
    path
}

fn height(value: f64, scale: &Scale) -> f64 {
    VIEW * (1.0 - scale.place(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_stay_gaps_and_lone_values_are_seen() {
        let scale = Scale::linear(100.0);
        let values = [Some(0.0), Some(100.0), None, Some(50.0), None];
        assert_eq!(outline(&values, &scale), "M100.0 1000L300.0 0M600.0 500h200.0");
        assert_eq!(outline(&[], &scale), "");
    }

    #[test]
    fn a_small_bar_is_seen() {
        let series = Series { class: "a", values: vec![Some(0.0), Some(0.0001), None] };
        let drawn = bars(&series, &Scale::linear(100.0)).into_string();
        assert_eq!(drawn.matches('M').count(), 1, "{drawn}");
        assert!(drawn.contains("V985"), "{drawn}");
    }
}
