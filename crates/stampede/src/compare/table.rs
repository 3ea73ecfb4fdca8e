//! A comparison as text for a terminal and as Markdown.
//!
//! Invariant: both show the same rows; nothing is judged here.

use stampede_model::compare::{Comparison, Metric, Row, SideInfo, Verdict};
use stampede_model::units::{show_ns, trimmed};

use crate::print::Append;

const HEADS: [&str; 7] = ["", "A", "B", "change", "95 % interval", "would see", "verdict"];

/// A verdict in words.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Same => "same",
        Verdict::CannotTell => "cannot tell",
    }
}

/// The whole comparison for a terminal.
pub(super) fn text(comparison: &Comparison, labels: [&str; 2]) -> String {
    let mut text = format!("{}\n\n", headline(comparison));
    for (side, label, info) in sides(comparison, labels) {
        text.append(format_args!("{side}  {label}; {}\n", compared(info)));
    }
    let rows: Vec<[String; 7]> = comparison.rows.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADS[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut step = None;
    for (row, cells) in comparison.rows.iter().zip(&rows) {
        let name = row.step.as_deref().unwrap_or("whole run");
        if step != Some(name) {
            step = Some(name);
            text.append(format_args!("\n{}\n", shown(name)));
            line(&mut text, &HEADS.map(str::to_owned), &widths);
        }
        line(&mut text, cells, &widths);
    }
    text.push('\n');
    for note in notes(comparison) {
        text.append(format_args!("note: {note}\n"));
    }
    text
}

fn line(text: &mut String, cells: &[String; 7], widths: &[usize]) {
    let mut whole = format!("{:<width$}", cells[0], width = widths[0]);
    for (cell, width) in cells[1..6].iter().zip(&widths[1..]) {
        whole.append(format_args!("  {cell:>width$}"));
    }
    whole.append(format_args!("  {}", cells[6]));
    text.append(format_args!("{}\n", whole.trim_end()));
}

/// The whole comparison as Markdown.
pub(super) fn markdown(comparison: &Comparison, labels: [&str; 2]) -> String {
    let mut text = format!("### {}\n\n", headline(comparison));
    for (side, label, info) in sides(comparison, labels) {
        text.append(format_args!("- {side}: {}; {}\n", escaped(label), compared(info)));
    }
    text.push_str("\n| step | figure | A | B | change | 95 % interval | would see | verdict |\n");
    text.push_str("|---|---|---:|---:|---:|---:|---:|---|\n");
    for row in &comparison.rows {
        let step = escaped(row.step.as_deref().unwrap_or("whole run"));
        let cells = cells(row);
        let verdict = match row.verdict {
            Verdict::Better | Verdict::Worse => format!("**{}**", word(row.verdict)),
            Verdict::Same | Verdict::CannotTell => escaped(&cells[6]),
        };
        text.append(format_args!("| {step} | {} | {verdict} |\n", cells[..6].join(" | ")));
    }
    text.push('\n');
    for note in notes(comparison) {
        text.append(format_args!("- {}\n", escaped(&note)));
    }
    text
}

fn headline(comparison: &Comparison) -> String {
    let margin = trimmed(comparison.margin * 100.0);
    let floor = trimmed(comparison.floor * 100.0);
    format!("verdict: {} (margin {margin} %, nothing below {floor} % counts)", word(comparison.verdict))
}

fn sides<'a>(comparison: &'a Comparison, labels: [&'a str; 2]) -> [(char, &'a str, &'a SideInfo); 2] {
    [('A', labels[0], &comparison.a), ('B', labels[1], &comparison.b)]
}

fn compared(info: &SideInfo) -> String {
    format!("{} s compared in blocks of {} s", info.seconds, info.block_points * info.point_s)
}

fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = vec![
        "would see: the change for the worse that these two runs would have shown four times in five; the verdicts better \
         and worse must hold for all rows at once, so they need more than the interval of their row"
            .to_owned(),
    ];
    notes.extend(comparison.remarks.iter().map(|remark| shown(remark)));
    notes
}

fn cells(row: &Row) -> [String; 7] {
    let interval = row.interval.map_or("-".to_owned(), |span| {
        format!("{} to {}", change(row.metric, span.low), change(row.metric, span.high))
    });
    let verdict = match &row.reason {
        Some(reason) => format!("{}: {reason}", word(row.verdict)),
        None => word(row.verdict).to_owned(),
    };
    [
        row.metric.to_string(),
        value(row.metric, row.a),
        value(row.metric, row.b),
        change(row.metric, row.change),
        interval,
        row.detectable.map_or("-".to_owned(), |least| detectable(row.metric, least)),
        verdict,
    ]
}

fn value(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Throughput => format!("{value:.1}/s"),
        Metric::Errors => format!("{:.3} %", value * 100.0),
        _ => show_ns(value.round() as u64),
    }
}

/// A ratio as a change in per cent or, where that is hard to read, as a factor; errors in percentage points.
fn change(metric: Metric, change: f64) -> String {
    match metric {
        Metric::Errors => format!("{:+.3} pp", change * 100.0),
        _ if change >= 3.0 => format!("x{}", significant(change)),
        _ => format!("{:+.1} %", (change - 1.0) * 100.0),
    }
}

fn detectable(metric: Metric, least: f64) -> String {
    match metric {
        Metric::Errors => format!("{:.3} pp", least * 100.0),
        _ if least >= 2.0 => format!("x{}", significant(least + 1.0)),
        _ => format!("{:.1} %", least * 100.0),
    }
}

fn significant(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Text from outside on one line.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text from outside in a Markdown table.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in shown(text).chars() {
        if matches!(c, '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '\\') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_people_say_them() {
        assert_eq!(change(Metric::P50, 1.104), "+10.4 %");
        assert_eq!(change(Metric::P99, 0.5), "-50.0 %");
        assert_eq!(change(Metric::P99, 42.4), "x42");
        assert_eq!(change(Metric::Errors, 0.0125), "+1.250 pp");
        assert_eq!(value(Metric::Mean, 10_240_000.0), "10.2 ms");
        assert_eq!(detectable(Metric::P95, 0.034), "3.4 %");
    }

    #[test]
    fn what_came_from_outside_stays_in_its_cell() {
        assert_eq!(escaped("a|b\n<img>"), "a\\|b \\<img\\>");
    }
}
