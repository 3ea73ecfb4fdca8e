//! The picture of a counterexample: a lane for each client, a bar from each call to its return.
//!
//! The drawing is not stretched: its places are shares of its width, its heights and strokes are pixels, so hatching and
//! corners look the same at any width. The words are text of the page beside it, cut where their room ends.

use std::fmt::Write as _;

use maud::{Markup, html};
use stampede_model::check::counterexample::{Counterexample, Part, Shown};
use stampede_model::history::Outcome;
use stampede_model::units::show_ns;

use crate::check::scale::Scale;
use crate::check::words;
use crate::words::plain;

/// Heights in pixels: a bar, a line of words, and what lies between.
const BAR: usize = 18;
const WORDS: usize = 20;
const GAP: usize = 8;

/// One client's operations, in the order of their calls.
struct Lane<'a> {
    who: &'a str,
    operations: Vec<&'a Shown>,
    /// Where it begins, in pixels.
    top: usize,
}

impl Lane<'_> {
    /// With several operations their words stand above and below the bars in turn.
    fn height(&self) -> usize {
        let lines = if self.operations.len() > 1 { 2 } else { 1 };
        lines * WORDS + BAR + GAP
    }
}

/// The picture; nothing when nothing has a time.
pub(super) fn figure(id: &str, example: &Counterexample) -> Markup {
    let Some(scale) = Scale::of(example) else { return html! {} };
    let lanes = lanes(example);
    let height = lanes.last().map_or(0, |lane| lane.top + lane.height());
    let (title, says) = (format!("{id}-title"), format!("{id}-says"));
    let told: Vec<String> = example.operations.iter().map(|one| plain(&one.sentence()).into_owned()).collect();
    html! {
        figure.lanes {
            div.field style=(format!("height:{height}px")) {
                div.whos aria-hidden="true" {
                    @for lane in &lanes {
                        span style=(format!("top:{}px;height:{BAR}px", lane.top + WORDS)) { (plain(lane.who)) }
                    }
                }
                div.drawing {
                    svg width="100%" height=(height) role="img" aria-labelledby=(format!("{title} {says}")) {
                        title id=(title) { (words::of_key(&example.rule, &example.key)) }
                        desc id=(says) { (told.join("; ")) }
                        (ground(id, &scale, &lanes, height))
                        @for lane in &lanes { @for one in &lane.operations { (bar(id, &scale, lane, one)) } }
                    }
                    @for lane in &lanes { (labels(&scale, lane)) }
                }
            }
            (times(&scale))
            figcaption { (caption(example, &scale)) }
        }
    }
}

fn lanes(example: &Counterexample) -> Vec<Lane<'_>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for one in example.operations.iter().filter(|one| one.call_ns.is_some()) {
        match lanes.iter_mut().find(|lane| lane.who == one.who) {
            Some(lane) => lane.operations.push(one),
            None => lanes.push(Lane { who: &one.who, operations: vec![one], top: 0 }),
        }
    }
    let mut top = 0;
    for lane in &mut lanes {
        lane.top = top;
        top += lane.height();
    }
    lanes
}

/// Hatching, lines of time, lines between lanes, cuts.
fn ground(id: &str, scale: &Scale, lanes: &[Lane<'_>], height: usize) -> Markup {
    html! {
        defs {
            pattern id=(format!("{id}-hatch")) width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect.hatch-back width="7" height="7" {}
                line.hatch x1="0" y1="0" x2="0" y2="7" {}
            }
        }
        @for (place, _) in scale.ticks() {
            line.tick x1=(percent(place)) x2=(percent(place)) y1="0" y2=(height) {}
        }
        @for lane in lanes.iter().skip(1) {
            line.between x1="0" x2="100%" y1=(lane.top) y2=(lane.top) {}
        }
        @for cut in scale.cuts() {
            rect.cut x=(percent(cut.left)) width=(percent(cut.right - cut.left)) y="0" height=(height) {}
        }
    }
}

fn bar(id: &str, scale: &Scale, lane: &Lane<'_>, one: &Shown) -> Markup {
    let (left, right) = place(scale, one);
    let part = match one.part {
        Part::Impossible => "impossible",
        Part::Contradicts => "contradicts",
        Part::Context => "context",
    };
    let fill = (one.part == Part::Impossible).then(|| format!("fill:url(#{id}-hatch)"));
    // The thinnest bar is still seen.
    let width = (right - left).max(0.002);
    let held = one.held_until_ns.map(|ns| scale.place(ns)).filter(|held| right < *held);
    html! {
        @if let Some(held) = held {
            rect.hold.(part) x=(percent(right)) width=(percent(held - right)) y=(lane.top + WORDS + BAR / 3) height=(BAR / 3) {
                title { "#" (one.id) " holds the lock" }
            }
        }
        rect.bar.(part).open[one.outcome == Outcome::Info] data-operation=(one.id) x=(percent(left)) width=(percent(width))
            y=(lane.top + WORDS) height=(BAR) rx="3" style=[fill] {
            title { "#" (one.id) " " (plain(&one.sentence())) }
        }
    }
}

/// The words of a lane: from the bar's beginning to the next words, or up to the bar's end where there is more room.
fn labels(scale: &Scale, lane: &Lane<'_>) -> Markup {
    let places: Vec<(f64, f64)> = lane.operations.iter().map(|one| place(scale, one)).collect();
    html! {
        @for (number, one) in lane.operations.iter().enumerate() {
            @let (left, right) = places[number];
            @let next = places.get(number + 2).map_or(1.0, |(left, _)| *left);
            @let is_first = number < 2;
            @let top = lane.top + if number % 2 == 0 { 0 } else { WORDS + BAR };
            @let style = if is_first && right > next - left {
                format!("top:{top}px;right:{};max-width:{}", percent(1.0 - right), percent(right))
            } else {
                format!("top:{top}px;left:{};max-width:{}", percent(left), percent(next - left))
            };
            span.op.impossible[one.part == Part::Impossible] style=(style) {
                @if one.part == Part::Impossible { "✗ " }
                "#" (one.id) " " (plain(&one.label))
            }
        }
    }
}

fn place(scale: &Scale, one: &Shown) -> (f64, f64) {
    scale.span(one.call_ns.unwrap_or(0), one.return_ns)
}

fn times(scale: &Scale) -> Markup {
    html! {
        div.times aria-hidden="true" {
            @for (place, ns) in scale.ticks() {
                @let side = if place < 0.05 { "0" } else if place > 0.95 { "-100%" } else { "-50%" };
                span style=(format!("left:{};transform:translateX({side})", percent(place))) { (show_ns(ns)) }
            }
        }
    }
}

fn caption(example: &Counterexample, scale: &Scale) -> String {
    let mut text = "Each bar goes from the call to its answer; the hatched one with ✗ cannot be.".to_owned();
    if example.operations.iter().any(|one| one.outcome == Outcome::Info && one.call_ns.is_some()) {
        text.push_str(" A dashed bar has no known outcome.");
    }
    for cut in scale.cuts() {
        let cut = show_ns(cut.ns());
        let _infallible = write!(text, " Cut out where it is grey: {cut} in which none of these was under way.");
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
