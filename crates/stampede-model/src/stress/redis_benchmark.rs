//! What redis-benchmark prints, in the shapes of Redis 6.0 to 8: `-q` and `--csv`.
//!
//! Invariants: a test is named as a threshold would write it (`set`, `lrange_100`), the same in both shapes; a line of
//! progress that a carriage return overwrote is never taken for a result.
//!
//! The shapes: `-q` prints a rate, and its median since 6.2; `--csv` had two columns and no head before 6.2, and has a head
//! and eight columns since.

use super::figure::{Figure, Unit};

/// Reads what `-q` printed: one test a line.
pub fn quiet(text: &str) -> Vec<Figure> {
    text.lines().filter_map(quiet_line).flatten().collect()
}

fn quiet_line(line: &str) -> Option<Vec<Figure>> {
    // The result is what the last carriage return left standing.
    let line = line.rsplit('\r').next()?.trim();
    let (name, rest) = line.split_once(": ")?;
    let (rate, rest) = rest.split_once(" requests per second")?;
    let test = test_name(name);
    let rate: f64 = rate.trim().parse().ok().filter(|rate: &f64| rate.is_finite())?;
    let mut figures = vec![Figure::new(format!("{test}.rps"), rate, Unit::PerSecond)];
    let median = rest.split_once("p50=").and_then(|(_, rest)| rest.split_whitespace().next());
    if let Some(ms) = median.and_then(|word| word.parse::<f64>().ok()).filter(|ms| ms.is_finite()) {
        figures.push(Figure::from_ms(format!("{test}.p50"), ms));
    }
    Some(figures)
}

/// Columns of `--csv` since 6.2, after the test's name.
const COLUMNS: [&str; 7] = ["rps", "avg", "min", "p50", "p95", "p99", "max"];

/// Reads what `--csv` printed.
pub fn csv(text: &str) -> Vec<Figure> {
    text.lines().filter_map(csv_line).flatten().collect()
}

fn csv_line(line: &str) -> Option<Vec<Figure>> {
    let line = line.rsplit('\r').next()?.trim();
    let inner = line.strip_prefix('"')?.strip_suffix('"')?;
    let mut cells = inner.split("\",\"");
    let test = test_name(cells.next()?);
    let mut figures = Vec::new();
    for (column, cell) in COLUMNS.iter().zip(cells) {
        // The head has words where the others have numbers.
        let value: f64 = cell.parse().ok()?;
        if value.is_finite() {
            let name = format!("{test}.{column}");
            figures.push(match *column {
                "rps" => Figure::new(name, value, Unit::PerSecond),
                _ => Figure::from_ms(name, value),
            });
        }
    }
    Some(figures)
}

/// `LRANGE_100 (first 100 elements)` is `lrange_100`; `LPUSH (needed to benchmark LRANGE)` is no test that was asked for.
fn test_name(name: &str) -> String {
    let (word, remark) = name.split_once(" (").unwrap_or((name, ""));
    let word = word.trim().to_ascii_lowercase().replace(' ', "_");
    if remark.starts_with("needed") { format!("{word}_before") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &str = include_str!("fixtures/redis-benchmark-7-quiet.txt");
    const CSV: &str = include_str!("fixtures/redis-benchmark-7.csv");

    fn value(figures: &[Figure], name: &str) -> Option<f64> {
        figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    #[test]
    fn quiet_lines_survive_their_progress() {
        let figures = quiet(QUIET);
        assert_eq!(value(&figures, "set.rps"), Some(90_909.09));
        assert_eq!(value(&figures, "set.p50"), Some(271_000.0));
        assert_eq!(value(&figures, "get.rps"), Some(96_618.36));
        assert_eq!(value(&figures, "lrange_100.rps"), Some(83_333.34));
        assert_eq!(value(&figures, "mset.rps"), Some(100_000.0));
        assert_eq!(value(&figures, "lpush.rps"), None, "a preparation is no test");
        assert_eq!(figures.len(), 10);
    }

    #[test]
    fn a_test_under_way_is_no_result() {
        assert!(quiet("SET: rps=10629.5 (overall: 92000.0) avg_msec=0.277 (overall: 0.277)\r").is_empty());
        assert!(quiet("WARNING: Could not fetch server CONFIG\nERROR: refused").is_empty());
    }

    #[test]
    fn csv_has_all_columns() {
        let figures = csv(CSV);
        assert_eq!(figures.len(), 5 * 7);
        assert_eq!(value(&figures, "set.rps"), Some(84_388.19));
        assert_eq!(value(&figures, "get.max"), Some(2_247_000.0));
        assert_eq!(value(&figures, "mset.p99"), Some(607_000.0));
    }

    #[test]
    fn older_shapes_have_fewer_figures() {
        assert_eq!(value(&quiet("SET: 81234.77 requests per second\n"), "set.rps"), Some(81_234.77));
        assert_eq!(csv("\"SET\",\"81234.77\"\n"), [Figure::new("set.rps", 81_234.77, Unit::PerSecond)]);
    }
}
