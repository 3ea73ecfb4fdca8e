//! A stock writer's own connection, and one batch on it.
//!
//! The connection belongs to one task that is never cancelled. After any error it is dropped, which rolls back whatever was
//! open, so plain BEGIN and COMMIT are safe here and leave with the statements in one pipeline.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use kv_types::{OrderId, TenantId};
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls, Row};

use super::command::{Command, Outcome, Refusal};
use super::{batch, decide, load};
use crate::StoreError;
use crate::session::Params;
use crate::statement::Statement;

/// Longer than the session's own lock and statement limits, so that it speaks only when the server is silent.
const TRIP_LIMIT: Duration = Duration::from_secs(8);
/// How long to ask for a lost commit's outcome before giving up.
const RESOLVE_TRIES: u32 = 20;
const RESOLVE_PAUSE: Duration = Duration::from_millis(250);

/// What came of each command of a batch, in order.
pub(super) type Decisions = Vec<Result<Outcome, Refusal>>;

/// A connection with every statement of a batch prepared.
pub(super) struct Connection {
    client: Client,
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

impl Connection {
    async fn open(config: &tokio_postgres::Config) -> Result<Self, StoreError> {
        let (client, connection) = timeout(TRIP_LIMIT, config.connect(NoTls))
            .await
            .map_err(|_| StoreError::Unavailable(None))?
            .map_err(|error| StoreError::Unavailable(Some(error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a stock writer's connection ended");
            }
        });
        let statements = load::STATEMENTS.iter().chain(batch::STATEMENTS).chain(crate::session::STATEMENTS);
        let prepared = try_join_all(statements.map(|statement| async {
            client.prepare(statement.text).await.map(|prepared| (statement.name, prepared))
        }))
        .await?;
        Ok(Self { prepared: prepared.into_iter().collect(), client })
    }

    fn prepared(&self, statement: &Statement) -> &tokio_postgres::Statement {
        self.prepared.get(statement.name).expect("every statement of a batch is in the lists that `open` prepares")
    }

    pub(super) async fn query(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(self.client.query(self.prepared(statement), params).await?)
    }

    /// Sends nothing and gives no rows when there is nothing to ask for.
    pub(super) async fn query_if(
        &self,
        is_needed: bool,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        if is_needed { self.query(statement, params).await } else { Ok(Vec::new()) }
    }

    pub(super) async fn execute(&self, statement: &Statement, params: Params<'_>) -> Result<u64, StoreError> {
        Ok(self.client.execute(self.prepared(statement), params).await?)
    }

    pub(super) async fn batch_execute(&self, text: &str) -> Result<(), StoreError> {
        Ok(self.client.batch_execute(text).await?)
    }

    pub(super) async fn commit(&self) -> Result<(), StoreError> {
        self.batch_execute("commit").await
    }

    /// Queues a rollback and does not wait for it: the next batch's begin comes after it on the same connection.
    fn roll_back(&self) {
        drop(self.client.batch_execute("rollback").now_or_never());
    }
}

/// Runs batches on a connection that it makes when it needs one.
pub(super) struct Writer {
    config: tokio_postgres::Config,
    connection: Option<Connection>,
}

impl Writer {
    pub(super) fn new(config: tokio_postgres::Config) -> Self {
        Self { config, connection: None }
    }

    /// Decides and writes some commands of one tenant in one transaction. Gives their decisions after the commit.
    ///
    /// # Errors
    /// Any; then nothing was written, but for [`StoreError::OutcomeUnknown`].
    pub(super) async fn run(&mut self, tenant: TenantId, commands: &[&Command]) -> Result<Decisions, StoreError> {
        let reused = self.connection.is_some();
        match self.attempt(tenant, commands).await {
            // The server may have been restarted since the last batch. The break was before anything was decided.
            Err(Broken::BeforeWriting(StoreError::Unavailable(_))) if reused => {
                self.attempt(tenant, commands).await.map_err(Broken::into_error)
            }
            other => other.map_err(Broken::into_error),
        }
    }

    async fn attempt(&mut self, tenant: TenantId, commands: &[&Command]) -> Result<Decisions, Broken> {
        // Taken out, so that any error on the way drops it and with it whatever transaction is open.
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.config).await.map_err(Broken::BeforeWriting)?,
        };
        let loaded = timeout(TRIP_LIMIT, load::load(&connection, tenant, commands.iter().copied()))
            .await
            .map_err(|_| Broken::BeforeWriting(StoreError::Unavailable(None)))?
            .map_err(Broken::BeforeWriting)?;
        let mut board = loaded.board;
        let mut decisions = catch_unwind(AssertUnwindSafe(|| {
            commands.iter().map(|command| decide::decide(&mut board, command)).collect::<Decisions>()
        }))
        .map_err(|_| Broken::BeforeWriting(StoreError::Corrupt("a stock level")))?;
        if board.effects.is_empty() {
            connection.roll_back();
        } else {
            let numbers = match timeout(TRIP_LIMIT, batch::write(&connection, tenant, &board)).await {
                Ok(Ok(numbers)) => numbers,
                Ok(Err(StoreError::Unavailable(_))) | Err(_) => {
                    drop(connection);
                    return Err(Broken::DuringCommit(self.resolve(&loaded.transaction).await));
                }
                Ok(Err(error)) => return Err(Broken::BeforeWriting(error)),
            };
            number_orders(&mut decisions, &numbers);
        }
        self.connection = Some(connection);
        Ok(decisions)
    }

    /// Asks a new connection what became of a transaction whose commit was not answered.
    ///
    /// A committed one is still reported as unknown to the caller, whose order numbers are lost with the answer; an aborted one
    /// is a plain failure that may be retried.
    async fn resolve(&mut self, transaction: &str) -> StoreError {
        for _ in 0..RESOLVE_TRIES {
            if let Some(known) = self.ask(transaction).await {
                return known;
            }
            sleep(RESOLVE_PAUSE).await;
        }
        StoreError::OutcomeUnknown
    }

    async fn ask(&mut self, transaction: &str) -> Option<StoreError> {
        let connection = Connection::open(&self.config).await.ok()?;
        let rows = connection.query(&batch::TRANSACTION_STATUS, &[&transaction]).await.ok()?;
        let status: Option<String> = rows.first()?.try_get(0).ok()?;
        self.connection = Some(connection);
        match status.as_deref() {
            Some("aborted") => Some(StoreError::Unavailable(None)),
            Some("in progress") => None,
            _ => Some(StoreError::OutcomeUnknown),
        }
    }
}

/// Where a batch broke.
enum Broken {
    /// Nothing can have been written.
    BeforeWriting(StoreError),
    /// The commit was under way; the error says what is known of it.
    DuringCommit(StoreError),
}

impl Broken {
    fn into_error(self) -> StoreError {
        match self {
            Self::BeforeWriting(error) | Self::DuringCommit(error) => error,
        }
    }
}

fn number_orders(decisions: &mut Decisions, numbers: &HashMap<OrderId, i64>) {
    for decision in decisions {
        if let Ok(Outcome::Order(order)) = decision
            && let Some(number) = numbers.get(&order.id)
        {
            order.order_number = *number;
        }
    }
}
