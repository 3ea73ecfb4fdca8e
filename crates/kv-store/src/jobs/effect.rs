//! The end of a job and its effect, in one transaction: a job that is delivered twice has its effect once.
//!
//! The job's row is written first, which locks it: a second worker with the same job waits there, and then finds it over.

use kv_types::order::OrderConfirmation;
use kv_types::{ExportFileId, JobId, OrderId, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::conflict::Retries;
use crate::exports::files::finish_export;
use crate::idempotency::Open;
use crate::imports::waiting::DROP_FILE;
use crate::statement::statements;
use crate::webhooks::{Attempt, write_attempt};
use crate::{Store, StoreError};

statements! {
    /// The job is done. That it is open is asked by what open means, not by its word: with the word, a table without statistics has
    /// PostgreSQL read all open jobs of the tenant along the relay's index.
    END_JOB = "update jobs set state = 'done', finished_at = now(), last_error = null
         where tenant_id = $1 and id = $2 and finished_at is null returning id";
    /// What was made of that.
    GET_CONFIRMATION = "select order_id, recipient, subject, body, created_at from order_confirmations
         where tenant_id = $1 and order_id = $2";
    /// The job is done, and what an order's customer is told is written: one statement, so that a job is one way to PostgreSQL and back.
    CONFIRM_ORDER = "with ended as (
            update jobs set state = 'done', finished_at = now(), last_error = null
             where tenant_id = $1 and id = $2 and finished_at is null returning id
        ), told as (
            insert into order_confirmations (tenant_id, order_id, job_id, recipient, subject, body)
            select $1, o.id, e.id, c.email, 'Your order ' || o.number,
                   'Dear ' || c.name || ', we have received your order ' || o.number || ' for '
                       || (o.total_minor / 100) || '.' || lpad((o.total_minor % 100)::text, 2, '0') || ' ' || o.currency || '.'
              from ended e join orders o on o.tenant_id = $1 and o.id = $3
                   join customers c on c.tenant_id = $1 and c.id = o.customer_id
        )
        select id from ended";
}

/// What a job does to the database.
#[derive(Clone, Debug)]
pub enum Work {
    /// Nothing beyond its own end: what it did is done already, or is harmless when it is done twice.
    Nothing,
    /// The record of what an order's customer is told.
    ConfirmOrder(OrderId),
    /// What became of an event's last attempt to reach an endpoint.
    Delivered(Attempt),
    /// The file of an import is done with.
    Imported(Uuid),
    /// The file of an export is whole.
    Exported(ExportFileId),
    /// An export is given up.
    ExportFailed(ExportFileId, &'static str),
}

/// What came of ending a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its effect is there, since now.
    Now,
    /// It was over before; nothing was done.
    Before,
}

impl Store {
    /// What an order's customer is told; `None` when that is not made yet, or there is no such order.
    ///
    /// # Errors
    /// The store's.
    pub async fn order_confirmation(
        &self,
        tenant: TenantId,
        order: OrderId,
    ) -> Result<Option<OrderConfirmation>, StoreError> {
        let rows = self.run(tenant, &GET_CONFIRMATION, &[&tenant.get(), &order.uuid()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(OrderConfirmation {
            order_id: OrderId::from_uuid(row.try_get(0)?),
            recipient: row.try_get(1)?,
            subject: row.try_get(2)?,
            body: row.try_get(3)?,
            created_at: row.try_get(4)?,
        }))
    }

    /// Ends a job with its effect.
    ///
    /// # Errors
    /// The store's. After [`StoreError::OutcomeUnknown`] asking again is safe.
    /// # Cancel safety
    /// The effect and the end are there, both or neither.
    pub async fn end_job(&self, tenant: TenantId, id: JobId, work: &Work) -> Result<Ended, StoreError> {
        let (owner, job) = (tenant.get(), id.uuid());
        match work {
            Work::Nothing => ended(&self.run(tenant, &END_JOB, &[&owner, &job]).await?),
            Work::ConfirmOrder(order) => {
                ended(&self.run(tenant, &CONFIRM_ORDER, &[&owner, &job, &order.uuid()]).await?)
            }
            _ => self.end_with(tenant, id, work).await,
        }
    }

    /// Effects of more than one statement.
    async fn end_with(&self, tenant: TenantId, id: JobId, work: &Work) -> Result<Ended, StoreError> {
        let mut retries = Retries::new(self.conflicts());
        let mut is_planned_anew = false;
        loop {
            match self.try_end_with(tenant, id, work).await {
                Err(error) if error.is_stale_plan() && !is_planned_anew => is_planned_anew = true,
                Err(error) => retries.after(error).await?,
                done => return done,
            }
        }
    }

    async fn try_end_with(&self, tenant: TenantId, id: JobId, work: &Work) -> Result<Ended, StoreError> {
        let transaction = Open::on(self).await?;
        let rows = transaction.begin_with(tenant, &END_JOB, &[&tenant.get(), &id.uuid()]).await;
        let worked = match rows.and_then(|rows| ended(&rows)) {
            Ok(Ended::Now) => follow(&transaction, tenant, work).await,
            Ok(Ended::Before) => {
                transaction.roll_back().await;
                return Ok(Ended::Before);
            }
            Err(error) => Err(error),
        };
        match worked {
            Ok(()) => transaction.commit().await.map(|()| Ended::Now),
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }
}

/// The statements behind a job's end.
async fn follow(transaction: &Open, tenant: TenantId, work: &Work) -> Result<(), StoreError> {
    match work {
        Work::Nothing | Work::ConfirmOrder(_) => Ok(()),
        Work::Delivered(attempt) => write_attempt(transaction, tenant, attempt).await,
        Work::Imported(file) => transaction.query(&DROP_FILE, &[&tenant.get(), file]).await.map(drop),
        Work::Exported(export) => finish_export(transaction, tenant, *export, None).await.map(drop),
        Work::ExportFailed(export, reason) => finish_export(transaction, tenant, *export, Some(reason)).await.map(drop),
    }
}

/// What the rows say of a job that was to be ended.
fn ended(rows: &[Row]) -> Result<Ended, StoreError> {
    match rows.len() {
        0 => Ok(Ended::Before),
        1 => Ok(Ended::Now),
        _ => Err(StoreError::Corrupt("a job")),
    }
}
