//! The framing of a chunked body: sizes, extensions, ends. The trailers after the last chunk are the caller's.
//!
//! Invariants: a size never overflows; extensions are bounded over the whole body; a line ends with CR LF and with nothing
//! else, because two readers that disagree about a line's end disagree about where the next answer starts.

use super::parse_error::ParseError;

/// Most bytes of extensions in one body.
pub const EXTENSIONS_MAX: u32 = 16 << 10;
/// Hexadecimal digits of the largest size.
const DIGITS_MAX: u8 = 16;

/// Where in the framing the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    AfterSize,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
}

/// The state between two bytes of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// The size so far, then what is left of the data.
    left: u64,
    digits: u8,
    extension_bytes: u32,
}

/// What one step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// Part of the body.
    Data(&'a [u8]),
    /// Framing, to its end or to the end of the input.
    Framing,
    /// The last chunk's size with its line end: trailers follow.
    LastChunk,
}

impl Chunks {
    pub(super) const fn new() -> Self {
        Self { at: At::Size, left: 0, digits: 0, extension_bytes: 0 }
    }

    /// Takes some bytes from the front of `input` and says what they are and how many.
    pub(super) fn step<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Found<'a>), ParseError> {
        let mut used = 0;
        while let Some(byte) = input.get(used).copied() {
            if self.at == At::Data {
                let data = &input[used..];
                let data = &data[..data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))];
                self.left -= data.len() as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                return Ok((used + data.len(), Found::Data(data)));
            }
            used += 1;
            if self.framing(byte)? == Line::Last {
                return Ok((used, Found::LastChunk));
            }
        }
        Ok((used, Found::Framing))
    }

    fn framing(&mut self, byte: u8) -> Result<Line, ParseError> {
        match (self.at, byte) {
            (At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (At::Size, _) if self.digits == 0 => return Err(ParseError::ChunkSize),
            (At::Size | At::AfterSize | At::Extension, b'\r') => self.at = At::SizeEnd,
            (At::Size | At::AfterSize, b' ' | b'\t') => self.extension(At::AfterSize)?,
            (At::Size | At::AfterSize, b';') | (At::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extension(At::Extension)?;
            }
            (At::Size | At::AfterSize, _) => return Err(ParseError::ChunkSize),
            (At::Extension, _) => return Err(ParseError::ChunkExtension),
            (At::SizeEnd, b'\n') if self.left == 0 => return Ok(Line::Last),
            (At::SizeEnd, b'\n') => self.at = At::Data,
            (At::DataCr, b'\r') => self.at = At::DataLf,
            (At::DataLf, b'\n') => {
                self.at = At::Size;
                self.digits = 0;
            }
            // `step` takes data out before it comes here.
            (At::SizeEnd | At::DataCr | At::DataLf | At::Data, _) => return Err(ParseError::ChunkEnd),
        }
        Ok(Line::Other)
    }

    fn digit(&mut self, byte: u8) -> Result<(), ParseError> {
        if self.digits == DIGITS_MAX {
            return Err(ParseError::ChunkSizeOverflow);
        }
        let digit = char::from(byte).to_digit(16).ok_or(ParseError::ChunkSize)?;
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        Ok(())
    }

    fn extension(&mut self, at: At) -> Result<(), ParseError> {
        self.extension_bytes += 1;
        self.at = at;
        if self.extension_bytes > EXTENSIONS_MAX { Err(ParseError::ChunkExtension) } else { Ok(()) }
    }
}

/// Whether a byte ended the line of the last chunk's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Other,
    Last,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(mut input: &[u8]) -> Result<(Vec<u8>, usize), ParseError> {
        let mut chunks = Chunks::new();
        let mut body = Vec::new();
        let whole = input.len();
        while !input.is_empty() {
            let (used, found) = chunks.step(input)?;
            input = &input[used..];
            match found {
                Found::Data(data) => body.extend_from_slice(data),
                Found::Framing => {}
                Found::LastChunk => break,
            }
        }
        Ok((body, whole - input.len()))
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(body(b"3\r\nabc\r\n00a ;x=\"y\"\r\n0123456789\r\n0\r\nX"), Ok((b"abc0123456789".to_vec(), 35)));
    }

    #[test]
    fn broken_framing_is_refused() {
        for (input, error) in [
            (&b"\r\n"[..], ParseError::ChunkSize),
            (b"g\r\n", ParseError::ChunkSize),
            (b"-3\r\n", ParseError::ChunkSize),
            (b"3 4\r\n", ParseError::ChunkSize),
            (b"3\n", ParseError::ChunkSize),
            (b"3;a\nb\r\n", ParseError::ChunkExtension),
            (b"3\rX", ParseError::ChunkEnd),
            (b"3\r\nabcd", ParseError::ChunkEnd),
            (b"3\r\nabc\rX", ParseError::ChunkEnd),
            (b"10000000000000000\r\n", ParseError::ChunkSizeOverflow),
        ] {
            assert_eq!(body(input), Err(error), "{}", input.escape_ascii());
        }
        let long = [b"1;".to_vec(), vec![b'x'; EXTENSIONS_MAX as usize]].concat();
        assert_eq!(body(&long), Err(ParseError::ChunkExtension));
    }

    #[test]
    fn the_largest_size_is_counted_and_not_wrapped() {
        let mut chunks = Chunks::new();
        assert_eq!(chunks.step(b"ffffffffffffffff\r\n").unwrap().1, Found::Framing);
        assert_eq!(chunks.step(b"abc").unwrap().1, Found::Data(b"abc"));
        assert_eq!(chunks.left, u64::MAX - 3);
    }
}
