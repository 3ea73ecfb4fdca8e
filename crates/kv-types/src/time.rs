//! How an instant is written in an answer.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Serializer;

/// RFC 3339 in UTC, always with six digits of a second: PostgreSQL's precision, and answers of one kind are of one length, which
/// simple load tools take as the sign of a right answer. Years before 0 are written with a sign and six digits.
///
/// A page holds two instants a row, so the digits are set in place and not by a formatter, which costs several times as much.
///
/// # Errors
/// The serializer's.
pub fn rfc3339_micros<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let utc = Offset::UTC.to_datetime(*instant);
    // No year that a timestamp can have is above 9999.
    let Ok(year) = u32::try_from(utc.year()) else {
        return serializer.collect_str(&format_args!("{instant:.6}"));
    };
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    set(&mut text[0..4], year);
    for (place, number) in [(5, utc.month()), (8, utc.day()), (11, utc.hour()), (14, utc.minute()), (17, utc.second())]
    {
        set(&mut text[place..place + 2], u32::from(number.unsigned_abs()));
    }
    set(&mut text[20..26], utc.subsec_nanosecond().unsigned_abs() / 1_000);
    serializer.serialize_str(std::str::from_utf8(&text).expect("digits and signs are ASCII"))
}

/// [`rfc3339_micros`] of an instant that may be missing, which is null.
///
/// # Errors
/// The serializer's.
pub fn rfc3339_micros_or_null<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => rfc3339_micros(instant, serializer),
        None => serializer.serialize_none(),
    }
}

/// Writes a number's last digits over all of `digits`.
fn set(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
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

    /// jiff's own text, at the ends of what an instant can be and at steps of a little more than a month between them.
    #[test]
    fn every_instant_reads_as_the_library_writes_it() {
        let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let steps = (first..=last).step_by(2_777_777).chain([-1, 0, 951_782_399, 951_782_400, last]);
        for second in steps {
            let instant = Timestamp::new(second, 0).unwrap();
            let mut json = Vec::new();
            rfc3339_micros(&instant, &mut serde_json::Serializer::new(&mut json)).unwrap();
            assert_eq!(String::from_utf8(json).unwrap(), format!("\"{instant:.6}\""));
        }
    }
}
