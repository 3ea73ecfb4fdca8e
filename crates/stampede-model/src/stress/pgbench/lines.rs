//! The small parts of a printed line. Pure text, no figures.

/// What follows `words` at the line's beginning.
pub(super) fn after<'t>(line: &'t str, words: &str) -> Option<&'t str> {
    line.strip_prefix(words)
}

/// The number at the beginning, up to anything that cannot belong to it: `100/100`, `0 (0.000%)`.
pub(super) fn first_number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text.find(|c: char| c.is_whitespace() || "/(,%".contains(c)).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// Milliseconds after `words`, as nanoseconds.
pub(super) fn ms_after(line: &str, words: &str) -> Option<f64> {
    after(line, words).and_then(first_number).map(|ms| ms * 1e6)
}

/// The number at the beginning and what follows it.
pub(super) fn number_in(line: &str) -> Option<(f64, &str)> {
    let line = line.trim_start();
    let end = line.find(char::is_whitespace)?;
    Some((line[..end].parse().ok()?, line[end..].trim_start()))
}

/// `11/857 (1.284%)` as a share.
pub(super) fn share_of(text: &str) -> Option<f64> {
    let (part, whole) = text.split_once('/')?;
    let (part, whole): (f64, f64) = (part.trim().parse().ok()?, first_number(whole)?);
    (whole > 0.0).then(|| part / whole)
}
