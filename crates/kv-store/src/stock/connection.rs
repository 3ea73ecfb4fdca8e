//! A stock writer's own connection, with every statement of a batch prepared.
//!
//! It belongs to one task that is never cancelled. After any error it is dropped, which rolls back whatever was open, so plain
//! BEGIN and COMMIT are safe here and leave with the statements in one pipeline.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use futures_util::try_join;
use jiff::Timestamp;
use kv_types::TenantId;
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, Row};

use super::{batch, documents, fate, holdings, load, locks, signals};
use crate::StoreError;
use crate::audit_log;
use crate::idempotency;
use crate::plan::Plan;
use crate::session::{Params, READ_COMMITTED, WriterSession, begin};
use crate::statement::{Statement, statements};

statements! {
    /// When the server was started, when its statistics began, and whether it only follows another. A crash that the postmaster
    /// survives begins the statistics anew.
    INCARNATION = "select pg_postmaster_start_time(), stats_reset, pg_is_in_recovery() from pg_stat_bgwriter";
}

/// One life of a server, from its start to its crash or stop. Within one, the number of a transaction means the same transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Incarnation {
    started_at: Timestamp,
    statistics_began_at: Option<Timestamp>,
    pub(super) is_standby: bool,
}

/// A connection with every statement of a batch prepared.
pub(super) struct Connection {
    client: Client,
    prepared: HashMap<&'static str, Plan>,
    pub(super) plans: Plans,
    pub(super) incarnation: Incarnation,
}

/// How old the connection's plans are. PostgreSQL keeps a general plan as long as nobody analyses the table; one that was made on a
/// table of a few rows walks over all of a tenant's rows when it has a hundred thousand.
#[derive(Clone, Copy)]
pub(super) struct Plans {
    made: Instant,
    batches: u32,
}

/// Planning anew costs a millisecond; planning every time would cost a fifth of the throughput.
const PLANS_LIVE: Duration = Duration::from_secs(1);
const PLANS_LIVE_BATCHES: u32 = 64;

impl Plans {
    fn new() -> Self {
        Self { made: Instant::now(), batches: 0 }
    }

    /// What a batch begins with.
    pub(super) fn begin(&mut self, tenant: TenantId) -> String {
        self.batches += 1;
        let begin = begin(READ_COMMITTED, tenant);
        if self.batches < PLANS_LIVE_BATCHES && self.made.elapsed() < PLANS_LIVE {
            return begin;
        }
        *self = Self::new();
        format!("discard plans; {begin}")
    }
}

impl Connection {
    pub(super) async fn open(session: &WriterSession) -> Result<Self, StoreError> {
        timeout(session.trip_limit, Self::connect(session)).await.unwrap_or(Err(StoreError::Unavailable(None)))
    }

    async fn connect(session: &WriterSession) -> Result<Self, StoreError> {
        let (client, connection) =
            session.server.connect().await.map_err(|error| StoreError::Unavailable(Some(error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a stock writer's connection ended");
            }
        });
        let statements = [
            audit_log::STATEMENTS,
            load::STATEMENTS,
            locks::STATEMENTS,
            batch::STATEMENTS,
            documents::STATEMENTS,
            fate::STATEMENTS,
            holdings::STATEMENTS,
            signals::STATEMENTS,
        ];
        let statements = statements.into_iter().flatten().chain(idempotency::table::STATEMENTS);
        let preparing = try_join_all(statements.map(|statement| async {
            let plan = match &session.types {
                None => Plan::Named(client.prepare(statement.sql()).await?),
                Some(types) => types.plan(statement.sql()).await?,
            };
            Ok::<_, StoreError>((statement.name, plan))
        }));
        let looking = async { Ok(client.query_typed_one(INCARNATION.sql(), &[]).await?) };
        let (prepared, life) = try_join!(preparing, looking)?;
        let incarnation = Incarnation {
            started_at: life.try_get(0)?,
            statistics_began_at: life.try_get(1)?,
            is_standby: life.try_get(2)?,
        };
        Ok(Self { prepared: prepared.into_iter().collect(), client, plans: Plans::new(), incarnation })
    }

    fn prepared(&self, statement: &Statement) -> &Plan {
        self.prepared.get(statement.name).expect("every statement of a batch is in the lists that `open` prepares")
    }

    pub(super) async fn query(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(self.prepared(statement).query(&self.client, params).await?)
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
        Ok(self.prepared(statement).execute(&self.client, params).await?)
    }

    pub(super) async fn batch_execute(&self, text: &str) -> Result<(), StoreError> {
        Ok(self.client.batch_execute(text).await?)
    }

    pub(super) async fn commit(&self) -> Result<(), StoreError> {
        self.batch_execute("commit").await
    }

    /// Queues a rollback and does not wait for it: the next batch's begin comes after it on the same connection.
    pub(super) fn roll_back(&self) {
        drop(self.client.batch_execute("rollback").now_or_never());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_made_anew_in_time() {
        let (mut plans, tenant) = (Plans::new(), TenantId::new(1).unwrap());
        let begins: Vec<bool> =
            (0..2 * PLANS_LIVE_BATCHES).map(|_| plans.begin(tenant).starts_with("discard plans;")).collect();
        assert!(begins.iter().filter(|&&anew| anew).count() >= 2);
        assert!(!begins[0], "a new connection has no plans yet");
        plans.made = Instant::now().checked_sub(PLANS_LIVE).unwrap();
        assert!(plans.begin(tenant).starts_with("discard plans;"));
    }
}
