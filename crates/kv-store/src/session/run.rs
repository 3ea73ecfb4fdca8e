//! One statement, or several that read, as a tenant: begin, tenant, statements and commit in one pipeline.

use kv_types::TenantId;
use tokio_postgres::Row;

use super::{Params, READ_COMMITTED, SNAPSHOT, Store, begin};
use crate::StoreError;
use crate::conflict::Retries;
use crate::plan::Connection;
use crate::spent::{asked, queued};
use crate::statement::Statement;

impl Store {
    /// Runs one statement as a tenant, in a transaction of its own, in one round trip. What was rolled back in favour of others is run
    /// again, at most [`crate::conflict::MAX_RETRIES`] times.
    ///
    /// # Errors
    /// Any; then nothing was written, but for a write whose connection broke under way: [`StoreError::OutcomeUnknown`].
    /// # Cancel safety
    /// A dropped future has either sent nothing or leaves the statement to be run and committed; never an open transaction.
    pub(crate) async fn run(
        &self,
        tenant: TenantId,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        if !statement.writes()
            && let Some(replica) = self.replica().await
        {
            let answer = try_run(queued(replica.connection()).await, tenant, statement, params);
            let answer = self.of_replica(replica, answer.await);
            if let Some(answer) = answer {
                return answer;
            }
        }
        let mut retries = Retries::new(&self.conflicts);
        let mut is_planned_anew = false;
        loop {
            match try_run(self.connection().await, tenant, statement, params).await {
                Err(error) if error.is_stale_plan() && !is_planned_anew => is_planned_anew = true,
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    /// Runs reading statements with the same parameters as a tenant, on one snapshot, in one round trip.
    ///
    /// # Cancel safety
    /// As [`Store::run`].
    pub(crate) async fn read_all<const N: usize>(
        &self,
        tenant: TenantId,
        statements: [&Statement; N],
        params: Params<'_>,
    ) -> Result<[Vec<Row>; N], StoreError> {
        if let Some(replica) = self.replica().await {
            let connection = queued(replica.connection()).await;
            let answer = try_read_all(connection, tenant, statements, params).await;
            if let Some(answer) = self.of_replica(replica, answer) {
                return answer;
            }
        }
        let mut retries = Retries::new(&self.conflicts);
        loop {
            match try_read_all(self.connection().await, tenant, statements, params).await {
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    /// Reads a page: one of [`crate::readers::PAGES`], which binds its own tenant and is a transaction by itself.
    ///
    /// # Cancel safety
    /// Nothing is written.
    pub(crate) async fn read_own(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        if let Some(replica) = self.replica().await {
            let answer = match &replica.types {
                None => replica.readers.read(statement, params).await,
                Some(_) => try_own(queued(replica.connection()).await, statement, params).await,
            };
            if let Some(answer) = self.of_replica(replica, answer) {
                return answer;
            }
        }
        // The lines are sessions, which a pooler by transaction does not keep.
        if self.types.is_some() {
            return self.run_untenanted(statement, params).await;
        }
        self.readers.read(statement, params).await
    }

    /// Runs one statement that belongs to no tenant: the look-ups of [`crate::access`].
    pub(crate) async fn run_untenanted(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut retries = Retries::new(&self.conflicts);
        let mut is_planned_anew = false;
        loop {
            let client = self.connection().await?;
            let prepared = client.prepare_cached(statement.sql()).await?;
            match asked(client.query(&prepared, params)).await.map_err(StoreError::from) {
                Err(error) if error.is_stale_plan() && !is_planned_anew => {
                    client.forget_plans();
                    is_planned_anew = true;
                }
                Err(error) => {
                    drop(client);
                    retries.after(error).await?;
                }
                done => return done,
            }
        }
    }
}

async fn try_run(
    connection: Result<Connection, StoreError>,
    tenant: TenantId,
    statement: &Statement,
    params: Params<'_>,
) -> Result<Vec<Row>, StoreError> {
    let client = connection?;
    let prepared = client.prepare_cached(statement.sql()).await?;
    let opening = begin(READ_COMMITTED, tenant);
    let (begun, rows, committed) = asked(futures_util::future::join3(
        client.batch_execute(&opening),
        client.query(&prepared, params),
        client.batch_execute("commit"),
    ))
    .await;
    // What PostgreSQL refused before the commit was not written. Without its word, the commit may have been reached.
    let before_commit = begun.and(rows).map_err(|error| unanswered(statement, error));
    let rows = before_commit.inspect_err(|error| {
        if error.is_stale_plan() {
            client.forget_plans();
        }
    })?;
    committed.map_err(|error| match StoreError::from(error) {
        StoreError::Unavailable(_) if statement.writes() => StoreError::OutcomeUnknown,
        other => other,
    })?;
    Ok(rows)
}

async fn try_read_all<const N: usize>(
    connection: Result<Connection, StoreError>,
    tenant: TenantId,
    statements: [&Statement; N],
    params: Params<'_>,
) -> Result<[Vec<Row>; N], StoreError> {
    let client = connection?;
    let mut prepared = Vec::with_capacity(N);
    for statement in statements {
        prepared.push(client.prepare_cached(statement.sql()).await?);
    }
    let opening = begin(SNAPSHOT, tenant);
    let (begun, answers, committed) = asked(futures_util::future::join3(
        client.batch_execute(&opening),
        futures_util::future::join_all(prepared.iter().map(|statement| client.query(statement, params))),
        client.batch_execute("commit"),
    ))
    .await;
    begun?;
    committed?;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    answers.try_into().map_err(|_| StoreError::Unavailable(None))
}

async fn try_own(
    connection: Result<Connection, StoreError>,
    statement: &Statement,
    params: Params<'_>,
) -> Result<Vec<Row>, StoreError> {
    let client = connection?;
    let prepared = client.prepare_cached(statement.sql()).await?;
    Ok(asked(client.query(&prepared, params)).await?)
}

/// An error of the part of the pipeline before the commit. A connection that broke says nothing of what PostgreSQL still read.
fn unanswered(statement: &Statement, error: tokio_postgres::Error) -> StoreError {
    let was_answered = error.as_db_error().is_some();
    match StoreError::from(error) {
        StoreError::Unavailable(_) if statement.writes() && !was_answered => StoreError::OutcomeUnknown,
        other => other,
    }
}
