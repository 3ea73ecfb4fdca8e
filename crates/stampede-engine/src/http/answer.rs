//! What comes back: the head for whoever looks, and the figures of the whole.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::raw::head::HEADERS_MAX;

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer<H> {
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
    /// What the caller took from the head of the answer.
    pub(crate) head: H,
}

/// The head of an answer. Nothing is looked up or copied unless somebody asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerHead<'a> {
    pub(crate) version: http::Version,
    pub(super) lines: Lines<'a>,
}

/// Where header lines are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lines<'a> {
    /// Read.
    Map(&'a HeaderMap),
    /// As they came, status line and empty line included; known to be valid.
    Bytes(&'a [u8]),
}

impl<'a> AnswerHead<'a> {
    /// The head of an answer by hyper or h2.
    pub(super) fn of<B>(response: &'a http::Response<B>) -> Self {
        Self { version: response.version(), lines: Lines::Map(response.headers()) }
    }

    /// All headers.
    pub(crate) fn headers(&self) -> HeaderMap {
        match self.lines {
            Lines::Map(headers) => headers.clone(),
            Lines::Bytes(bytes) => {
                let mut headers = HeaderMap::new();
                for_each_line(bytes, |name, value| {
                    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                        headers.append(name, value);
                    }
                });
                headers
            }
        }
    }
}

fn for_each_line(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8])) {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    // The bytes were read once already: they cannot fail now.
    if response.parse(bytes).is_ok() {
        for header in response.headers.iter() {
            each(header.name.as_bytes(), header.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_bytes_as_in_a_map() {
        let bytes = b"HTTP/1.1 200 OK\r\nServer: toy\r\nset-cookie: a\r\nSet-Cookie: b\r\n\r\n";
        let raw = AnswerHead { version: http::Version::HTTP_11, lines: Lines::Bytes(bytes) };
        let map = raw.headers();
        let read = AnswerHead { lines: Lines::Map(&map), ..raw };
        for head in [raw, read] {
            assert_eq!(head.headers()["server"], "toy");
            assert_eq!(head.headers().get_all("set-cookie").iter().count(), 2);
        }
    }
}
