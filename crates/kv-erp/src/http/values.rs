//! Readers of single JSON values: text, numbers, ids. Each gives the checked value or says why not.

use std::ops::RangeInclusive;
use std::str::FromStr;

use kv_store::access::names::normal;
use kv_types::{Currency, MinorUnits, Quantity, Ttl};
use serde_json::{Number, Value};

use super::fields::{Refused, kind_of};

/// Most characters of a code or SKU.
pub const CODE_MAX: usize = 64;
/// Most characters of a name.
pub const NAME_MAX: usize = 200;
/// Most characters of an e-mail address, as SMTP allows.
pub const EMAIL_MAX: usize = 254;
/// Most characters of a telephone number.
pub const PHONE_MAX: usize = 40;
/// Most characters of a unit of measure.
pub const UOM_MAX: usize = 20;
/// Most characters of a caller's own reference.
pub const REFERENCE_MAX: usize = 200;
/// Most characters of a reason.
pub const REASON_MAX: usize = 200;
/// The largest count of a level.
pub const COUNT_MAX: i64 = 1_000_000_000_000;
/// Most characters of a description.
pub const DESCRIPTION_MAX: usize = 4_000;

/// One line of text: 1 to `max` characters, not only blanks, no control characters.
pub fn line(max: usize) -> impl Fn(Value) -> Result<String, Refused> {
    move |value| {
        let text = text(value, max)?;
        if text.chars().any(char::is_control) {
            return Err(("control_character", "must not contain control characters".to_owned()));
        }
        Ok(text)
    }
}

/// Text of several lines: as [`line()`], but line breaks and tabs are allowed.
pub fn paragraph(max: usize) -> impl Fn(Value) -> Result<String, Refused> {
    move |value| {
        let text = text(value, max)?;
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err((
                "control_character",
                "must not contain control characters but line breaks and tabs".to_owned(),
            ));
        }
        Ok(text)
    }
}

fn text(value: Value, max: usize) -> Result<String, Refused> {
    let Value::String(text) = value else {
        return Err(wrong_type("a string", &value));
    };
    // A text of no more bytes than characters allowed needs no counting.
    if text.len() > max && text.chars().count() > max {
        return Err(("too_long", format!("has {} characters, more than the {max} allowed", text.chars().count())));
    }
    if text.trim().is_empty() {
        return Err(("blank", "must not be blank".to_owned()));
    }
    Ok(text)
}

/// An e-mail address: something, one `@`, something, without blanks. Whether it can be reached only a letter can tell.
pub fn email(value: Value) -> Result<String, Refused> {
    let text = line(EMAIL_MAX)(value)?;
    let has_form =
        text.split_once('@').is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'));
    if !has_form || text.chars().any(char::is_whitespace) {
        return Err(("invalid_format", "must be an e-mail address such as name@example.com".to_owned()));
    }
    Ok(text)
}

/// A name in Unicode's normal form NFC: one line, as [`line()`], whatever it was typed with.
pub fn name(value: Value) -> Result<String, Refused> {
    // The form may have more characters than the text.
    line(NAME_MAX)(normal(&line(NAME_MAX)(value)?).into())
}

/// The address of an account, in the normal form.
pub fn account_email(value: Value) -> Result<String, Refused> {
    email(normal(&email(value)?).into())
}

/// A number of requests per minute.
pub fn rate_limit(value: Value) -> Result<u32, Refused> {
    let raw = whole(1..=1_000_000_000)(value)?;
    u32::try_from(raw).map_err(|_| ("out_of_range", "is not a limit".to_owned()))
}

/// True or false.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
pub fn boolean(value: Value) -> Result<bool, Refused> {
    value.as_bool().ok_or_else(|| wrong_type("true or false", &value))
}

/// A whole number within a range.
pub fn whole(range: RangeInclusive<i64>) -> impl Fn(Value) -> Result<i64, Refused> {
    move |value| {
        let wanted = || format!("a whole number from {} to {}", range.start(), range.end());
        let Value::Number(number) = &value else {
            return Err(wrong_type(&wanted(), &value));
        };
        match number.as_i64().or_else(|| without_fraction(number)) {
            Some(number) if range.contains(&number) => Ok(number),
            // What has no fraction and is no i64 is too large; so are the floats that stand for integers beyond u64.
            Some(_) => Err(("out_of_range", format!("must be {}", wanted()))),
            None if number.is_u64() || number.as_f64().is_some_and(|f| f.abs() >= EXACT) => {
                Err(("out_of_range", format!("must be {}", wanted())))
            }
            None => Err(("wrong_type", format!("must be {}, not a fraction", wanted()))),
        }
    }
}

/// From here on not every integer is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `3.0` and `3e0` are the integer 3, as JSON Schema has it.
fn without_fraction(number: &Number) -> Option<i64> {
    number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < EXACT).map(|float| float as i64)
}

