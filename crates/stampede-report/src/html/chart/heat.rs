//! A heatmap: how many samples fell where, darker for more.
//!
//! Invariant: the shade grows with the logarithm of the count, so that one slow request among thousands is still seen.

use std::fmt::Write;

use maud::{Markup, html};

/// Shades, the faintest first; the style sheet has a class for each.
const SHADES: [&str; 7] = ["h1", "h2", "h3", "h4", "h5", "h6", "h7"];

/// Draws `cells`: one column per slice, its rows from the bottom up; the drawing is as wide and high as they are many.
pub(in crate::html) fn heat(cells: &[Vec<u64>]) -> Markup {
    let most = cells.iter().flatten().copied().max().unwrap_or(0);
    let mut paths = vec![String::new(); SHADES.len()];
    for (x, column) in cells.iter().enumerate() {
        for (row, count) in column.iter().enumerate().filter(|(_, count)| **count > 0) {
            let y = column.len() - 1 - row;
            let _infallible = write!(paths[shade(*count, most)], "M{x} {y}h1v1h-1z");
        }
    }
    html! {
        @for (class, path) in SHADES.iter().zip(&paths) {
            @if !path.is_empty() { path.heat.(class) d=(path) {} }
        }
    }
}

fn shade(count: u64, most: u64) -> usize {
    let share = if most > 1 { (count as f64).ln() / (most as f64).ln() } else { 1.0 };
    ((share * SHADES.len() as f64) as usize).min(SHADES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_among_thousands_is_drawn() {
        assert_eq!([shade(1, 10_000), shade(100, 10_000), shade(10_000, 10_000), shade(1, 1)], [0, 3, 6, 6]);
        let drawn = heat(&[vec![0, 1], vec![10_000, 0]]).into_string();
        assert!(drawn.contains("class=\"heat h1\" d=\"M0 0h1v1h-1z\""), "{drawn}");
        assert!(drawn.contains("class=\"heat h7\" d=\"M1 1h1v1h-1z\""), "{drawn}");
    }
}
