//! What a virtual user does, in Rust: the way out for people who need more than a file can say, and what the interpreter of
//! scenario files implements.
//!
//! Invariants: the steps, the servers and the barriers of a scenario are known before the run; every request goes
//! through [`Client`], so none escapes being counted; a user's state lives on one generator thread and is never shared.
//! Absent on purpose: a way to count a failed request as a success.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::time::Duration;

use http::HeaderMap;

pub use super::client::{Attempt, Client, Exchange};
use crate::http::RequestPlan;

/// A request, as it stands ready to be sent. A user who sends the same one again and again keeps it and changes in place
/// what changes.
pub type Outgoing = RequestPlan;

/// Which step of its scenario a request belongs to: the index in [`Scenario::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// Which flow of the plan: the index in [`super::LoadPlan::flows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u32);

/// Which barrier of its scenario: the index in [`Scenario::barriers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BarrierId(pub u32);

/// One series of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSpec {
    /// Its name, such as `GET /api/v1/products/{id}`; equal names and methods of several flows are one series.
    pub name: String,
    /// Request method.
    pub method: String,
    /// Whatever the plan says of it.
    pub tags: BTreeMap<String, String>,
}

impl StepSpec {
    /// A step without tags.
    pub fn new(method: impl Into<String>, name: impl Into<String>) -> Self {
        Self { name: name.into(), method: method.into(), tags: BTreeMap::new() }
    }
}

/// A place at which users wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarrierSpec {
    /// Its name in the plan; equal names of several flows are one barrier.
    pub name: String,
    /// How many users leave together; at least 1.
    pub users: u32,
}

/// Who a virtual user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its flow.
    pub flow: FlowId,
    /// Its number, unique in the run, from 0 without large gaps.
    pub number: u64,
    /// What its random numbers are drawn from: the run's seed and the number, mixed.
    pub seed: u64,
}

/// What is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// This iteration; the user goes on with its next one.
    Iteration,
    /// This user; in the closed model another one takes its place.
    User,
    /// The whole run, which ends as an error with this text.
    Run(String),
}

/// What the caller wants to see of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Whether the headers are wanted.
    pub head: bool,
    /// Bytes of the body to keep; what is beyond is counted and dropped.
    pub body_max: usize,
    /// Time for this request instead of the plan's.
    pub timeout: Option<Duration>,
}

impl Want {
    /// Bytes of a body that are kept when it is wanted and nobody says more.
    pub const BODY_MAX: usize = 64 << 10;
    /// The status alone.
    pub const STATUS: Self = Self { head: false, body_max: 0, timeout: None };
    /// Headers and status.
    pub const HEAD: Self = Self { head: true, ..Self::STATUS };
    /// Everything, the body up to [`Want::BODY_MAX`].
    pub const ALL: Self = Self { head: true, body_max: Self::BODY_MAX, timeout: None };
}

/// A complete answer, as far as it was wanted.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Status code.
    pub status: u16,
    /// Headers; empty unless wanted.
    pub headers: &'a HeaderMap,
    /// The first bytes of the body; empty unless wanted.
    pub body: &'a [u8],
    /// Length of the whole body.
    pub body_bytes: u64,
    /// From handing the request to its connection to the last byte, in nanoseconds.
    pub service_ns: u64,
}

/// Why an answer is not as expected; it becomes the kind of the failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another status than the expected ones.
    Status,
    /// The status is right, the rest is not: in words.
    Content(String),
}

/// What virtual users of one sort do.
///
/// A user is made on a generator thread and stays there. Its futures are polled by one thread only and need not be `Send`.
pub trait Scenario: Send + Sync + 'static {
    /// State of one user.
    type User: 'static;

    /// Every series, fixed before the run. At least one.
    fn steps(&self) -> Vec<StepSpec>;

    /// Every server that requests may go to, each named by any request to it, whose transport and TLS settings hold for
    /// all. Each is reached once before the run. At least one.
    fn origins(&self) -> Vec<Outgoing>;

    /// Every barrier.
    fn barriers(&self) -> Vec<BarrierSpec> {
        Vec::new()
    }

    /// The step to which an arrival is counted that was never begun, because no user was free for it.
    fn first_step(&self, _iteration: u64) -> StepId {
        StepId(0)
    }

    /// A new user.
    fn new_user(&self, seat: Seat) -> Self::User;

    /// What a user does once before its first iteration, such as logging in. In the open model the arrival for which the
    /// user was made waits for it.
    fn start(&self, _user: &mut Self::User, _client: &mut Client<'_>) -> impl Future<Output = Result<(), Halt>> {
        ready(Ok(()))
    }

    /// One iteration; its number is unique in its flow.
    fn iterate(
        &self,
        user: &mut Self::User,
        client: &mut Client<'_>,
        iteration: u64,
    ) -> impl Future<Output = Result<(), Halt>>;

    /// What a user does when it leaves in good order. What it sends still counts.
    fn stop(&self, _user: &mut Self::User, _client: &mut Client<'_>) -> impl Future<Output = ()> {
        ready(())
    }
}
