//! Words that several checks use.

/// "3", or "between 1 and 3".
pub(crate) fn range(least: i64, most: i64) -> String {
    if least == most { least.to_string() } else { format!("between {least} and {most}") }
}
