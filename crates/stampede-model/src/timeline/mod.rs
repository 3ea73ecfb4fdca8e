//! What happened when, of any kind of run: lines of figures, bands while something was so, marks where something happened.
//!
//! Invariants: everything is on one axis, nanoseconds after the start; the points of a series ascend. Whoever has a figure over
//! time adds a series; nothing here knows what it means, apart from [`hints`], which only compares each with its own past.
//! Absent on purpose: drawing.

mod hint;

use serde::{Deserialize, Serialize};

pub use hint::hints;

/// The whole of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// How long the axis is.
    pub length_ns: u64,
    /// Figures, in the order in which they are shown.
    pub panels: Vec<Panel>,
    /// Times during which something was so, in their order.
    pub bands: Vec<Band>,
    /// Moments, in their order.
    pub marks: Vec<Moment>,
}

/// Series that are read against one another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What they are.
    pub title: String,
    /// What their figures are.
    pub unit: Unit,
    /// Each.
    pub series: Vec<Series>,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A time, in nanoseconds.
    Ns,
    /// So many a second.
    PerSecond,
    /// So many.
    Count,
}

/// One figure over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Nanoseconds after the start, and the figure then. Where nothing was seen there is no point.
    pub points: Vec<(u64, f64)>,
}

/// A time during which something was so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// Its name, a few words.
    pub name: String,
    /// From when.
    pub from_ns: u64,
    /// Until when.
    pub until_ns: u64,
    /// What became of it, in a sentence.
    pub text: String,
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at_ns: u64,
    /// What.
    pub text: String,
    /// How sure that is.
    pub kind: MomentKind,
}

/// What a moment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// It happened.
    Event,
    /// It is read out of the figures: a hint, no proof.
    Hint,
}

impl Series {
    /// An empty one.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), points: Vec::new() }
    }
}

impl Timeline {
    /// Adds a point to a series; panel and series are made where they are new.
    pub fn add(&mut self, (panel, unit): (&str, Unit), series: &str, point: (u64, f64)) {
        let place = self.panels.iter().position(|one| one.title == panel).unwrap_or_else(|| {
            self.panels.push(Panel { title: panel.to_owned(), unit, series: Vec::new() });
            self.panels.len() - 1
        });
        let all = &mut self.panels[place].series;
        let place = all.iter().position(|one| one.name == series).unwrap_or_else(|| {
            all.push(Series::named(series));
            all.len() - 1
        });
        all[place].points.push(point);
    }

    /// A series by the title of its panel and its own name.
    pub fn series(&self, panel: &str, name: &str) -> Option<&Series> {
        let panel = self.panels.iter().find(|one| one.title == panel)?;
        panel.series.iter().find(|one| one.name == name)
    }

    /// The band that was in force at a moment; of several the latest.
    pub fn band_at(&self, at_ns: u64) -> Option<&Band> {
        self.bands.iter().rev().find(|band| band.from_ns <= at_ns && at_ns <= band.until_ns)
    }
}
