//! Further kinds of jobs, for who builds on this service: a handler per kind, given to the worker at its start.
//!
//! A handler's effect is not in the transaction that ends its job, so it has to bear being done twice.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use kv_types::{JobId, TenantId};
use serde_json::Value;
use thiserror::Error;

/// A job as its handler sees it.
#[derive(Clone, Debug)]
pub struct Task {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one: the same when it is delivered twice.
    pub id: JobId,
    /// How many attempts failed before this one.
    pub failures: i32,
    /// The details.
    pub payload: Value,
}

/// Why a handler did not do its job.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskError {
    /// Another attempt may succeed.
    #[error("{0}")]
    Failed(String),
    /// No attempt will: the job is given up at once.
    #[error("{0}")]
    Poison(String),
}

/// Does jobs of one kind.
pub trait Handler: Send + Sync + 'static {
    /// Does one.
    fn handle(&self, task: Task) -> BoxFuture<'_, Result<(), TaskError>>;
}

impl<F, Done> Handler for F
where
    F: Fn(Task) -> Done + Send + Sync + 'static,
    Done: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    fn handle(&self, task: Task) -> BoxFuture<'_, Result<(), TaskError>> {
        Box::pin(self(task))
    }
}

/// Handlers by kind. The kinds of the service itself come first and cannot be replaced.
#[derive(Clone, Default)]
pub struct Handlers(BTreeMap<String, Arc<dyn Handler>>);

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Handlers {
    /// The same with a handler for a kind.
    #[must_use]
    pub fn with(mut self, kind: &str, handler: impl Handler) -> Self {
        self.0.insert(kind.to_owned(), Arc::new(handler));
        self
    }

    pub(super) fn find(&self, kind: &str) -> Option<Arc<dyn Handler>> {
        self.0.get(kind).cloned()
    }
}
