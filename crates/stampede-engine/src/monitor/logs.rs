//! Logs read from some place on, line by line.
//!
//! Invariant: however long a log or a line of it is, memory stays bounded; a line beyond the bound is cut.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use stampede_model::logs::LogGroups;

/// Longest line that is read whole.
const LINE_MAX_BYTES: u64 = 16 * 1024;
/// Most of one log that is read.
const LOG_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// How long a log is now; 0 when there is none yet.
pub fn log_length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// Takes the errors of a log in, from `from` on; gives the number of lines that were read.
///
/// # Errors
/// When the log is there and cannot be read.
pub fn read_errors(whose: &str, file: &Path, from: u64, groups: &mut LogGroups) -> io::Result<u64> {
    let mut open = match File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    open.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(open.take(LOG_MAX_BYTES));
    let (mut lines, mut line) = (0, Vec::new());
    loop {
        line.clear();
        if (&mut reader).take(LINE_MAX_BYTES).read_until(b'\n', &mut line)? == 0 {
            return Ok(lines);
        }
        lines += 1;
        groups.take(whose, &String::from_utf8_lossy(&line));
        while !line.ends_with(b"\n") {
            line.clear();
            if (&mut reader).take(LINE_MAX_BYTES).read_until(b'\n', &mut line)? == 0 {
                return Ok(lines);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn errors_are_read_from_a_place_on_and_long_lines_are_cut() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "ERROR before").unwrap();
        file.flush().unwrap();
        let from = log_length(file.path());
        writeln!(file, "INFO well\nERROR after 1\nERROR after 2\nERROR {}", "x".repeat(100_000)).unwrap();
        write!(file, "ERROR half a line").unwrap();
        let mut groups = LogGroups::default();
        assert_eq!(read_errors("a", file.path(), from, &mut groups).unwrap(), 5);
        let found = groups.without(&[]);
        assert_eq!((found[0].message.as_str(), found[0].count, found.len()), ("after ..", 2, 3));
        assert_eq!(read_errors("a", Path::new("/nowhere/a.log"), 0, &mut groups).unwrap(), 0);
        assert_eq!(log_length(Path::new("/nowhere/a.log")), 0);
    }
}
