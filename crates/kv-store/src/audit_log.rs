//! The audit log: who did what to which thing, or was refused it.
//!
//! Invariants: what was done is noted in the transaction that did it, so that an entry is there exactly when the effect is; entries are
//! only ever added, and a trigger says so to everybody; nothing secret is in one, for none has more than ids and words of this
//! program, and what a caller chose as a name.
//!
//! Who acts is bound to the task ([`follow`]), as a request's times are in [`crate::spent`]: every write of the store then notes it,
//! also one that is written later by somebody who does not think of it. What runs without it, as the sweeper does, acts for nobody
//! and leaves its traces in the ledger alone.
//!
//! Absent on purpose: what was before and after. The ledger has it of stock; of the rest the log says who to ask.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use kv_types::access::AuditEntry;
use kv_types::{ApiTokenId, TenantId, UserId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::idempotency::Open;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// Adds entries.
    NOTE_ENTRIES = "insert into audit_log (tenant_id, id, actor_id, token_id, operation, outcome, object_type, object_id, request_id, address)
        select $1, c.* from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
               as c(id, actor_id, token_id, operation, outcome, object_type, object_id, request_id, address)";
}

tokio::task_local! {
    static TRAIL: Trail;
}

/// Who asks for something, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The account; `None` for nobody known, and for the platform.
    pub actor: Option<UserId>,
    /// The API token, when it is none of a session.
    pub token: Option<ApiTokenId>,
    /// The operation's id.
    pub operation: &'static str,
    /// What kind of thing the operation is about.
    pub object_type: &'static str,
    /// The request's id.
    pub id: Option<String>,
    /// Where it came from.
    pub address: Option<String>,
}

/// A request, to be noted with whatever is done for it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Trail {
    request: Arc<Request>,
    /// The thing that it is about, where the row that is written does not say so.
    object: Option<Arc<str>>,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trail").field(&self.request.operation).finish()
    }
}

impl Trail {
    /// The trail of a request.
    pub fn of(request: Request) -> Self {
        Self { request: Arc::new(request), object: None }
    }

    /// The same, about a thing of this id.
    #[must_use]
    pub fn about(&self, object: impl fmt::Display) -> Self {
        Self { request: Arc::clone(&self.request), object: Some(object.to_string().into()) }
    }

    /// What was done for it, to a thing of this id.
    pub fn done(&self, object: Option<String>) -> Entry {
        let object = self.object.as_deref().map(str::to_owned).or(object);
        let (request, object_type) = (Arc::clone(&self.request), self.request.object_type);
        Entry { id: Uuid::now_v7(), request, outcome: Outcome::Done, object_type, object }
    }

    /// The same of another kind of thing than the operation is about.
    pub(crate) fn done_to(&self, object_type: &'static str, object: String) -> Entry {
        Entry { object_type, ..self.done(Some(object)) }
    }

    /// That it was refused.
    pub fn refused(&self) -> Entry {
        Entry { outcome: Outcome::Refused, ..self.done(None) }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// An entry to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    id: Uuid,
    request: Arc<Request>,
    outcome: Outcome,
    object_type: &'static str,
    object: Option<String>,
}

/// Does some work for a request: what it writes is noted.
///
/// # Cancel safety
/// The work's own.
pub async fn follow<F: Future>(trail: Trail, work: F) -> F::Output {
    TRAIL.scope(trail, work).await
}

/// The request that this task works for.
pub fn current() -> Option<Trail> {
    TRAIL.try_with(Clone::clone).ok()
}

/// The same work, to be done by another task for the request of this one.
pub(crate) fn followed<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let trail = current();
    async move {
        match trail {
            Some(trail) => follow(trail, work).await,
            None => work.await,
        }
    }
}

/// Does some work that is about a thing of this id, whatever its rows say.
pub(crate) async fn about<F: Future>(object: impl fmt::Display, work: F) -> F::Output {
    match current() {
        Some(trail) => follow(trail.about(object), work).await,
        None => work.await,
    }
}

