//! How a statement is sent: prepared under a name once for a connection, or, where a pooler gives each transaction another connection of
//! the server, with its text and the types of its parameters each time.
//!
//! PgBouncer in transaction mode knows no prepared statements before 1.21. What they are needed for is the parameters' types. These
//! are learnt once for the process, in one transaction that leaves no name behind.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::Object;
use futures_util::future::try_join_all;
use tokio::sync::OnceCell;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::StoreError;
use crate::server::{Server, Tls};
use crate::session::Params;

/// A statement that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// PostgreSQL knows it by name on this connection.
    Named(tokio_postgres::Statement),
    /// Its text goes along, with these types.
    Typed(&'static str, Arc<[Type]>),
}

impl Plan {
    /// The rows. As everywhere in this crate, the first poll queues all that is sent.
    pub(crate) async fn query(&self, client: &Client, params: Params<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self {
            Self::Named(statement) => client.query(statement, params).await,
            // In a box, so that the usual way does not carry the room for this one.
            Self::Typed(text, types) => {
                Box::pin(async { client.query_typed(text, &with_types(params, types)).await }).await
            }
        }
    }

    /// How many rows were changed.
    pub(crate) async fn execute(&self, client: &Client, params: Params<'_>) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Named(statement) => client.execute(statement, params).await,
            Self::Typed(text, types) => {
                Box::pin(async { client.execute_typed(text, &with_types(params, types)).await }).await
            }
        }
    }
}

fn with_types<'a>(params: Params<'a>, types: &[Type]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().copied().zip(types.iter().cloned()).collect()
}

/// The types of all statements' parameters, learnt when the first is sent.
#[derive(Debug)]
pub(crate) struct Types {
    server: Server,
    known: OnceCell<HashMap<&'static str, Arc<[Type]>>>,
}

impl Types {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, known: OnceCell::new() }
    }

    /// The plan of a registered statement.
    pub(crate) async fn plan(&self, text: &'static str) -> Result<Plan, StoreError> {
        let known = self.known.get_or_try_init(|| self.learn()).await?;
        let types = known.get(text).ok_or(StoreError::Corrupt("a statement that is not registered"))?;
        Ok(Plan::Typed(text, Arc::clone(types)))
    }

    async fn learn(&self) -> Result<HashMap<&'static str, Arc<[Type]>>, StoreError> {
        let (client, connection) = self.server.connect().await.map_err(StoreError::of_connecting)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection that learns statements ended");
            }
        });
        // Names live in the server's connection, and this one is ours for a transaction: they are closed before it ends.
        client.batch_execute("begin").await?;
        let learnt = try_join_all(crate::statement::all().map(|statement| {
            let client = &client;
            async move {
                let prepared = client.prepare(statement.sql()).await?;
                Ok::<_, tokio_postgres::Error>((statement.sql(), Arc::from(prepared.params())))
            }
        }));
        let learnt = learnt.await?;
        client.batch_execute("rollback").await?;
        Ok(learnt.into_iter().collect())
    }
}

/// A connection of the pool.
#[derive(Debug)]
pub(crate) struct Connection {
    object: Object,
    tls: Tls,
    /// Behind a pooler by transaction.
    types: Option<Arc<Types>>,
}

impl Connection {
    pub(crate) fn new(object: Object, types: Option<Arc<Types>>, tls: Tls) -> Self {
        Self { object, tls, types }
    }

    /// Gets a statement ready.
    pub(crate) async fn prepare_cached(&self, text: &'static str) -> Result<Plan, StoreError> {
        match &self.types {
            None => Ok(Plan::Named(self.object.prepare_cached(text).await?)),
            Some(types) => types.plan(text).await,
        }
    }

    pub(crate) async fn query(&self, plan: &Plan, params: Params<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        plan.query(&self.object, params).await
    }

    pub(crate) async fn execute(&self, plan: &Plan, params: Params<'_>) -> Result<u64, tokio_postgres::Error> {
        plan.execute(&self.object, params).await
    }

    pub(crate) async fn query_typed(
        &self,
        text: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.object.query_typed(text, params).await
    }

    pub(crate) async fn batch_execute(&self, text: &str) -> Result<(), tokio_postgres::Error> {
        self.object.batch_execute(text).await
    }

    /// Has all statements prepared anew.
    pub(crate) fn forget_plans(&self) {
        self.object.statement_cache.clear();
    }

    /// How a word about it gets to the server.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Takes the connection out of the pool, which makes another.
    pub(crate) fn take(self) -> deadpool_postgres::ClientWrapper {
        Object::take(self.object)
    }
}
