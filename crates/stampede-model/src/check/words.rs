//! Words that several checks use.

/// "1 unit", "3 units".
pub(crate) fn units(count: i64) -> String {
    if count == 1 { "1 unit".to_owned() } else { format!("{count} units") }
}

/// "3", or "between 1 and 3".
pub(crate) fn range(least: i64, most: i64) -> String {
    if least == most { least.to_string() } else { format!("between {least} and {most}") }
}