/// A line's quantity.
pub fn quantity(value: Value) -> Result<Quantity, Refused> {
    let raw = whole(1..=Quantity::MAX)(value)?;
    Quantity::parse(raw).map_err(|error| ("out_of_range", error.to_string()))
}

/// For how many seconds stock is held.
pub fn ttl(value: Value) -> Result<Ttl, Refused> {
    let raw = whole(1..=Ttl::MAX)(value)?;
    Ttl::parse(raw).ok_or_else(|| ("out_of_range", "is not a life".to_owned()))
}

/// A unit price in minor units.
pub fn price(value: Value) -> Result<MinorUnits, Refused> {
    let raw = whole(0..=MinorUnits::MAX_PRICE)(value)?;
    MinorUnits::parse_price(raw).ok_or_else(|| ("out_of_range", "is not a price".to_owned()))
}

/// A place in an order of preference.
pub fn priority(value: Value) -> Result<i32, Refused> {
    let raw = whole(0..=i64::from(i32::MAX))(value)?;
    i32::try_from(raw).map_err(|_| ("out_of_range", "is not a priority".to_owned()))
}

/// An ISO 4217 code.
#[expect(clippy::needless_pass_by_value, reason = "the shape of every reader")]
pub fn currency(value: Value) -> Result<Currency, Refused> {
    let Value::String(text) = &value else {
        return Err(wrong_type("a string", &value));
    };
    text.parse().map_err(|_| ("invalid_format", "must be three capital letters, for example EUR".to_owned()))
}

/// The id of something that must exist. Text that is no id at all names nothing either, hence the same word for both.
pub fn reference_to<T: FromStr>(unknown: &'static str) -> impl Fn(Value) -> Result<T, Refused> {
    move |value| {
        let Value::String(text) = &value else {
            return Err(wrong_type("the id of one, a UUID string", &value));
        };
        text.parse().map_err(|_| (unknown, "names nothing that exists: it is no UUID".to_owned()))
    }
}

fn wrong_type(wanted: &str, value: &Value) -> Refused {
    ("wrong_type", format!("must be {wanted}, not {}", kind_of(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, Refused>) -> &'static str {
        result.expect_err("the value must be refused").0
    }

    #[test]
    fn quantities_are_whole_and_in_range() {
        assert_eq!(quantity(json!(1)).unwrap().units(), 1);
        assert_eq!(quantity(json!(3.0)).unwrap().units(), 3);
        assert_eq!(quantity(json!(1_000_000)).unwrap().units(), 1_000_000);
        for (value, want) in [
            (json!(0), "out_of_range"),
            (json!(-1), "out_of_range"),
            (json!(1_000_001), "out_of_range"),
            (json!(i64::MIN), "out_of_range"),
            (json!(u64::MAX), "out_of_range"),
            (json!(1e300), "out_of_range"),
            (json!(1e9), "out_of_range"),
            (json!(1.5), "wrong_type"),
            (json!("1"), "wrong_type"),
            (json!([1]), "wrong_type"),
            (json!(true), "wrong_type"),
        ] {
            assert_eq!(code(quantity(value.clone())), want, "{value}");
        }
    }

    #[test]
    fn text_is_bounded_in_characters_and_free_of_control_characters() {
        assert_eq!(line(3)(json!("äöü")).unwrap(), "äöü");
        assert_eq!(code(line(3)(json!("äöüß"))), "too_long");
        assert_eq!(code(line(3)(json!(" \u{a0}"))), "blank");
        assert_eq!(code(line(9)(json!("a\u{0}b"))), "control_character");
        assert_eq!(code(line(9)(json!("a\nb"))), "control_character");
        assert_eq!(paragraph(9)(json!("a\nb")).unwrap(), "a\nb");
        assert_eq!(code(paragraph(9)(json!("a\u{0}b"))), "control_character");
    }

    #[test]
    fn a_name_is_bounded_in_its_normal_form() {
        assert_eq!(name(json!("Zoe\u{301}")).unwrap(), "Zo\u{e9}");
        assert_eq!(code(name(json!("\u{958}".repeat(200)))), "too_long");
        assert_eq!(code(account_email(json!(format!("{}@b", "\u{958}".repeat(200))))), "too_long");
        assert_eq!(account_email(json!("Zoe\u{301}@b")).unwrap(), "Zo\u{e9}@b");
    }

    #[test]
    fn an_email_address_has_the_form_of_one() {
        assert!(email(json!("a@b")).is_ok());
        for bad in ["a", "@b", "a@", "a@b@c", "a b@c"] {
            assert_eq!(code(email(json!(bad))), "invalid_format", "{bad}");
        }
    }
}
