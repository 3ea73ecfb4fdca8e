//! The header `Prefer` (RFC 7240), of which one preference is known: not to wait.

use axum::http::HeaderMap;
use axum::http::header::HeaderName;

/// What a caller would like.
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Which of it was done.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// To be answered before the work is done.
pub(super) const RESPOND_ASYNC: &str = "respond-async";

/// Whether a caller would rather not wait.
pub(super) fn wants_no_wait(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(PREFER).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(preferences).any(|name| name.eq_ignore_ascii_case(RESPOND_ASYNC))
}

/// The names of a line's preferences. A comma in quotes parts nothing.
fn preferences(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = line.split(move |sign: char| {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        sign == ',' && !is_quoted
    });
    parts.map(|part| part.split([';', '=']).next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preference_is_found_wherever_it_stands_and_nowhere_else() {
        let wants = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(PREFER, line.parse().unwrap());
            }
            wants_no_wait(&headers)
        };
        for yes in [
            &["respond-async"][..],
            &["wait=10, Respond-Async"],
            &["return=minimal", "respond-async; x=1"],
            &["a=\"b, \\\" c\", respond-async"],
        ] {
            assert!(wants(yes), "{yes:?}");
        }
        for no in
            [&[][..], &["wait=10"], &["a=\"x, respond-async\""], &["respond-asynchronously"], &["return=respond-async"]]
        {
            assert!(!wants(no), "{no:?}");
        }
    }
}
