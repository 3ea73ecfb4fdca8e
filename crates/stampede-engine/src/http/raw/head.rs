//! The head of an answer: where it ends and what it says about the body's framing.
//!
//! Invariant: what is found does not depend on how the bytes were cut, because only a complete head is judged; the first
//! thirteen bytes, of which each is judged by its place, are the exception that refuses at once what is not HTTP.
//! Absent on purpose: header values other than those which frame the body; who wants one reads it from the bytes.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use super::parse_error::ParseError;

/// Most bytes of a head, the empty line included.
pub const HEAD_MAX: usize = 64 << 10;
/// Most header lines of a head.
pub const HEADERS_MAX: usize = 128;
/// `HTTP/1.1 200 `: the bytes that are judged one by one.
const START: usize = 13;

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its length with the empty line.
    pub(super) len: usize,
    pub(super) status: u16,
    /// The digit after `HTTP/1.`.
    pub(super) minor: u8,
    pub(super) length: Option<u64>,
    pub(super) coding: Coding,
    pub(super) wish: Wish,
}

/// How a body is coded for its transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    None,
    /// `chunked` is the last coding: the body says itself where it ends.
    Chunked,
    /// Others only: the body ends with the connection.
    Other,
}

/// What the server says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Unsaid,
    Close,
    KeepAlive,
}

/// Reads a complete head at the start of `bytes`; `None` when it is not complete.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Facts>, ParseError> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
    let mut response = Response::new(&mut []);
    let config = ParserConfig::default();
    let len = match config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(ParseError::TooManyHeaders),
        Err(error) => return Err(ParseError::Head(error)),
    };
    let (Some(status), Some(minor)) = (response.code, response.version) else { return Err(ParseError::StatusLine) };
    let mut facts = Facts { len, status, minor, length: None, coding: Coding::None, wish: Wish::Unsaid };
    for header in response.headers.iter() {
        facts.take(header)?;
    }
    if facts.coding != Coding::None {
        if facts.length.is_some() {
            return Err(ParseError::LengthAndEncoding);
        }
        if minor == 0 {
            return Err(ParseError::EncodingInHttp10);
        }
    }
    Ok(Some(facts))
}

impl Facts {
    fn take(&mut self, header: &Header<'_>) -> Result<(), ParseError> {
        // The length of the name decides first: most headers concern nobody here.
        match header.name.len() {
            10 if header.name.eq_ignore_ascii_case("connection") => self.take_wish(header.value),
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                if self.length.is_some() {
                    return Err(ParseError::RepeatedContentLength);
                }
                self.length = Some(number(header.value)?);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => self.take_coding(header.value)?,
            _ => {}
        }
        Ok(())
    }

    fn take_wish(&mut self, value: &[u8]) {
        for word in words(value) {
            if word.eq_ignore_ascii_case(b"close") {
                self.wish = Wish::Close;
            } else if word.eq_ignore_ascii_case(b"keep-alive") && self.wish == Wish::Unsaid {
                self.wish = Wish::KeepAlive;
            }
        }
    }

    fn take_coding(&mut self, value: &[u8]) -> Result<(), ParseError> {
        for word in words(value) {
            if self.coding == Coding::Chunked {
                return Err(ParseError::EncodingOrder);
            }
            self.coding = if word.eq_ignore_ascii_case(b"chunked") { Coding::Chunked } else { Coding::Other };
        }
        // An empty list still says that the body is coded.
        if self.coding == Coding::None {
            self.coding = Coding::Other;
        }
        Ok(())
    }
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|word| !word.is_empty())
}

fn number(digits: &[u8]) -> Result<u64, ParseError> {
    // `str::parse` would take a sign.
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ParseError::ContentLength);
    }
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    digits.iter().try_fold(0, add).ok_or(ParseError::ContentLength)
}

/// Whether `bytes` may be the start of a status line.
pub(super) fn may_start(bytes: &[u8]) -> bool {
    let fits = |(place, byte): (usize, &u8)| match place {
        0..7 => *byte == b"HTTP/1."[place],
        7 => matches!(byte, b'0' | b'1'),
        8 => *byte == b' ',
        9 => matches!(byte, b'1'..=b'9'),
        10 | 11 => byte.is_ascii_digit(),
        _ => matches!(byte, b' ' | b'\r' | b'\n'),
    };
    bytes.iter().take(START).enumerate().all(fits)
}

/// Where the empty line ends that ends the lines of `bytes`; lines that ended before `from` are known not to be followed by one.
pub(super) fn end_of_lines(bytes: &[u8], from: usize) -> Option<usize> {
    let mut line_end = from;
    while let Some(found) = bytes.get(line_end..)?.iter().position(|byte| *byte == b'\n') {
        line_end += found + 1;
        match bytes.get(line_end..)? {
            [b'\n', ..] => return Some(line_end + 1),
            [b'\r', b'\n', ..] => return Some(line_end + 2),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(lines: &str) -> Result<Facts, ParseError> {
        let head = format!("HTTP/1.1 200 OK\r\n{}\r\n", lines.replace('\n', "\r\n"));
        read(head.as_bytes()).map(|facts| facts.unwrap())
    }

    #[test]
    fn the_framing_is_read() {
        let plain = facts("Content-LENGTH: 12\nconnection: foo, Keep-Alive\n").unwrap();
        assert_eq!((plain.length, plain.coding, plain.wish), (Some(12), Coding::None, Wish::KeepAlive));
        assert_eq!(facts("transfer-encoding: gzip, chunked\n").unwrap().coding, Coding::Chunked);
        assert_eq!(facts("transfer-encoding: gzip\ntransfer-encoding: chunked\n").unwrap().coding, Coding::Chunked);
        assert_eq!(facts("transfer-encoding: gzip\n").unwrap().coding, Coding::Other);
        assert_eq!(facts("connection: keep-alive\nconnection: close\n").unwrap().wish, Wish::Close);
    }

    #[test]
    fn two_framings_are_refused() {
        for (lines, error) in [
            ("content-length: 5\ncontent-length: 5\n", ParseError::RepeatedContentLength),
            ("content-length: 5\ncontent-length: 6\n", ParseError::RepeatedContentLength),
            ("content-length: 5, 5\n", ParseError::ContentLength),
            ("content-length: +5\n", ParseError::ContentLength),
            ("content-length: \n", ParseError::ContentLength),
            ("content-length: 18446744073709551616\n", ParseError::ContentLength),
            ("content-length: 5\ntransfer-encoding: chunked\n", ParseError::LengthAndEncoding),
            ("transfer-encoding: chunked\ncontent-length: 5\n", ParseError::LengthAndEncoding),
            ("transfer-encoding: chunked, gzip\n", ParseError::EncodingOrder),
            ("transfer-encoding: chunked\ntransfer-encoding: chunked\n", ParseError::EncodingOrder),
        ] {
            assert_eq!(facts(lines), Err(error), "{lines}");
        }
        assert_eq!(read(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Err(ParseError::EncodingInHttp10));
    }

    #[test]
    fn what_cannot_become_a_status_line_is_seen_early() {
        for start in ["", "H", "HTTP/1.0 ", "HTTP/1.1 204\r", "HTTP/1.1 599 Any Words"] {
            assert!(may_start(start.as_bytes()), "{start}");
        }
        for start in
            ["S", "http/1.1", "HTTP/2", "HTTP/1.2", "HTTP/1.1  ", "HTTP/1.1 099", "HTTP/1.1 2x", "HTTP/1.1 2000"]
        {
            assert!(!may_start(start.as_bytes()), "{start}");
        }
    }
}
