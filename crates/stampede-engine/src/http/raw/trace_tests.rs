//! The parser on whole answers: what is told, what is refused, and that no cut changes either.

use proptest::collection::vec;
use proptest::prelude::*;

use super::head::HEAD_MAX;
use super::parse_error::ParseError;
use super::parser::{After, Asked, INTERIM_MAX};
use super::trace::{End, Trace, trace};

fn whole(input: &[u8]) -> Trace {
    let trace_whole = trace(input, &[], Asked::Whole);
    for cuts in [&[1][..], &[2], &[7, 1, 3]] {
        assert_eq!(trace(input, cuts, Asked::Whole), trace_whole, "{cuts:?} of {}", input.escape_ascii());
    }
    trace_whole
}

/// A complete answer: status, body, and what becomes of the connection.
fn complete(input: &str) -> (u16, String, After) {
    let trace = whole(input.as_bytes());
    let End::Complete { used, after } = trace.end else { panic!("{:?}: {input}", trace.end) };
    assert_eq!(used, input.len(), "{input}");
    (trace.head.unwrap().0, String::from_utf8(trace.body).unwrap(), after)
}

fn refused(input: &[u8]) -> ParseError {
    let End::Refused(error) = whole(input).end else { panic!("{}: {:?}", input.escape_ascii(), whole(input).end) };
    error
}

#[test]
fn every_framing_comes_to_its_end() {
    use After::{Closing, Reusable};
    for (input, status, body, after) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, "hello", Reusable),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "", Reusable),
        ("HTTP/1.1 200\r\nContent-Length:2\r\nConnection: close\r\n\r\nhi", 200, "hi", Closing),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, "hi", Closing),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi", 200, "hi", Reusable),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", 204, "", Reusable),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 304, "", Reusable),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
            200,
            "abc0123456789",
            Reusable,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n000\r\nx-sum: 1\r\ny: z\r\n\r\n",
            200,
            "a",
            Reusable,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx",
            201,
            "x",
            Reusable,
        ),
        ("HTTP/1.1 200 OK\ncontent-length: 1\n\nx", 200, "x", Reusable),
    ] {
        assert_eq!(complete(input), (status, body.to_owned(), after), "{input}");
    }
}

