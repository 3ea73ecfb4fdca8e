//! Files taken apart row by row as they come, however they are cut on the way.
//!
//! Invariants: a row is held in [`MAX_ROW_BYTES`] whatever is sent; each byte is consumed once, and after a row exactly up to its end,
//! so that a file can be taken up again from there; blank lines are no rows. A line ends with CR LF or LF, so rows begin on lines of
//! their own; a line feed within quotes counts as a line too.
//!
//! Absent on purpose: guesses. Quotes that do not pair make a row that is refused, not one that is repaired.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

/// The longest row: its cells together.
pub const MAX_ROW_BYTES: usize = 64 * 1024;
/// Most cells of a row.
pub const MAX_CELLS: usize = 64;

/// Why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// It is longer than [`MAX_ROW_BYTES`].
    TooLong,
    /// It has more than [`MAX_CELLS`].
    TooManyCells,
    /// A quote is open at its end, or stands within a cell without quotes.
    UnpairedQuote,
    /// It is no UTF-8.
    InvalidUtf8,
    /// A carriage return stands neither within quotes nor before a line feed.
    StrayCarriageReturn,
}

/// Takes a file apart.
pub struct Splitter {
    core: Reader,
    text: Box<[u8]>,
    text_len: usize,
    ends: [usize; MAX_CELLS],
    ends_len: usize,
    /// Of the next byte.
    line: i64,
    row_line: i64,
    quotes: usize,
    /// Carriage returns outside of quotes.
    returns: usize,
    /// The last byte that was consumed, and the one before.
    last: [u8; 2],
    fault: Option<RowFault>,
    is_in_row: bool,
}

impl Splitter {
    /// Begins on a line, counted from 1.
    pub fn new(line: i64) -> Self {
        // Its own line end would be a carriage return too, and then two rows could begin on one line.
        let mut core = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        // It would take away a byte order mark from what it sees first; ours is not always the beginning of a file.
        core.read_record(&[], &mut [0], &mut [0]);
        Self {
            core,
            text: vec![0; MAX_ROW_BYTES].into(),
            text_len: 0,
            ends: [0; MAX_CELLS],
            ends_len: 0,
            line,
            row_line: line,
            quotes: 0,
            returns: 0,
            last: [0; 2],
            fault: None,
            is_in_row: false,
        }
    }

    /// The line of the next byte.
    pub fn line(&self) -> i64 {
        self.line
    }

    /// The line on which the last row began.
    pub fn row_line(&self) -> i64 {
        self.row_line
    }

    /// Consumes bytes up to the end of a row, or all: how many, and whether a row is there.
    pub fn feed(&mut self, input: &[u8]) -> (usize, bool) {
        let mut used = 0;
        if !self.is_in_row {
            used = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
            self.line += count(b'\n', &input[..used]);
            if used == input.len() {
                return (used, false);
            }
            self.begin_row();
        }
        while used < input.len() {
            let rest = &input[used..];
            let (result, read, written, ended) =
                self.core.read_record(rest, &mut self.text[self.text_len..], &mut self.ends[self.ends_len..]);
            self.look(&rest[..read]);
            used += read;
            if self.note(&result, written, ended) {
                return (used, true);
            }
        }
        (used, false)
    }

    /// The file has ended: whether a last row is there, which had no line end.
    pub fn finish(&mut self) -> bool {
        while self.is_in_row {
            let (result, _, written, ended) =
                self.core.read_record(&[], &mut self.text[self.text_len..], &mut self.ends[self.ends_len..]);
            if self.note(&result, written, ended) {
                return true;
            }
            if result == ReadRecordResult::End {
                self.is_in_row = false;
            }
        }
        false
    }

    /// The cells of the row that is there.
    pub fn row(&self) -> Result<Vec<&str>, RowFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !self.quotes.is_multiple_of(2) {
            return Err(RowFault::UnpairedQuote);
        }
        let ending = usize::from(self.ends_with_return());
        if self.returns != ending {
            return Err(RowFault::StrayCarriageReturn);
        }
        let mut from = 0;
        let cells = self.ends[..self.ends_len].iter().enumerate().map(|(place, &to)| {
            let end = if place + 1 == self.ends_len { to - ending } else { to };
            let cell = self.text.get(from..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
            from = to;
            cell.ok_or(RowFault::InvalidUtf8)
        });
        cells.collect()
    }

    /// Counts what the parser does not tell of.
    fn look(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => self.line += 1,
                b'"' => self.quotes += 1,
                b'\r' if self.quotes.is_multiple_of(2) => self.returns += 1,
                _ => {}
            }
            self.last = [byte, self.last[0]];
        }
    }

    /// Whether the row's line ended with a carriage return, which is then no part of its last cell.
    fn ends_with_return(&self) -> bool {
        let last = if self.last[0] == b'\n' { self.last[1] } else { self.last[0] };
        last == b'\r' && self.quotes.is_multiple_of(2)
    }

    fn begin_row(&mut self) {
        (self.text_len, self.ends_len, self.quotes, self.returns, self.fault) = (0, 0, 0, 0, None);
        self.row_line = self.line;
        self.is_in_row = true;
    }

    fn note(&mut self, result: &ReadRecordResult, written: usize, ended: usize) -> bool {
        self.text_len += written;
        self.ends_len += ended;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            // What does not fit is dropped; the row is refused when its end comes.
            ReadRecordResult::OutputFull => {
                self.fault = Some(RowFault::TooLong);
                self.text_len = 0;
            }
            ReadRecordResult::OutputEndsFull => {
                self.fault = self.fault.or(Some(RowFault::TooManyCells));
                self.ends_len = 0;
            }
            ReadRecordResult::Record => {
                self.is_in_row = false;
                return true;
            }
        }
        false
    }
}

