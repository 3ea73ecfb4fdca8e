//! Events: what happened to a tenant's things, in an order in which nothing comes late.
//!
//! Invariants: an event is written in the transaction of what happened ([`crate::stock`], or by `write`); it is shown once it has a place; places
//! are given to committed events by one session at a time, so what is shown up to a place is all there will ever be up to it.

use jiff::Timestamp;
use kv_types::TenantId;
use kv_types::events::{Event, EventId, EventKind};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::idempotency::Open;
use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

statements! {
    /// Events behind a place.
    LIST_EVENTS = "select id, position, type, data, created_at from events
         where tenant_id = $1 and position > $2 and ($3::text is null or type = $3) order by position limit $4";
    /// One event.
    INSERT_EVENT = "insert into events (tenant_id, id, type, data) values ($1, $2, $3, $4)";
    /// The place of the newest event.
    LAST_PLACE = "select coalesce(max(position), 0) from events where tenant_id = $1 and position is not null";
}

fn read(row: &Row) -> Result<Event, tokio_postgres::Error> {
    let created_at: Timestamp = row.try_get(4)?;
    Ok(Event {
        id: EventId::from_uuid(row.try_get(0)?),
        position: row.try_get(1)?,
        kind: row.try_get(2)?,
        data: row.try_get(3)?,
        created_at,
    })
}

/// Writes an event in the transaction of what happened.
pub(crate) async fn write(
    transaction: &Open,
    tenant: TenantId,
    kind: EventKind,
    data: &Value,
) -> Result<(), StoreError> {
    let params: Params<'_> = &[&tenant.get(), &Uuid::now_v7(), &kind.as_str(), &Json(data)];
    transaction.query(&INSERT_EVENT, params).await.map(drop)
}

impl Store {
    /// Events behind a place, in their order, of one type or of all.
    ///
    /// # Errors
    /// The store's.
    pub async fn events(
        &self,
        tenant: TenantId,
        after: i64,
        kind: Option<&str>,
        limit: i64,
    ) -> Result<Page<Event>, StoreError> {
        let params: Params<'_> = &[&tenant.get(), &after, &kind, &(limit + 1)];
        let rows = self.run(tenant, &LIST_EVENTS, params).await?;
        Ok(Page::from_rows(&rows, limit, read)?)
    }

    /// The place of a tenant's newest event; 0 when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn last_event(&self, tenant: TenantId) -> Result<i64, StoreError> {
        let rows = self.run(tenant, &LAST_PLACE, &[&tenant.get()]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }
}
