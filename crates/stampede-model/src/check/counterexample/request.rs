//! The request line of an operation's note: `POST /api/v1/reservations: 201`.

/// A request as far as a note tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// `POST`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The answer's status.
    pub status: Option<u16>,
}

impl<'a> Request<'a> {
    /// What a note begins with, when that is a request.
    pub fn of(note: &'a str) -> Option<Self> {
        let (method, rest) = note.split_once(' ')?;
        let is_method = (3..=7).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
        let (path, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let path = path.strip_suffix(':').unwrap_or(path);
        (is_method && path.starts_with('/')).then(|| Self { method, path, status: status(rest) })
    }
}

/// Three digits at the beginning.
fn status(text: &str) -> Option<u16> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 3).then(|| text[..3].parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_tells_the_request() {
        let of = |note| Request::of(note).map(|request| (request.method, request.path, request.status));
        assert_eq!(of("POST /a/b: 201"), Some(("POST", "/a/b", Some(201))));
        assert_eq!(of("GET /a?x=1 200"), Some(("GET", "/a?x=1", Some(200))));
        assert_eq!(of("PUT /a: 409, neither expected nor a refusal"), Some(("PUT", "/a", Some(409))));
        assert_eq!(of("PUT /a: no answer: timed out"), Some(("PUT", "/a", None)));
        assert_eq!(of("PUT /a: 2011"), Some(("PUT", "/a", None)));
        assert_eq!(of("DELETE /a"), Some(("DELETE", "/a", None)));
        for note in ["", "no connection, nothing was sent", "post /a: 200", "GET a: 200", "a row of the ledger, rows"] {
            assert_eq!(of(note), None, "{note}");
        }
    }
}