#[expect(clippy::naive_bytecount, reason = "rows are short, and the parser looks at each byte anyway")]
fn count(byte: u8, bytes: &[u8]) -> i64 {
    bytes.iter().filter(|&&each| each == byte).count() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(i64, Result<Vec<String>, RowFault>)>;

    /// The rows of a file that comes in pieces of this size, and the line after it.
    fn rows(file: &[u8], piece: usize) -> (Rows, i64) {
        let (mut splitter, mut rows) = (Splitter::new(1), Vec::new());
        let note = |splitter: &Splitter, rows: &mut Rows| {
            let row = splitter.row().map(|cells| cells.into_iter().map(str::to_owned).collect());
            rows.push((splitter.row_line(), row));
        };
        for mut piece in file.chunks(piece) {
            while !piece.is_empty() {
                let (used, is_row) = splitter.feed(piece);
                piece = &piece[used..];
                if is_row {
                    note(&splitter, &mut rows);
                }
            }
        }
        if splitter.finish() {
            note(&splitter, &mut rows);
        }
        (rows, splitter.line())
    }

    fn good(line: i64, cells: &[&str]) -> (i64, Result<Vec<String>, RowFault>) {
        (line, Ok(cells.iter().map(|&cell| cell.to_owned()).collect()))
    }

    #[test]
    fn rows_begin_where_they_begin_however_the_file_is_cut() {
        let file = "a,b\r\n\r\n1,\"two\r\nlines\"\r\n\n3,\"say \"\"hi\"\"\"\n\u{feff}x,\nlast,\"\"";
        let wanted = vec![
            good(1, &["a", "b"]),
            good(3, &["1", "two\r\nlines"]),
            good(6, &["3", "say \"hi\""]),
            good(7, &["\u{feff}x", ""]),
            good(8, &["last", ""]),
        ];
        for piece in 1..file.len() {
            assert_eq!(rows(file.as_bytes(), piece), (wanted.clone(), 8), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_carriage_return_ends_no_row_by_itself() {
        let file = b"a,b\r\n1,x\ry\r\n2,\"x\ry\r\"\n3,\"z\"\r\n4,w\r";
        let stray = |line| (line, Err(RowFault::StrayCarriageReturn));
        let wanted =
            vec![good(1, &["a", "b"]), stray(2), good(3, &["2", "x\ry\r"]), good(4, &["3", "z"]), good(5, &["4", "w"])];
        for piece in 1..file.len() {
            assert_eq!(rows(file, piece), (wanted.clone(), 5), "in pieces of {piece}");
        }
        assert_eq!(rows(b"a,b\r1,2\r3,4\r", 4).0, [stray(1)]);
    }

    #[test]
    fn what_cannot_be_read_is_one_row() {
        let long = format!("a\n{}\nb\n", "x".repeat(3 * MAX_ROW_BYTES));
        let many = format!("a\n{}\nb\n", ",".repeat(3 * MAX_CELLS));
        let cases: [(&[u8], RowFault, usize); 4] = [
            (long.as_bytes(), RowFault::TooLong, 3),
            (many.as_bytes(), RowFault::TooManyCells, 3),
            (b"a\n\xff\xfe\nb\n", RowFault::InvalidUtf8, 3),
            (b"a\nb\"c\nb\n", RowFault::UnpairedQuote, 3),
        ];
        for (file, fault, count) in cases {
            for piece in [1, 7, 4_096, file.len()] {
                let (rows, _) = rows(file, piece);
                assert_eq!(rows.len(), count, "{fault:?} in pieces of {piece}");
                assert_eq!((&rows[1], &rows[2]), (&(2, Err(fault)), &good(3, &["b"])));
            }
        }
        let (open, _) = rows(b"a\n\"open\nb\n", 4);
        assert_eq!(open[1..], [(2, Err(RowFault::UnpairedQuote))]);
    }

    #[test]
    fn a_file_is_taken_up_behind_any_row() {
        let file = b"a,b\r\n1,\"x\ny\"\r\n\r\n2,z\r\n3,w";
        let (all, _) = rows(file, 5);
        let mut splitter = Splitter::new(1);
        let (mut at, mut done) = (0, 0);
        while at < file.len() {
            let (used, is_row) = splitter.feed(&file[at..]);
            at += used;
            if !is_row {
                break;
            }
            done += 1;
            let mut again = Splitter::new(splitter.line());
            let (mut from, mut rest) = (at, Vec::new());
            while from < file.len() {
                let (used, is_row) = again.feed(&file[from..]);
                from += used;
                if is_row || (from == file.len() && again.finish()) {
                    rest.push(again.row_line());
                }
            }
            assert_eq!(rest, all[done..].iter().map(|(line, _)| *line).collect::<Vec<_>>(), "behind row {done}");
        }
        assert_eq!(done, 3);
    }
}
