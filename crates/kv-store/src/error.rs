//! What can go wrong between this service and PostgreSQL, as far as a caller can act on it.

use thiserror::Error;
use tokio_postgres::error::SqlState;

use crate::conflict::Conflict;
use crate::idempotency::KeyFault;

/// An operation on the store that did not happen, but for [`StoreError::OutcomeUnknown`].
#[derive(Debug, Error)]
pub enum StoreError {
    /// PostgreSQL cannot be reached, or the connection broke before anything could be written.
    #[error("PostgreSQL is not reachable")]
    Unavailable(#[source] Option<tokio_postgres::Error>),
    /// Every connection is in use and the wait for one was too long, or a queue is full.
    #[error("the store is overloaded")]
    Overloaded,
    /// A row lock was not had within `lock_timeout`, or the statement ran into `statement_timeout`.
    #[error("a row lock was not had in time")]
    LockTimeout,
    /// What was asked of a list took longer than a statement may.
    #[error("the list takes too long to read")]
    TooSlow,
    /// A unique or foreign key refused the write; the name is one of the schema's constraints.
    #[error("constraint {constraint} refused the write")]
    Constraint {
        /// The constraint's name in the schema.
        constraint: String,
    },
    /// PostgreSQL rolled the transaction back in favour of others, as often as it was begun; nothing was written.
    #[error("the transaction met others each time: {kind}")]
    Conflict {
        /// What the last one was.
        kind: Conflict,
        /// PostgreSQL's words.
        #[source]
        source: Option<tokio_postgres::Error>,
    },
    /// The connection broke while the commit was under way and the outcome could not be learned.
    #[error("the connection broke during the commit and its outcome is unknown")]
    OutcomeUnknown,
    /// The write's idempotency key stands in its way.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// A row does not read as this program wrote it.
    #[error("{0} in the database is not one this program knows")]
    Corrupt(&'static str),
    /// A decision was given up because something stored contradicts itself; nothing was written.
    #[error("what is stored contradicts itself")]
    Undecided,
    /// Anything else that PostgreSQL refused: a fault of this program.
    #[error("PostgreSQL refused a statement")]
    Database(#[source] tokio_postgres::Error),
}

impl StoreError {
    /// Why PostgreSQL rolled the transaction back in favour of others, if it did.
    pub const fn conflict(&self) -> Option<Conflict> {
        match self {
            Self::Conflict { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Whether somebody else's write under the same idempotency key was committed, or the key made void, since it was looked for.
    pub(crate) fn is_taken_key(&self) -> bool {
        matches!(self, Self::Constraint { constraint } if constraint == "idempotency_keys_pkey")
    }

    /// Somebody else's write under the same idempotency key came in between.
    pub(crate) fn taken_key() -> Self {
        Self::Constraint { constraint: "idempotency_keys_pkey".to_owned() }
    }

    /// Whether a prepared statement's plan no longer fits the schema: a migration came in between.
    pub(crate) fn is_stale_plan(&self) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED))
    }

    /// What a connection that could not be made means: the server's absence, whatever the words.
    pub(crate) fn of_connecting(error: tokio_postgres::Error) -> Self {
        match Self::from(error) {
            Self::Database(error) => Self::Unavailable(Some(error)),
            other => other,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Overloaded
                | Self::LockTimeout
                | Self::Conflict { .. }
                | Self::Key(KeyFault::InFlight)
        )
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            // Without an answer of the server it is the connection that failed, or the value of a column was not as expected.
            return if error.is_closed()
                || std::error::Error::source(&error)
                    .is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>)
            {
                Self::Unavailable(Some(error))
            } else {
                Self::Database(error)
            };
        };
        let code = refusal.code();
        if *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::QUERY_CANCELED {
            return Self::LockTimeout;
        }
        if let Some(kind) = Conflict::of_code(code.code()) {
            return Self::Conflict { kind, source: Some(error) };
        }
        if is_shutdown(code) {
            return Self::Unavailable(Some(error));
        }
        // Class 53: connections, memory or disk are used up.
        if code.code().starts_with("53") {
            return Self::Overloaded;
        }
        let is_key = *code == SqlState::UNIQUE_VIOLATION || *code == SqlState::FOREIGN_KEY_VIOLATION;
        match refusal.constraint() {
            Some(constraint) if is_key => Self::Constraint { constraint: constraint.to_owned() },
            _ => Self::Database(error),
        }
    }
}

/// Codes with which a server that stops, starts, is no longer the primary or has enough of a session turns it away.
fn is_shutdown(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::DATABASE_DROPPED,
        SqlState::IDLE_SESSION_TIMEOUT,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::CONNECTION_FAILURE,
        SqlState::CONNECTION_EXCEPTION,
    ]
    .contains(code)
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::of_connecting(error),
            deadpool_postgres::PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Self::Overloaded,
            _ => Self::Unavailable(None),
        }
    }
}
