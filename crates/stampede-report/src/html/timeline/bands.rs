//! Bands: their names above the charts, their shades in each, their words below.

use maud::{Markup, html};
use stampede_model::timeline::{Band, Timeline};
use stampede_model::units::show_ns;

use super::super::chart::VIEW;
use super::super::time::moment;
use crate::slices::Axis;
use crate::words::plain;

/// The least width at which a band is seen, of [`VIEW`].
const SEEN: f64 = 2.5;
/// How near, as a part of the axis, the names of two bands may stand.
const APART: f64 = 0.018;

/// The names, slanted, each over the beginning of its band. Those that would cover each other make room to the right.
pub(super) fn names(timeline: &Timeline, axis: Axis) -> Markup {
    let mut free = 0.0_f64;
    let places: Vec<(usize, &Band, f64)> = (timeline.bands.iter().enumerate())
        .map(|(number, band)| {
            let place = axis.share(band.from_ns).max(free);
            free = place + APART;
            (number + 1, band, place)
        })
        .collect();
    html! {
        @if !places.is_empty() {
            div.names aria-hidden="true" {
                div {
                    @for (number, band, place) in places {
                        span style=(format!("left:{:.2}%", place.min(1.0) * 100.0)) { b { (number) } " " (plain(&band.name)) }
                    }
                }
            }
        }
    }
}

/// The shades, for a drawing of [`VIEW`] by [`VIEW`].
pub(super) fn drawn(timeline: &Timeline, axis: Axis) -> Markup {
    html! {
        @for band in &timeline.bands {
            @let from = axis.share(band.from_ns) * VIEW;
            @let width = (axis.share(band.until_ns) * VIEW - from).max(SEEN);
            rect.band x=(format!("{from:.1}")) y="0" width=(format!("{width:.1}")) height=(VIEW) {}
        }
    }
}

/// What they were and what became of it.
pub(super) fn list(timeline: &Timeline) -> Markup {
    html! {
        @if !timeline.bands.is_empty() {
            h3 { "The bands" }
            ol.bands {
                @for band in &timeline.bands {
                    li {
                        b { (plain(&band.name)) } " · from " (moment(band.from_ns)) ", "
                        (show_ns(band.until_ns.saturating_sub(band.from_ns))) " · " (plain(&band.text))
                    }
                }
            }
        }
    }
}
