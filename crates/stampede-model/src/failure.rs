//! Every way in which a request can fail, as one closed list.
//!
//! Invariants: a request that ends in any of these is never counted as a success; the list is closed, so that counting
//! costs one array slot per request and a report can never grow with the number of different error texts.
//! Absent on purpose: the text of an error. One example per kind is kept by the recorder, never one per request.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a request did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The host's name has no address.
    NameNotResolved,
    /// Nothing listens on the port.
    ConnectRefused,
    /// The connection was not established within the connect time-out.
    ConnectTimeout,
    /// Any other failure to connect (no route, network down).
    ConnectFailed,
    /// This machine has no free local port left; the fault is the generator's, not the server's.
    NoLocalPort,
    /// This process has no free file descriptor left; the fault is the generator's, not the server's.
    TooManyOpenFiles,
    /// No TLS session came about, for another reason than the certificate.
    TlsHandshake,
    /// The server's certificate is not trusted: unknown issuer, expired, revoked or broken.
    TlsUntrusted,
    /// The server's certificate is for another host name.
    TlsWrongHost,
    /// The server reset the connection before the answer's head was complete.
    Reset,
    /// The server reset the connection in the middle of a body.
    ResetInBody,
    /// The server closed the connection before the answer was complete.
    ClosedEarly,
    /// The time was over before the first byte of an answer.
    Timeout,
    /// The time was over in the middle of an answer.
    TimeoutInAnswer,
    /// What came back is not a valid HTTP answer.
    Protocol,
    /// The head of the answer, or its trailers, are longer than any client accepts.
    HeadTooLarge,
    /// A chunked body that breaks the rules of chunks.
    MalformedChunk,
    /// More bytes than the answer announced.
    ExtraBytes,
    /// The server broke the rules of HTTP/2.
    H2Protocol,
    /// The server ended the HTTP/2 connection before it answered.
    H2GoAway,
    /// The server reset the HTTP/2 stream.
    H2StreamReset,
    /// A complete answer with a status from 400 to 499.
    Status4xx,
    /// A complete answer with a status from 500 to 599.
    Status5xx,
    /// A complete answer with another status than the expected ones.
    StatusUnexpected,
    /// A complete answer with an expected status whose content is not what was expected.
    ContentUnexpected,
    /// Any other input or output error.
    Other,
}

impl FailureKind {
    /// Most kinds there may ever be: each costs a slot per generator thread and a row in a report.
    pub const MOST: usize = 64;

    /// Every kind, in the order of declaration; `ALL[kind as usize] == kind`.
    pub const ALL: [Self; 26] = [
        Self::NameNotResolved,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::ConnectFailed,
        Self::NoLocalPort,
        Self::TooManyOpenFiles,
        Self::TlsHandshake,
        Self::TlsUntrusted,
        Self::TlsWrongHost,
        Self::Reset,
        Self::ResetInBody,
        Self::ClosedEarly,
        Self::Timeout,
        Self::TimeoutInAnswer,
        Self::Protocol,
        Self::HeadTooLarge,
        Self::MalformedChunk,
        Self::ExtraBytes,
        Self::H2Protocol,
        Self::H2GoAway,
        Self::H2StreamReset,
        Self::Status4xx,
        Self::Status5xx,
        Self::StatusUnexpected,
        Self::ContentUnexpected,
        Self::Other,
    ];

    /// The words a person reads.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NameNotResolved => "host name not resolved",
            Self::ConnectRefused => "connection refused",
            Self::ConnectTimeout => "connect timed out",
            Self::ConnectFailed => "connect failed",
            Self::NoLocalPort => "no free local port",
            Self::TooManyOpenFiles => "too many open files",
            Self::TlsHandshake => "TLS handshake failed",
            Self::TlsUntrusted => "TLS certificate not trusted",
            Self::TlsWrongHost => "TLS certificate for another host",
            Self::Reset => "connection reset",
            Self::ResetInBody => "connection reset in the middle of a body",
            Self::ClosedEarly => "closed before the answer was complete",
            Self::Timeout => "timed out",
            Self::TimeoutInAnswer => "timed out in the middle of an answer",
            Self::Protocol => "not a valid HTTP answer",
            Self::HeadTooLarge => "answer head too large",
            Self::MalformedChunk => "malformed chunk",
            Self::ExtraBytes => "more bytes than the answer announced",
            Self::H2Protocol => "HTTP/2 protocol error",
            Self::H2GoAway => "HTTP/2 connection ended by GOAWAY",
            Self::H2StreamReset => "HTTP/2 stream reset",
            Self::Status4xx => "status 4xx",
            Self::Status5xx => "status 5xx",
            Self::StatusUnexpected => "unexpected status",
            Self::ContentUnexpected => "unexpected content",
            Self::Other => "other I/O error",
        }
    }

    /// Where the fault lies when this happens.
    pub const fn fault(self) -> Fault {
        match self {
            Self::NoLocalPort | Self::TooManyOpenFiles => Fault::Generator,
            _ => Fault::Server,
        }
    }

    /// Whether a complete answer arrived that was not as wanted.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Status4xx | Self::Status5xx | Self::StatusUnexpected | Self::ContentUnexpected)
    }

    /// The kind of a complete answer whose status was not wanted.
    pub const fn of_status(status: u16) -> Self {
        match status {
            400..=499 => Self::Status4xx,
            500..=599 => Self::Status5xx,
            _ => Self::StatusUnexpected,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Which side a failure accuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bench or its machine ran out of something: the measurement is in doubt.
    Generator,
    /// The server, or the way to it.
    Server,
}

const _: () = assert!(FailureKind::ALL.len() <= FailureKind::MOST);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_have_the_same_words() {
        let labels: BTreeSet<&str> = FailureKind::ALL.into_iter().map(FailureKind::label).collect();
        assert_eq!(labels.len(), FailureKind::ALL.len());
    }

    #[test]
    fn the_list_is_complete_and_in_order() {
        for (index, kind) in FailureKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind}");
        }
        assert_eq!(FailureKind::Other as usize + 1, FailureKind::ALL.len(), "the last kind is not in ALL");
    }

    #[test]
    fn statuses_fall_into_their_hundred() {
        assert_eq!(FailureKind::of_status(404), FailureKind::Status4xx);
        assert_eq!(FailureKind::of_status(503), FailureKind::Status5xx);
        assert_eq!(FailureKind::of_status(200), FailureKind::StatusUnexpected);
    }
}
