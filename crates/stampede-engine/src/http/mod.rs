//! One HTTP/1 request on one connection, measured.
//!
//! Invariants: the body of an answer is always read to its end before the answer counts; nothing is ever retried, because
//! a bench that retries hides what its users would have seen; connection and request are driven by the same task, so
//! no other task's delay enters a latency.
//! Absent on purpose: TLS (an `https` URL is refused), proxies, redirects (a 301 is an answer like any other), cookies.

pub(crate) mod connection;
pub mod endpoint;
pub(crate) mod failure;
pub(crate) mod metered;
pub mod once;
pub mod request;

pub use endpoint::{BadUrl, Endpoint};
pub use failure::RequestFailure;
pub use request::{BadRequestPlan, RequestPlan, Version};
