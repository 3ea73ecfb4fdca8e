//! The bytes of an answer as a state machine: fed with pieces of any size, it tells head, body and end.
//!
//! Invariants: how the bytes are cut changes only into which pieces the body falls, never what is told, accepted or
//! refused; nothing is allocated for an answer whose head arrives in one piece; no input makes it panic; memory is bounded
//! by [`HEAD_MAX`]; after an error or the end nothing more is taken.
//! Absent on purpose: sockets, decoding of bodies, and leniency: what two readers may read differently is refused.

use super::chunks::{Chunks, Found};
use super::head::{self, Coding, Facts, HEAD_MAX, Wish};
use super::parse_error::ParseError;

/// Most interim answers (100 to 199) before the final one.
pub const INTERIM_MAX: u32 = 64;

/// What was asked, as far as the answer's framing depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By `HEAD`: the answer has no body, whatever its head says.
    HeadOnly,
    /// By any other method.
    Whole,
}

/// What the next bytes turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The head of the final answer.
    Head(RawHead<'a>),
    /// A part of the body, without its framing.
    Body(&'a [u8]),
}

/// A complete head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHead<'a> {
    /// Status code, 100 to 999.
    pub status: u16,
    /// The digit after `HTTP/1.`.
    pub minor: u8,
    /// All its bytes, the empty line included.
    pub bytes: &'a [u8],
}

/// How far a piece of input was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes taken; less than the piece only at the end of the answer.
    pub used: usize,
    /// Whether the answer is complete.
    pub progress: Progress,
}

/// Whether an answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are due.
    More,
    /// Complete.
    Done,
}

/// Whether the connection can carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It can.
    Reusable,
    /// The server closes it.
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Fixed { left: u64 },
    Chunks(Chunks),
    Trailers,
    UntilClose,
    Done,
}

/// The parser of one connection's answers.
#[derive(Debug)]
pub struct Parser {
    asked: Asked,
    state: State,
    /// A head, or trailers, of which only a part has come.
    kept: Vec<u8>,
    interim: u32,
    after: After,
}

impl Default for Parser {
    fn default() -> Self {
        Self { asked: Asked::Whole, state: State::Done, kept: Vec::new(), interim: 0, after: After::Reusable }
    }
}

impl Parser {
    /// Awaits an answer to what was `asked`.
    pub fn begin(&mut self, asked: Asked) {
        self.asked = asked;
        self.state = State::Head;
        self.kept.clear();
        self.interim = 0;
        self.after = After::Closing;
    }

    /// Whether the connection can carry another request; certain once the answer is complete.
    pub fn after(&self) -> After {
        self.after
    }

    /// Whether the head of the answer is complete.
    pub fn is_past_head(&self) -> bool {
        self.state != State::Head
    }

