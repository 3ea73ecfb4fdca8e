//! One HTTP request and its answer, measured: by hyper, by bytes of our own, or as a stream of HTTP/2; plain or under TLS.
//!
//! Invariants: the body of an answer is always read to its end before the answer counts; nothing is ever retried, because
//! a bench that retries hides what its users would have seen; with HTTP/1 connection and request are driven by the same
//! task, so no other task's delay enters a latency.
//! Absent on purpose: proxies, redirects (a 301 is an answer like any other), cookies, HTTP/3.

mod answer;
pub(crate) mod connection;
pub mod endpoint;
pub(crate) mod failure;
mod http2;
mod hyper1;
pub mod once;
pub(crate) mod origin;
pub(crate) mod raw;
pub mod request;
pub(crate) mod stream;
pub mod tls;
pub mod wire;

pub(crate) use answer::AnswerHead;
pub use endpoint::{BadUrl, Endpoint};
pub use failure::RequestFailure;
pub use request::{BadRequestPlan, RequestPlan, Version};
pub use tls::{BadTls, Resumption, TlsSettings, Trust};
pub use wire::{Transport, Wire};

/// The raw parser for the fuzz target.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use super::raw::parser::{After, Asked};
    pub use super::raw::trace::{End, Trace, trace};
}