#[test]
fn an_answer_to_head_has_no_body() {
    let input = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n";
    let end = End::Complete { used: input.len(), after: After::Reusable };
    assert_eq!(trace(input, &[], Asked::HeadOnly).end, end);
    assert_eq!(whole(input).end, End::Open(Err(ParseError::ClosedInBody)));
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let trace = whole(b"HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_eq!((trace.body.as_slice(), trace.end), (&b"all of it"[..], End::Open(Ok(()))));
    assert_eq!(whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx").end, End::Open(Ok(())));
}

#[test]
fn a_connection_closed_too_early_is_no_end() {
    for (input, error) in [
        ("", ParseError::ClosedBefore),
        ("HTTP/1.1 20", ParseError::ClosedInHead),
        ("HTTP/1.1 100 Continue\r\n\r\n", ParseError::ClosedInHead),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell", ParseError::ClosedInBody),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", ParseError::ClosedInBody),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r", ParseError::ClosedInBody),
    ] {
        assert_eq!(whole(input.as_bytes()).end, End::Open(Err(error)), "{input}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}").into_bytes();
    for (input, error) in [
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), ParseError::StatusLine),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n".to_vec(), ParseError::StatusLine),
        (b"HTTP/2.0 200 OK\r\n\r\n".to_vec(), ParseError::StatusLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n".to_vec(), ParseError::StatusLine),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_vec(), ParseError::Head(httparse::Error::HeaderName)),
        (b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n".to_vec(), ParseError::Head(httparse::Error::HeaderName)),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(), ParseError::Switching),
        (chunked("x\r\n"), ParseError::ChunkSize),
        (chunked("fffffffffffffffff\r\n"), ParseError::ChunkSizeOverflow),
        (chunked("1\r\nab"), ParseError::ChunkEnd),
        (chunked("0\r\nno colon\r\n\r\n"), ParseError::Trailers),
        (chunked("0\r\n\rx"), ParseError::Trailers),
        (b"HTTP/1.1 100 Continue\r\n\r\n".repeat(INTERIM_MAX as usize + 1), ParseError::TooManyInterim),
    ] {
        assert_eq!(refused(&input), error, "{}", input.escape_ascii());
    }
}

#[test]
fn a_head_has_a_bound_and_so_have_trailers() {
    let filled = |start: &str, length: usize| {
        let mut bytes = format!("{start}x: ").into_bytes();
        bytes.resize(length - 4, b'a');
        bytes.extend(b"\r\n\r\n");
        bytes
    };
    let largest = filled("HTTP/1.1 204 No Content\r\n", HEAD_MAX);
    let End::Complete { used, .. } = trace(&largest, &[1_000], Asked::Whole).end else { panic!("the largest head") };
    assert_eq!(used, HEAD_MAX);
    assert_eq!(trace(&largest, &[], Asked::Whole), trace(&largest, &[1_000], Asked::Whole));
    for cuts in [&[][..], &[1_000], &[HEAD_MAX]] {
        let too_large = filled("HTTP/1.1 204 No Content\r\n", HEAD_MAX + 1);
        assert_eq!(trace(&too_large, cuts, Asked::Whole).end, End::Refused(ParseError::HeadTooLarge));
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(129));
        assert_eq!(trace(many.as_bytes(), cuts, Asked::Whole).end, End::Refused(ParseError::TooManyHeaders));
        let trailers = filled("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", 2 * HEAD_MAX);
        assert_eq!(trace(&trailers, cuts, Asked::Whole).end, End::Refused(ParseError::TrailersTooLarge));
    }
}

#[test]
fn what_follows_an_answer_is_left_alone() {
    let End::Complete { used, .. } =
        trace(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1", &[], Asked::Whole).end
    else {
        panic!("complete")
    };
    assert_eq!(used, 40);
}

/// Bytes that are often nearly an answer.
fn nearly_an_answer() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("content-length: 5\r\n".to_owned()),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
        Just("transfer-encoding: gzip\r\n".to_owned()),
        Just("connection: close\r\n".to_owned()),
        Just("connection: keep-alive\n".to_owned()),
        "[a-z]{1,8}:[ -~]{0,12}\r\n",
        "[ -~\r\n]{0,6}",
    ];
    let start = prop_oneof![
        8 => (0..2_u8, prop_oneof![Just(200_u16), Just(204), Just(100), Just(304), Just(101), 90..700_u16])
            .prop_map(|(minor, status)| format!("HTTP/1.{minor} {status} Said\r\n")),
        1 => "[HT/1.0 \r\n]{0,9}",
    ];
    let body = prop_oneof![
        Just("hello".to_owned()),
        Just("5\r\nhello\r\n0\r\n\r\n".to_owned()),
        Just("3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\nmore".to_owned()),
        "[0-9a-f]{1,3}[\r\n;a-z ]{0,9}",
        Just("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy".to_owned()),
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")];
    let parts = (start, vec(line, 0..5), end, body);
    (parts, vec((any::<prop::sample::Index>(), any::<u8>()), 0..2)).prop_map(|((start, lines, end, body), flips)| {
        let mut bytes = [start, lines.concat(), end.to_owned(), body].concat().into_bytes();
        for (place, byte) in flips {
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_cut_changes_what_is_told(input in nearly_an_answer(), cuts in vec(1..40_usize, 1..6), head in any::<bool>()) {
        let asked = if head { Asked::HeadOnly } else { Asked::Whole };
        let in_one = trace(&input, &[], asked);
        prop_assert_eq!(&trace(&input, &cuts, asked), &in_one);
        prop_assert_eq!(&trace(&input, &[1], asked), &in_one);
    }

    #[test]
    fn any_bytes_are_survived(input in vec(any::<u8>(), 0..300), cuts in vec(1..40_usize, 1..6)) {
        prop_assert_eq!(trace(&input, &cuts, Asked::Whole), trace(&input, &[], Asked::Whole));
    }
}
