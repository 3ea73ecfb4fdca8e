//! What an error of the socket or of the protocol means, as one kind of the closed list.

use std::error::Error;
use std::io;

use stampede_model::failure::FailureKind;

/// A request that got no complete answer.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct RequestFailure {
    /// Which kind.
    pub kind: FailureKind,
    /// The error's own words, for the one example a report shows.
    pub text: String,
}

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;

impl RequestFailure {
    /// A connection that could not be established.
    pub(crate) fn connecting(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => FailureKind::ConnectRefused,
            io::ErrorKind::TimedOut => FailureKind::ConnectTimeout,
            io::ErrorKind::AddrNotAvailable => FailureKind::NoLocalPort,
            io::ErrorKind::ConnectionReset => FailureKind::Reset,
            _ if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) => FailureKind::TooManyOpenFiles,
            _ => FailureKind::ConnectFailed,
        };
        Self { kind, text: error.to_string() }
    }

    /// An exchange that hyper gave up.
    pub(crate) fn exchanging(error: &hyper::Error) -> Self {
        Self { kind: kind_of(error), text: whole_text(error) }
    }

    /// A time-out, with what was being waited for.
    pub(crate) fn timed_out(kind: FailureKind, waiting_for: &str) -> Self {
        Self { kind, text: format!("waiting for {waiting_for}") }
    }
}

fn kind_of(error: &hyper::Error) -> FailureKind {
    // The socket's own word first: hyper wraps a reset in an "incomplete message" when it hits mid-answer.
    if let Some(io_error) = io_source(error) {
        match io_error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                return FailureKind::Reset;
            }
            io::ErrorKind::UnexpectedEof => return FailureKind::ClosedEarly,
            io::ErrorKind::TimedOut => return FailureKind::Timeout,
            _ => {}
        }
    }
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        return FailureKind::Protocol;
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return FailureKind::ClosedEarly;
    }
    // A body that breaks the rules of its framing arrives as an I/O error of kind InvalidData or InvalidInput.
    match io_source(error).map(io::Error::kind) {
        Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => FailureKind::Protocol,
        _ => FailureKind::Other,
    }
}

fn io_source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io_error) = error.downcast_ref::<io::Error>() {
            return Some(io_error);
        }
        next = error.source();
    }
    None
}

fn whole_text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_errors_have_their_kind() {
        for (error, kind) in [
            (io::Error::from(io::ErrorKind::ConnectionRefused), FailureKind::ConnectRefused),
            (io::Error::from(io::ErrorKind::AddrNotAvailable), FailureKind::NoLocalPort),
            (io::Error::from_raw_os_error(EMFILE), FailureKind::TooManyOpenFiles),
            (io::Error::from(io::ErrorKind::NetworkUnreachable), FailureKind::ConnectFailed),
        ] {
            assert_eq!(RequestFailure::connecting(&error).kind, kind, "{error}");
        }
    }
}
