//! W3C Trace Context: the trace that a request belongs to, taken over from the caller or begun here, and passed on.
//!
//! <https://www.w3.org/TR/trace-context/>. What a caller sends is taken only when it is right to the letter; else a new trace begins,
//! as the recommendation asks. The answer says which one it was in `traceresponse`.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Where an answer says what trace and span it belongs to.
pub(super) const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
/// Whoever began the trace wants it recorded.
const SAMPLED: u8 = 1;

/// A request's place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace; never 0.
    pub trace_id: u128,
    /// The caller's span, when it named one.
    pub parent_id: Option<u64>,
    /// This request's own span; never 0.
    pub span_id: u64,
    /// The flags to pass on.
    pub flags: u8,
}

impl TraceContext {
    /// The caller's trace, or a new one, with a span of its own for this request.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(&TRACEPARENT).iter();
        let parsed = match (given.next(), given.next()) {
            (Some(one), None) => one.to_str().ok().and_then(parse),
            _ => None,
        };
        let span_id = rand::random::<u64>().max(1);
        match parsed {
            Some((trace_id, parent_id, flags)) => {
                Self { trace_id, parent_id: Some(parent_id), span_id, flags: flags & SAMPLED }
            }
            None => Self { trace_id: rand::random::<u128>().max(1), parent_id: None, span_id, flags: 0 },
        }
    }

    /// Whether the caller has the trace recorded.
    pub const fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The header to send with whatever this request causes elsewhere, and with its answer.
    pub fn header(self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hexadecimal digits and dashes are visible ASCII")
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

fn parse(text: &str) -> Option<(u128, u64, u8)> {
    let mut parts = text.split('-');
    let version = hexadecimal(parts.next()?, 2)?;
    let trace_id = hexadecimal(parts.next()?, 32)?;
    let parent_id = hexadecimal(parts.next()?, 16)?;
    let flags = hexadecimal(parts.next()?, 2)?;
    // A later version may say more; this one must not.
    let is_sound = version != 0xff && (version != 0 || parts.next().is_none()) && trace_id != 0 && parent_id != 0;
    is_sound.then(|| Some((trace_id, u64::try_from(parent_id).ok()?, u8::try_from(flags).ok()?))).flatten()
}

fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_lower = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_lower.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(values: &[&str]) -> TraceContext {
        let values = values.iter().map(|value| (TRACEPARENT, HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, value);
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn the_caller_s_trace_goes_on_under_a_span_of_its_own() {
        let context = of(&[GIVEN]);
        assert_eq!(format!("{:032x}", context.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((context.parent_id, context.is_sampled()), (Some(0x00f0_67aa_0ba9_02b7), true));
        assert_ne!(context.span_id, 0x00f0_67aa_0ba9_02b7);
        let passed_on = context.to_string();
        assert!(
            passed_on.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && passed_on.ends_with("-01"),
            "{passed_on}"
        );
        assert_eq!(parse(&passed_on).map(|(trace, ..)| trace), Some(context.trace_id));
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(of(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"]).parent_id.is_some());
    }

    #[test]
    fn what_is_not_right_to_the_letter_begins_a_new_trace() {
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let context = of(&[bad]);
            assert_eq!(context.parent_id, None, "{bad}");
            assert_ne!(context.trace_id, 0);
        }
        assert_eq!(of(&[GIVEN, GIVEN]).parent_id, None, "two say nothing");
        assert_ne!(of(&[]).trace_id, of(&[]).trace_id);
    }
}
