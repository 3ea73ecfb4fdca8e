//! What an error of the socket, of TLS or of the protocol means, as one kind of the closed list.

use std::error::Error;
use std::io;

use rustls::CertificateError;
use stampede_model::failure::FailureKind;

use super::raw::parse_error::ParseError;

/// A request that got no complete answer.
#[derive(Debug, thiserror::Error)]
#[error("{kind}: {text}")]
pub struct RequestFailure {
    /// Which kind.
    pub kind: FailureKind,
    /// The error's own words, for the one example a report shows.
    pub text: String,
}

/// How far an answer had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Its head was not complete.
    Head,
    /// Its head was.
    Body,
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

    /// A TLS session that did not come about.
    pub(super) fn shaking_hands(error: &io::Error) -> Self {
        let kind = match tls_error(error) {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => FailureKind::TlsWrongHost,
            Some(rustls::Error::InvalidCertificate(_)) => FailureKind::TlsUntrusted,
            _ => FailureKind::TlsHandshake,
        };
        Self { kind, text: error.to_string() }
    }

    /// A server that agreed on TLS, but not on HTTP/2.
    pub(super) fn no_h2() -> Self {
        Self { kind: FailureKind::TlsHandshake, text: "the server does not offer HTTP/2 (ALPN h2)".to_owned() }
    }

    /// An exchange that the socket ended.
    pub(super) fn by_socket(error: &io::Error, moment: Moment) -> Self {
        Self { kind: of_socket(error, moment).unwrap_or(FailureKind::Other), text: whole_text(error) }
    }

    /// An answer that the parser refused.
    pub(super) fn by_parser(error: ParseError) -> Self {
        Self { kind: error.kind(), text: error.to_string() }
    }

    /// An exchange that hyper gave up.
    pub(super) fn by_hyper(error: &hyper::Error, moment: Moment) -> Self {
        Self { kind: of_hyper(error, moment), text: whole_text(error) }
    }

    /// An exchange that h2 gave up.
    pub(super) fn by_h2(error: &h2::Error, moment: Moment) -> Self {
        let kind = match error.get_io() {
            // h2 says so of every connection that ended without a GOAWAY.
            Some(socket) if socket.kind() == io::ErrorKind::BrokenPipe => FailureKind::ClosedEarly,
            Some(socket) => of_socket(socket, moment).unwrap_or(FailureKind::Other),
            None if error.is_remote() && error.is_go_away() => FailureKind::H2GoAway,
            None if error.is_remote() && error.is_reset() => FailureKind::H2StreamReset,
            None => FailureKind::H2Protocol,
        };
        Self { kind, text: error.to_string() }
    }

    /// A complete answer with something behind it.
    pub(super) fn extra_bytes() -> Self {
        Self { kind: FailureKind::ExtraBytes, text: "bytes that nobody asked for follow the answer".to_owned() }
    }

    /// A time-out, with what was being waited for.
    pub(crate) fn timed_out(kind: FailureKind, waiting_for: &str) -> Self {
        Self { kind, text: format!("waiting for {waiting_for}") }
    }

    /// Whether hyper ended a connection for bytes it read, rather than for the socket's end.
    pub(super) fn is_about_bytes(error: &hyper::Error) -> bool {
        let socket = io_source(error).is_some();
        !socket && !error.is_incomplete_message() && !error.is_canceled() && !error.is_closed()
    }
}

fn of_socket(error: &io::Error, moment: Moment) -> Option<FailureKind> {
    if let Some(tls) = tls_error(error) {
        // With TLS 1.3 a server can refuse a session after our side of it is complete.
        let refused = matches!(tls, rustls::Error::AlertReceived(_));
        return Some(if refused { FailureKind::TlsHandshake } else { FailureKind::Protocol });
    }
    match (error.kind(), moment) {
        (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted, moment) => {
            Some(if moment == Moment::Body { FailureKind::ResetInBody } else { FailureKind::Reset })
        }
        (io::ErrorKind::UnexpectedEof, _) => Some(FailureKind::ClosedEarly),
        (io::ErrorKind::TimedOut, Moment::Head) => Some(FailureKind::Timeout),
        (io::ErrorKind::TimedOut, Moment::Body) => Some(FailureKind::TimeoutInAnswer),
        _ => None,
    }
}

fn of_hyper(error: &hyper::Error, moment: Moment) -> FailureKind {
    // The socket's own word first: hyper wraps a reset in an "incomplete message" when it hits mid-answer.
    if let Some(kind) = io_source(error).and_then(|socket| of_socket(socket, moment)) {
        return kind;
    }
    if error.is_parse_too_large() {
        return FailureKind::HeadTooLarge;
    }
    if error.is_parse() || error.is_parse_status() {
        return FailureKind::Protocol;
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return FailureKind::ClosedEarly;
    }
    // A body that breaks the rules of its framing arrives as an I/O error of kind InvalidData or InvalidInput.
    match (io_source(error).map(io::Error::kind), moment) {
        (Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput), Moment::Body) => FailureKind::MalformedChunk,
        (Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput), Moment::Head) => FailureKind::Protocol,
        _ => FailureKind::Other,
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
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

    #[test]
    fn a_socket_error_says_how_far_the_answer_had_come() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(RequestFailure::by_socket(&reset, Moment::Head).kind, FailureKind::Reset);
        assert_eq!(RequestFailure::by_socket(&reset, Moment::Body).kind, FailureKind::ResetInBody);
    }
}
