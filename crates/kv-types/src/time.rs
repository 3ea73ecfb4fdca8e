//! How an instant is written in an answer.

use jiff::Timestamp;
use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use serde::Serializer;

/// RFC 3339 in UTC, always with six digits of a second: PostgreSQL's precision, and answers of one kind are of one length, which
/// simple load tools take as the sign of a right answer.
///
/// # Errors
/// The serializer's.
pub fn rfc3339_micros<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));
    struct Text<'a>(&'a Timestamp);
    impl std::fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            PRINTER.print_timestamp(self.0, StdFmtWrite(f)).map_err(|_| std::fmt::Error)
        }
    }
    serializer.collect_str(&Text(instant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_never_changes() {
        #[derive(serde::Serialize)]
        struct Seen(#[serde(serialize_with = "rfc3339_micros")] Timestamp);
        for (nanosecond, text) in [(0, "000000"), (500_000_000, "500000"), (123_456_789, "123456")] {
            let instant = Timestamp::new(1_700_000_000, nanosecond).unwrap();
            let json = serde_json::to_string(&Seen(instant)).unwrap();
            assert_eq!(json, format!("\"2023-11-14T22:13:20.{text}Z\""));
        }
    }
}
