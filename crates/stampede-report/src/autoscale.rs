//! A run of an autoscaler: for a terminal, and as a page.
//!
//! Invariant: nothing here decides; every word comes from the run's file.

use std::fmt::Write;

use stampede_model::autoscale::{AutoscaleReport, ScaleChange, horizontal_scale};
use stampede_model::units::{show_ns, thousands, trimmed};

use crate::table::{Side, aligned};

pub use crate::html::autoscale_page as page;

/// Looks that a terminal shows; the page and the file have all.
const LOOKS_MAX: usize = 40;

/// The whole run for a terminal: rows, changes, and the looks at which something happened.
pub fn text(report: &AutoscaleReport) -> String {
    let mut text = format!("\n{}, {} of {}\n", report.load, report.service, report.target);
    // Writing to a String cannot fail, here and below.
    let _infallible = write!(text, "\n{}\n{}", changes(report), looks(report));
    if report.compress > 1 {
        let _infallible = writeln!(
            text,
            "\nwindows, periods and the interval were divided by {}; the manifest has them whole",
            report.compress
        );
    }
    let counts = report.counts;
    let _infallible = writeln!(
        text,
        "{} asked, {} succeeded, {} failed, {} not sent in {}\n",
        thousands(counts.asked),
        thousands(counts.succeeded),
        thousands(counts.failed),
        thousands(counts.not_sent),
        show_ns(report.elapsed_ns)
    );
    for row in &report.rows {
        let _infallible = writeln!(text, "{:<7} {:<28} {}", row.verdict.word(), row.target, row.figure);
        if !row.reason.is_empty() && row.reason != row.figure {
            let _infallible = writeln!(text, "        {}", row.reason);
        }
    }
    // The last line is the whole: what a table shows of this program.
    if let Some(row) = horizontal_scale(&report.rows) {
        let _infallible = writeln!(text, "\n{}", row.figure);
    }
    text
}

fn changes(report: &AutoscaleReport) -> String {
    if report.changes.is_empty() {
        return "replicas were never changed\n".to_owned();
    }
    let mut rows = vec![["at", "from", "to", "took", ""].map(str::to_owned).to_vec()];
    rows.extend(report.changes.iter().map(|change| {
        let took = show_ns(change.done_ns.saturating_sub(change.at_ns));
        vec![show_ns(change.at_ns), change.from.to_string(), change.to.to_string(), took, end(change)]
    }));
    aligned(&rows, &[Side::Right, Side::Right, Side::Right, Side::Right, Side::Left])
}

/// How a change ended.
pub(crate) fn end(change: &ScaleChange) -> String {
    match (&change.failed, change.to > change.from) {
        (Some(why), _) => format!("FAILED: {why}"),
        (None, true) => "new ones ready".to_owned(),
        (None, false) => "old ones gone".to_owned(),
    }
}

fn looks(report: &AutoscaleReport) -> String {
    let names: Vec<String> = report
        .autoscaler
        .metrics
        .iter()
        .map(|metric| format!("{} (target {})", metric.name(), metric.goal()))
        .collect();
    let mut heads = vec!["at".to_owned(), "wanted".to_owned(), "ready".to_owned(), "metrics ask".to_owned()];
    heads.extend(names);
    heads.push(String::new());
    let mut sides = vec![Side::Right; heads.len()];
    if let Some(last) = sides.last_mut() {
        *last = Side::Left;
    }
    let mut rows = vec![heads];
    let mut before = None;
    for moment in &report.moments {
        let now = (moment.wanted, moment.ready, moment.reason);
        if before.replace(now) == Some(now) || rows.len() > LOOKS_MAX {
            continue;
        }
        let asked = moment.recommended.map_or("-".to_owned(), |asked| asked.to_string());
        let mut row = vec![show_ns(moment.at_ns), moment.wanted.to_string(), moment.ready.to_string(), asked];
        row.extend(moment.values.iter().map(|value| value.map_or("-".to_owned(), trimmed)));
        row.push(moment.reason.words().to_owned());
        rows.push(row);
    }
    format!("\n{}", aligned(&rows, &sides))
}
