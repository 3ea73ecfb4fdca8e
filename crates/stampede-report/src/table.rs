//! Text in columns: the first to the left, the others to the right unless told otherwise.
//!
//! Invariant: every line of a table is as wide as every other one, counted in letters, and ends without blanks.

use std::fmt::Write;

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Rows of cells in aligned columns, two blanks apart. The first row may be a heading; all rows have the same length.
pub(crate) fn aligned(rows: &[Vec<String>], sides: &[Side]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..sides.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let (width, gap) = (widths[column], if column == 0 { "" } else { "  " });
            // Writing to a String cannot fail.
            let _infallible = match sides[column] {
                Side::Left => write!(line, "{gap}{cell:<width$}"),
                Side::Right => write!(line, "{gap}{cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A Markdown table; the first row is its heading.
pub(crate) fn markdown(rows: &[Vec<String>], sides: &[Side]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let _infallible = writeln!(text, "| {} |", row.join(" | "));
        if number == 0 {
            let rules: Vec<&str> = sides.iter().map(|side| if *side == Side::Left { ":--" } else { "--:" }).collect();
            let _infallible = writeln!(text, "| {} |", rules.join(" | "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_not_bytes() {
        let rows = [vec!["µs".to_owned(), "1".to_owned()], vec!["four".to_owned(), "22".to_owned()]];
        assert_eq!(aligned(&rows, &[Side::Left, Side::Right]), "µs     1\nfour  22\n");
        assert_eq!(markdown(&rows, &[Side::Left, Side::Right]), "| µs | 1 |\n| :-- | --: |\n| four | 22 |\n");
    }
}
