//! Why a row could not be run.

use stampede_model::row::Outcome;
use stampede_model::target::MissingSlot;

use crate::http::{BadRequestPlan, RequestFailure};
use crate::load::LoadError;

/// A row that says nothing of its target, with the reason.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// A slot without a value; the target's check finds these beforehand, except for values an answer left out.
    #[error("request `{request}`: {source}")]
    Slot {
        /// The request.
        request: String,
        /// Which slot.
        #[source]
        source: MissingSlot,
    },
    /// A request that cannot be sent once its slots are filled.
    #[error("request `{request}` cannot be sent: {source}")]
    Unsendable {
        /// The request.
        request: String,
        /// Why.
        #[source]
        source: BadRequestPlan,
    },
    /// No request of that name; the target's check finds these beforehand.
    #[error("there is no request `{request}` in the target")]
    NoRequest {
        /// The name.
        request: String,
    },
    /// A request that goes via the gateway, and nobody said where that is.
    #[error("request `{request}` goes via the gateway, and this target has none; give its address with --gateway")]
    NoGateway {
        /// The request.
        request: String,
    },
    /// No connection.
    #[error("cannot connect to the target: {0}")]
    Connect(#[from] RequestFailure),
    /// A step of the set-up did not come out as expected.
    #[error("set-up: request `{request}` answered {outcome}")]
    SetUp {
        /// The request.
        request: String,
        /// What came.
        outcome: Outcome,
    },
    /// A field that should be a whole number is none.
    #[error("request `{request}`: `{field}` is no whole number: {seen}")]
    NoNumber {
        /// The request.
        request: String,
        /// The field.
        field: String,
        /// What is there.
        seen: String,
    },
    /// A ledger without end.
    #[error("the ledger has more than {most} movements of a level the row just made")]
    EndlessLedger {
        /// The bound.
        most: usize,
    },
    /// A workload that could not be carried out, or whose history is none.
    #[error("the workload could not be carried out: {0}")]
    Workload(String),
    /// The cluster does not do what it is asked.
    #[error("the cluster: {0}")]
    Cluster(String),
    /// A load that cannot be run.
    #[error("the load cannot be run: {0}")]
    Load(#[from] LoadError),
    /// A load whose plan makes no sense.
    #[error("the load cannot be planned: {0}")]
    Plan(String),
}