/// Entries as parameters of [`NOTE_ENTRIES`].
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    ids: Vec<Uuid>,
    actors: Vec<Option<Uuid>>,
    tokens: Vec<Option<Uuid>>,
    operations: Vec<&'static str>,
    outcomes: Vec<&'static str>,
    types: Vec<&'static str>,
    objects: Vec<Option<&'a str>>,
    requests: Vec<Option<&'a str>>,
    addresses: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut columns = Self::default();
        for Entry { id, request, outcome, object_type, object } in entries {
            columns.ids.push(*id);
            columns.actors.push(request.actor.map(UserId::uuid));
            columns.tokens.push(request.token.map(ApiTokenId::uuid));
            columns.operations.push(request.operation);
            columns.outcomes.push(outcome.as_str());
            columns.types.push(object_type);
            columns.objects.push(object.as_deref());
            columns.requests.push(request.id.as_deref());
            columns.addresses.push(request.address.as_deref());
        }
        columns
    }

    pub(crate) fn params<'b>(&'b self, tenant: &'b i64) -> [&'b (dyn ToSql + Sync); 10] {
        [
            tenant,
            &self.ids,
            &self.actors,
            &self.tokens,
            &self.operations,
            &self.outcomes,
            &self.types,
            &self.objects,
            &self.requests,
            &self.addresses,
        ]
    }
}

/// The id of the thing that a row is about: its first column, if that is an id.
pub(crate) fn object_of(row: &Row) -> Option<String> {
    row.try_get::<_, Uuid>(0).ok().map(|id| id.to_string())
}

/// Notes in an open transaction what was done in it to things of these ids.
pub(crate) async fn note_done(
    transaction: &Open,
    tenant: TenantId,
    trail: Option<&Trail>,
    objects: impl IntoIterator<Item = Option<String>>,
) -> Result<(), StoreError> {
    let Some(trail) = trail else { return Ok(()) };
    let entries: Vec<Entry> = objects.into_iter().map(|object| trail.done(object)).collect();
    if entries.is_empty() {
        return Ok(());
    }
    transaction.query(&NOTE_ENTRIES, &Columns::of(&entries).params(&tenant.get())).await.map(drop)
}

impl Store {
    /// Adds entries about what has no transaction of its own: what was refused, and what was done elsewhere.
    ///
    /// # Cancel safety
    /// All are added or none.
    pub async fn note(&self, tenant: TenantId, entries: &[Entry]) -> Result<(), StoreError> {
        self.run(tenant, &NOTE_ENTRIES, &Columns::of(entries).params(&tenant.get())).await.map(drop)
    }
}

/// Reads an entry as the list gives it.
pub(crate) fn read(row: &Row) -> Result<AuditEntry, Error> {
    Ok(AuditEntry {
        id: row.try_get(0)?,
        at: row.try_get(1)?,
        actor_id: row.try_get::<_, Option<Uuid>>(2)?.map(UserId::from_uuid),
        token_id: row.try_get::<_, Option<Uuid>>(3)?.map(ApiTokenId::from_uuid),
        operation: row.try_get(4)?,
        outcome: row.try_get(5)?,
        object_type: row.try_get(6)?,
        object_id: row.try_get(7)?,
        request_id: row.try_get(8)?,
        address: row.try_get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trail() -> Trail {
        Trail::of(Request { operation: "place_order", object_type: "order", ..Request::default() })
    }

    #[tokio::test]
    async fn work_is_followed_by_the_trail_of_its_own_task() {
        assert_eq!(current(), None);
        let seen = follow(trail(), async { (current(), about("lock", async { current() }).await) }).await;
        assert_eq!(seen.0, Some(trail()));
        assert_eq!(seen.1.unwrap().done(Some("row".to_owned())).object.as_deref(), Some("lock"));
        assert_eq!(follow(trail(), tokio::spawn(async { current() })).await.unwrap(), None, "a task must be told");
        assert_eq!(about("lock", async { current() }).await, None);
    }
}
