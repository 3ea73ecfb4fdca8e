//! What the parser says about some bytes cut in some way, in a form that can be compared: for tests and for fuzzing.

use super::parse_error::ParseError;
use super::parser::{After, Asked, Event, Parser, Progress};

/// Everything the parser tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Status and bytes of the head.
    pub head: Option<(u16, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A complete answer of so many bytes.
    Complete {
        /// Bytes of the input that belong to it.
        used: usize,
        /// What becomes of the connection.
        after: After,
    },
    /// More bytes were due when they ended; closing then is fine, or not.
    Open(Result<(), ParseError>),
    /// Refused.
    Refused(ParseError),
}

/// Feeds `input` in pieces; `cuts` are their lengths in turn, repeated to the end (a zero counts as one).
///
/// # Panics
/// When the parser breaks one of its promises about a single feeding.
pub fn trace(input: &[u8], cuts: &[usize], asked: Asked) -> Trace {
    let mut parser = Parser::default();
    parser.begin(asked);
    let mut trace = Trace { head: None, body: Vec::new(), end: End::Open(Ok(())) };
    let mut at = 0;
    let mut turn = 0;
    while at < input.len() {
        let length = cuts.get(turn % cuts.len().max(1)).map_or(input.len(), |cut| (*cut).max(1));
        turn += 1;
        let piece = &input[at..input.len().min(at.saturating_add(length))];
        let mut told = 0;
        let fed = parser.feed(piece, &mut |event| match event {
            Event::Head(head) => {
                assert!(trace.head.is_none(), "a second head");
                assert!((200..1000).contains(&head.status), "status {}", head.status);
                trace.head = Some((head.status, head.bytes.to_vec()));
            }
            Event::Body(part) => {
                assert!(trace.head.is_some(), "a body before its head");
                told += part.len();
                trace.body.extend_from_slice(part);
            }
        });
        assert!(told <= piece.len(), "more body than input");
        match fed {
            Err(error) => {
                trace.end = End::Refused(error);
                return trace;
            }
            Ok(fed) if fed.progress == Progress::Done => {
                trace.end = End::Complete { used: at + fed.used, after: parser.after() };
                return trace;
            }
            Ok(fed) => assert_eq!(fed.used, piece.len(), "an open answer takes everything"),
        }
        at += piece.len();
    }
    trace.end = End::Open(parser.close());
    trace
}
