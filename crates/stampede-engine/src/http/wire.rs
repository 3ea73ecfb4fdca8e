//! How a request travels: which code sends it, and what TLS starts from.

use std::fmt;
use std::num::NonZeroU32;

use super::tls::TlsSettings;

/// The code that sends requests and reads answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP/1 by hyper: for requests with headers of their own framing.
    Hyper,
    /// HTTP/1 by bytes written once and a parser of our own: the cheapest, for everything else of HTTP/1.
    Raw,
    /// HTTP/2, several requests on one connection.
    H2,
}

impl Transport {
    /// The word for reports.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Raw => "raw",
            Self::H2 => "h2",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// How requests to one server travel.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Overrides the choice that [`super::RequestPlan::transport`] makes by itself.
    pub transport: Option<Transport>,
    /// What `https` starts from; `None` trusts the web's authorities and resumes sessions.
    pub tls: Option<TlsSettings>,
    /// Most requests under way at once on one HTTP/2 connection. The server may allow fewer, and then it is fewer.
    pub streams_per_connection: NonZeroU32,
}

impl Wire {
    /// What servers commonly allow.
    pub const STREAMS: NonZeroU32 = NonZeroU32::new(100).expect("100 is not zero");
}

impl Default for Wire {
    fn default() -> Self {
        Self { transport: None, tls: None, streams_per_connection: Self::STREAMS }
    }
}
