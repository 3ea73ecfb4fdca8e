//! An acceptance run as the guide's table: for a terminal, and as Markdown.
//!
//! Invariant: nothing here decides; every word comes from the run file. Cells never break the table: `|` and line ends are replaced.

use std::fmt::Write;

use stampede_model::units::show_duration;
use stampede_model::verdict::{AcceptRun, RowReport, RunEnd, Verdict};

const HEADER: [&str; 5] = ["Test", "Metric", "Target", "Measured", "Pass/Fail"];

/// One finished row, for showing it at once.
pub fn line(row: &RowReport) -> String {
    let mut line = format!("{:<7} {:<18} {}", row.verdict.word(), row.id, flat(&row.figure));
    // A row that was read out of what others did took no time of its own.
    if row.elapsed_ms > 0 {
        let took = show_duration(std::time::Duration::from_millis(row.elapsed_ms));
        let _infallible = write!(line, " (took {took})");
    }
    if !row.reason.is_empty() {
        // Writing to a String cannot fail, here and below.
        let _infallible = write!(line, "\n        {}", flat(&row.reason));
    }
    line
}

/// The whole run for a terminal: the table, then what is behind each row that did not pass, then the count.
pub fn text(run: &AcceptRun) -> String {
    let mut text = table(&run.rows);
    for row in run.rows.iter().filter(|row| row.verdict != Verdict::Pass) {
        let _infallible = write!(text, "\n{} {}: {}\n", row.verdict.word(), row.id, row.reason);
        if row.evidence.len() > 1 {
            for evidence in &row.evidence {
                let _infallible = writeln!(text, "  - {}", flat(evidence));
            }
        }
    }
    let _infallible = write!(text, "\n{}\n", summary(run));
    text
}

/// The whole run as a Markdown document.
pub fn markdown(run: &AcceptRun) -> String {
    let mut text = format!("# Acceptance of {}\n\n{}\n", flat(&run.target), table(&run.rows));
    for row in run.rows.iter().filter(|row| row.verdict != Verdict::Pass) {
        let _infallible = write!(text, "\n## {} {}\n\n{}\n", row.verdict.word(), flat(&row.id), row.reason);
        if row.evidence.len() > 1 {
            text.push('\n');
            for evidence in &row.evidence {
                let _infallible = writeln!(text, "- {}", flat(evidence));
            }
        }
    }
    let _infallible = write!(text, "\n{}\n", summary(run));
    text
}

/// The guide's table with the measured figures, aligned.
pub fn table(rows: &[RowReport]) -> String {
    let cells = rows.iter().map(|row| {
        [&row.test, &row.metric, &row.target, &row.figure]
            .map(|cell| flat(cell))
            .into_iter()
            .chain([row.verdict.word().to_owned()])
    });
    let cells: Vec<Vec<String>> =
        std::iter::once(HEADER.map(str::to_owned).to_vec()).chain(cells.map(Iterator::collect)).collect();
    let widths: Vec<usize> = (0..HEADER.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut table = String::new();
    for (number, row) in cells.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _infallible = write!(table, "| {cell:<width$} ");
        }
        table.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _infallible = write!(table, "|{}", "-".repeat(width + 2));
            }
            table.push_str("|\n");
        }
    }
    table
}

fn summary(run: &AcceptRun) -> String {
    let passed = run.rows.iter().filter(|row| row.verdict == Verdict::Pass).count();
    let took = show_duration(std::time::Duration::from_millis(run.elapsed_ms));
    let end = match run.end {
        RunEnd::Complete => "",
        RunEnd::Interrupted => "; interrupted",
    };
    format!("{passed} of {} rows passed at {} in {took}{end}", run.rows.len(), run.url)
}

fn flat(text: &str) -> String {
    text.replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use stampede_model::verdict::{ACCEPT_FORMAT, ACCEPT_VERSION};

    use super::*;

    fn row(id: &str, verdict: Verdict, evidence: &[&str]) -> RowReport {
        RowReport {
            id: id.into(),
            test: "Stock".into(),
            metric: "10 at once".into(),
            target: "all succeed".into(),
            figure: "skew 7 µs".into(),
            verdict,
            reason: evidence.first().copied().unwrap_or_default().into(),
            evidence: evidence.iter().map(|&text| text.to_owned()).collect(),
            elapsed_ms: 1_200,
        }
    }

    fn run() -> AcceptRun {
        AcceptRun {
            format: ACCEPT_FORMAT.into(),
            version: ACCEPT_VERSION,
            target: "toy".into(),
            url: "http://127.0.0.1:9".into(),
            started_unix_ms: 0,
            elapsed_ms: 2_500,
            end: RunEnd::Complete,
            rows: vec![row("one", Verdict::Pass, &[]), row("two", Verdict::Violated, &["oversold | by\n10", "lost"])],
        }
    }

    #[test]
    fn the_table_is_aligned_whatever_the_letters() {
        let table = table(&run().rows);
        let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
        assert!(table.starts_with("| Test  | Metric     | Target      | Measured  | Pass/Fail |\n|---"), "{table}");
        assert!(table.contains("| Stock | 10 at once | all succeed | skew 7 µs | FAIL      |"), "{table}");
    }

    #[test]
    fn what_failed_is_told_with_its_evidence() {
        let text = text(&run());
        assert!(text.contains("FAIL two: oversold"), "{text}");
        assert!(text.contains("  - oversold / by 10\n  - lost\n"), "{text}");
        assert!(text.ends_with("1 of 2 rows passed at http://127.0.0.1:9 in 2.5s\n"), "{text}");
        assert!(!text.contains("PASS one:"), "{text}");
    }

    #[test]
    fn an_interrupted_run_says_so() {
        let text = markdown(&AcceptRun { end: RunEnd::Interrupted, ..run() });
        assert!(text.starts_with("# Acceptance of toy\n"), "{text}");
        assert!(text.contains("; interrupted"), "{text}");
    }

    #[test]
    fn a_finished_row_is_one_line_and_its_reason() {
        assert_eq!(line(&run().rows[0]), "PASS    one                skew 7 µs (took 1.2s)");
        assert_eq!(line(&run().rows[1]).lines().count(), 2);
    }
}