    /// Takes the next bytes; `on` sees what they are, in order.
    ///
    /// # Errors
    /// When they break the rules; what `on` saw before is as it would have been without the error.
    pub fn feed(&mut self, input: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<Fed, ParseError> {
        let mut rest = input;
        while !rest.is_empty() && self.state != State::Done {
            let used = match &mut self.state {
                State::Head => self.feed_head(rest, on)?,
                State::Fixed { left } => {
                    let part = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= part as u64;
                    let complete = *left == 0;
                    on(Event::Body(&rest[..part]));
                    if complete {
                        self.state = State::Done;
                    }
                    part
                }
                State::Chunks(chunks) => {
                    let (used, found) = chunks.step(rest)?;
                    match found {
                        Found::Data(data) => on(Event::Body(data)),
                        Found::Framing => {}
                        Found::LastChunk => self.state = State::Trailers,
                    }
                    used
                }
                State::Trailers => self.feed_trailers(rest)?,
                State::UntilClose => {
                    on(Event::Body(rest));
                    rest.len()
                }
                State::Done => break,
            };
            rest = &rest[used..];
        }
        let progress = if self.state == State::Done { Progress::Done } else { Progress::More };
        Ok(Fed { used: input.len() - rest.len(), progress })
    }

    /// The server closed the connection: the end of a body without a length, an error anywhere else.
    pub fn close(&mut self) -> Result<(), ParseError> {
        match self.state {
            State::UntilClose | State::Done => {
                self.state = State::Done;
                self.after = After::Closing;
                Ok(())
            }
            State::Head if self.kept.is_empty() && self.interim == 0 => Err(ParseError::ClosedBefore),
            State::Head => Err(ParseError::ClosedInHead),
            State::Fixed { .. } | State::Chunks(_) | State::Trailers => Err(ParseError::ClosedInBody),
        }
    }

    fn feed_head(&mut self, rest: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<usize, ParseError> {
        // Nearly every head arrives whole and is read where it lies. Any trouble is left to the slow way, which sees the
        // same bytes in the same order however they were cut.
        if self.kept.is_empty()
            && rest.starts_with(b"HTTP/1.")
            && let Ok(Some(facts)) = head::read(rest)
            && facts.status >= 100
            && facts.len <= HEAD_MAX
        {
            self.take_head(facts, rest, on)?;
            return Ok(facts.len);
        }
        let before = self.kept.len();
        let Some(end) = self.gather(rest) else {
            if !head::may_start(&self.kept) {
                return Err(ParseError::StatusLine);
            }
            let room_left = self.kept.len() < HEAD_MAX;
            return if room_left { Ok(rest.len()) } else { Err(ParseError::HeadTooLarge) };
        };
        if !head::may_start(&self.kept) {
            return Err(ParseError::StatusLine);
        }
        let mut kept = std::mem::take(&mut self.kept);
        let facts = match head::read(&kept[..end])? {
            Some(facts) if facts.len == end => facts,
            _ => return Err(ParseError::StatusLine),
        };
        self.take_head(facts, &kept, on)?;
        kept.clear();
        self.kept = kept;
        Ok(end - before)
    }

    /// Keeps as much of `rest` as may belong to the lines that are gathered; says where those end.
    fn gather(&mut self, rest: &[u8]) -> Option<usize> {
        let before = self.kept.len();
        let part = rest.len().min(HEAD_MAX - before);
        self.kept.extend_from_slice(&rest[..part]);
        // An empty line may have begun in the piece before.
        head::end_of_lines(&self.kept, before.saturating_sub(2))
    }

    fn take_head(&mut self, facts: Facts, bytes: &[u8], on: &mut impl FnMut(Event<'_>)) -> Result<(), ParseError> {
        let Facts { len, status, minor, .. } = facts;
        if status == 101 {
            return Err(ParseError::Switching);
        }
        if status < 200 {
            self.interim += 1;
            return if self.interim > INTERIM_MAX { Err(ParseError::TooManyInterim) } else { Ok(()) };
        }
        self.state = if self.asked == Asked::HeadOnly || matches!(status, 204 | 304) {
            State::Done
        } else {
            match (facts.coding, facts.length) {
                (Coding::Chunked, _) => State::Chunks(Chunks::new()),
                (Coding::Other, _) | (Coding::None, None) => State::UntilClose,
                (Coding::None, Some(0)) => State::Done,
                (Coding::None, Some(left)) => State::Fixed { left },
            }
        };
        let keeps = match facts.wish {
            Wish::Close => false,
            Wish::KeepAlive => true,
            Wish::Unsaid => minor == 1,
        };
        self.after = if keeps && self.state != State::UntilClose { After::Reusable } else { After::Closing };
        on(Event::Head(RawHead { status, minor, bytes: &bytes[..len] }));
        Ok(())
    }

    fn feed_trailers(&mut self, rest: &[u8]) -> Result<usize, ParseError> {
        let before = self.kept.len();
        let lines_end = self.gather(rest);
        match self.kept.as_slice() {
            [b'\r', b'\n', ..] => {
                self.kept.clear();
                self.state = State::Done;
                return Ok(2 - before);
            }
            [b'\r'] => return Ok(rest.len()),
            [b'\r' | b'\n', ..] => return Err(ParseError::Trailers),
            _ => {}
        }
        let Some(end) = lines_end else {
            let room_left = self.kept.len() < HEAD_MAX;
            return if room_left { Ok(rest.len()) } else { Err(ParseError::TrailersTooLarge) };
        };
        let mut lines = [httparse::EMPTY_HEADER; head::HEADERS_MAX];
        match httparse::parse_headers(&self.kept[..end], &mut lines) {
            Ok(httparse::Status::Complete((len, _))) if len == end => {}
            _ => return Err(ParseError::Trailers),
        }
        self.kept.clear();
        self.state = State::Done;
        Ok(end - before)
    }
}
