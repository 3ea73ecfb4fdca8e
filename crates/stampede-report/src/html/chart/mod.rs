//! The frame of every chart: axes, legend, marks, read-out, and the figures as a table.
//!
//! Invariants: the drawing is stretched to its place and its words are not, so a chart reads the same on a desk and on a
//! telephone; every chart has a title, a description and, where it shows figures, a table of them; a series differs from
//! its neighbours by more than its colour.
//! Absent on purpose: drawing by script. Without it only the read-out under the pointer is missing.

mod heat;
mod line;
mod scale;

use maud::{Markup, html};

pub(super) use heat::heat;
pub(super) use line::{Series, area, bars, line, outline};
pub(super) use scale::{Scale, short_ns};

/// Width and height of the drawing, before it is stretched.
pub(super) const VIEW: f64 = 1_000.0;

/// How high a chart stands on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Large,
    Small,
    /// A strip without a vertical axis.
    Strip,
}

/// Something that happened, marked on a time axis.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    /// 0 to 1.
    pub(super) place: f64,
    pub(super) label: String,
    pub(super) text: String,
}

/// The figures behind a chart.
#[derive(Clone, Debug, Default)]
pub(super) struct Table<'a> {
    pub(super) heads: Vec<&'a str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// Everything around a drawing.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    /// Unique in the page, of letters, digits and hyphens.
    pub(super) id: String,
    pub(super) title: &'a str,
    /// What it shows, for who does not see it.
    pub(super) says: String,
    pub(super) size: Size,
    /// Labels of the vertical axis: 0 (bottom) to 1.
    pub(super) y: Vec<(f64, String)>,
    /// Labels of the horizontal axis: 0 (left) to 1.
    pub(super) x: Vec<(f64, String)>,
    /// Class and name of each series.
    pub(super) legend: Vec<(&'static str, &'a str)>,
    pub(super) marks: &'a [Mark],
    pub(super) table: Table<'a>,
    /// Whether each row of the table is one slice of the drawing, so that a pointer can name it.
    pub(super) rows: Rows,
}

/// What the rows of a chart's table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// The slices of the drawing, from left to right.
    Slices,
    /// Something else.
    Others,
}

impl Frame<'_> {
    /// The chart with `drawing` inside; `view` is the drawing's own width and height.
    pub(super) fn around(&self, view: (f64, f64), drawing: &Markup) -> Markup {
        let size = match self.size {
            Size::Large => "large",
            Size::Small => "small",
            Size::Strip => "strip",
        };
        let (title, says) = (format!("{}-t", self.id), format!("{}-d", self.id));
        html! {
            figure.chart.(size) id=(self.id) data-slices[self.rows == Rows::Slices] {
                figcaption { h3 { (self.title) } (self.key()) }
                div.plot {
                    div.y aria-hidden="true" {
                        @for (place, text) in &self.y { span style=(format!("bottom:{:.1}%", place * 100.0)) { (text) } }
                    }
                    div.area {
                        svg viewBox=(format!("0 0 {} {}", view.0, view.1)) preserveAspectRatio="none" role="img"
                            aria-labelledby=(format!("{title} {says}")) {
                            title id=(title) { (self.title) }
                            desc id=(says) { (self.says) }
                            (self.grid(view)) (drawing)
                        }
                        div.cursor {}
                        @for mark in self.marks {
                            span.mark style=(format!("left:{:.2}%", mark.place * 100.0)) title=(mark.text) { (mark.label) }
                        }
                    }
                    div.x aria-hidden="true" {
                        @for (place, text) in &self.x { span style=(format!("left:{:.2}%", place * 100.0)) { (text) } }
                    }
                }
                (self.figures())
            }
        }
    }

    fn key(&self) -> Markup {
        html! {
            @if self.legend.len() > 1 {
                ul.legend {
                    @for (class, name) in &self.legend {
                        li { svg.key viewBox="0 0 24 8" aria-hidden="true" { path.(class) d="M0 4H24" {} } (name) }
                    }
                }
            }
        }
    }

    fn grid(&self, (width, height): (f64, f64)) -> Markup {
        let lines: Vec<String> =
            self.y.iter().map(|(place, _)| format!("M0 {:.1}H{width}", height * (1.0 - place))).collect();
        html! { @if !lines.is_empty() { path.grid d=(lines.concat()) {} } }
    }

    fn figures(&self) -> Markup {
        html! {
            @if !self.table.rows.is_empty() {
                div.below {
                    details.figures {
                        summary { "Figures" }
                        div.scroll { (self.table.show()) }
                    }
                    @if self.rows == Rows::Slices { output aria-live="off" {} }
                }
            }
        }
    }
}

impl Table<'_> {
    /// The table; its first column is the heading of each row.
    pub(super) fn show(&self) -> Markup {
        html! {
            table {
                thead { tr { @for head in &self.heads { th scope="col" { (head) } } } }
                tbody {
                    @for row in &self.rows {
                        tr { @for cell in row { td { (cell) } } }
                    }
                }
            }
        }
    }
}

/// Vertical lines where something happened.
pub(super) fn mark_lines(marks: &[Mark], (width, height): (f64, f64)) -> Markup {
    let lines: Vec<String> = marks.iter().map(|mark| format!("M{:.1} 0V{height}", mark.place * width)).collect();
    html! { @if !lines.is_empty() { path.event d=(lines.concat()) {} } }
}
