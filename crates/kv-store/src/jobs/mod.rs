//! Jobs: what is to be done because something was committed. The table is the truth; the queue that workers claim from may lose
//! everything and is filled again from here ([`relay`]).
//!
//! Invariants: a job is written in the transaction of what asks for it; it is over in the transaction of its effect ([`effect`]), so
//! that it has that once however often it is delivered; its death is written here before anybody is told.
//!
//! Absent on purpose: whose turn it is, and who works on what. That is the queue's.

pub(crate) mod bell;
pub(crate) mod effect;
pub(crate) mod relay;

use jiff::Timestamp;
use kv_types::jobs::{JobState, JobView};
use kv_types::{JobId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::idempotency::{Write, params};
use crate::session::Params;
use crate::statement::statements;
use crate::{Page, Store, StoreError};

pub(crate) use bell::Bell;
pub use bell::Listener;
pub use effect::{Ended, Work};
pub use relay::{Forgetting, JobCount, Taken, Taking};

/// The tenant that the service's own jobs belong to: the largest number there is, which no tenant has.
pub const HOUSE: TenantId = match TenantId::new(i64::MAX) {
    Some(house) => house,
    None => panic!("the largest number is above zero"),
};

statements! {
    /// Jobs that nothing else is written with. One whose unique key is taken is left out.
    INSERT_JOBS = "insert into jobs (tenant_id, id, kind, payload, priority, unique_key, not_before, look_at)
        select $1, c.id, c.kind, c.payload, c.priority, c.unique_key, coalesce(c.not_before, now()), coalesce(c.not_before, now())
          from unnest($2::uuid[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::timestamptz[])
               as c(id, kind, payload, priority, unique_key, not_before)
        on conflict do nothing returning id";
    /// A regular job, if nobody has made it for that time or a later one, and the one before is over.
    MAKE_TICK = "select app.make_tick($1, $2, $3, $4)";
    /// What a worker has to know.
    GET_WORK = "select state, replays, attempts, payload from jobs where tenant_id = $1 and id = $2";
    /// One job.
    GET_JOB = "select id, kind, priority, state, attempts, last_error, not_before, created_at, finished_at, pushed_at
          from jobs where tenant_id = $1 and id = $2";
    /// Jobs of a state, or of all with a null, behind job $3, the newest first.
    LIST_JOBS = "select id, kind, priority, state, attempts, last_error, not_before, created_at, finished_at, pushed_at
          from jobs where tenant_id = $1 and ($2::text is null or state = $2) and id < $3 order by id desc limit $4";
    /// An attempt failed: the job is tried again after a pause. It is looked at later than that.
    NOTE_FAILURE = "update jobs set attempts = attempts + 1, last_error = $4, look_at = now() + $5::bigint * interval '1 millisecond'
         where tenant_id = $1 and id = $2 and replays = $3 and finished_at is null returning id";
    /// The job is given up, and so is the delivery that it was to make: it can be sent again then.
    BURY_JOB = "with dead as (
            update jobs set attempts = attempts + $5, last_error = $4, state = 'dead', finished_at = now()
             where tenant_id = $1 and id = $2 and replays = $3 and finished_at is null returning id, kind, payload),
          undelivered as (
            update webhook_deliveries d set state = 'failed', last_error = $4, finished_at = now() from dead
             where d.tenant_id = $1 and d.id = (dead.payload->>'delivery_id')::uuid and dead.kind = 'deliver_webhook'
               and d.state = 'pending')
        select id from dead";
    /// Begins a dead job anew, unless another one has its unique key by now.
    REPLAY_JOB = "update jobs j set state = 'open', replays = replays + 1, attempts = 0, look_at = now(), pushed_at = null,
               pushes = 0, finished_at = null
         where j.tenant_id = $1 and j.id = $2 and j.state = 'dead'
           and not exists (select from jobs o where o.tenant_id = $1 and o.kind = j.kind and o.unique_key = j.unique_key
                              and o.state = 'open')
        returning id, kind, priority, state, attempts, last_error, not_before, created_at, finished_at, pushed_at";
}

/// A job to be made.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What is to be done: a word that a worker knows.
    pub kind: &'static str,
    /// The details.
    pub payload: serde_json::Value,
    /// `high`, `default` or `low`.
    pub priority: &'static str,
    /// Of the open jobs of its kind with the same key there is one.
    pub unique_key: Option<String>,
    /// Not before then; `None` for at once.
    pub not_before: Option<Timestamp>,
}

impl NewJob {
    /// A job for at once.
    pub fn new(kind: &'static str, payload: serde_json::Value) -> Self {
        let id = JobId::from_uuid(Uuid::now_v7());
        Self { id, kind, payload, priority: "default", unique_key: None, not_before: None }
    }
}

/// What a worker has to know of a job that it claimed.
#[derive(Clone, Debug)]
pub struct JobWork {
    /// Its state: one that is over is not worked on again.
    pub state: JobState,
    /// Which of its lives this is.
    pub replays: i32,
    /// How many attempts of this life failed.
    pub attempts: i32,
    /// The details.
    pub payload: serde_json::Value,
}

fn state_of(raw: &str) -> Result<JobState, StoreError> {
    JobState::parse(raw).ok_or(StoreError::Corrupt("the state of a job"))
}

fn read_view(row: &Row) -> Result<JobView, tokio_postgres::Error> {
    let state: &str = row.try_get(3)?;
    Ok(JobView {
        id: JobId::from_uuid(row.try_get(0)?),
        kind: row.try_get(1)?,
        priority: row.try_get(2)?,
        state: JobState::parse(state).expect("the state of a job is one of those in its check"),
        attempts: row.try_get(4)?,
        last_error: row.try_get(5)?,
        not_before: row.try_get(6)?,
        created_at: row.try_get(7)?,
        finished_at: row.try_get(8)?,
        pushed_at: row.try_get(9)?,
    })
}

/// The replaying of a dead job.
pub fn replay(tenant: TenantId, id: JobId) -> Write<JobView> {
    Write { tenant, statement: &REPLAY_JOB, params: params![tenant.get(), id.uuid()], read: read_view }
}

impl Store {
    /// Makes jobs that nothing else is written with, and gives the ids of those that were made: one whose unique key an open job has
    /// is left out.
    ///
    /// # Errors
    /// The store's.
    /// # Cancel safety
    /// All of them are made or none.
    pub async fn enqueue_jobs(&self, tenant: TenantId, jobs: &[NewJob]) -> Result<Vec<JobId>, StoreError> {
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.uuid()).collect();
        let kinds: Vec<&str> = jobs.iter().map(|job| job.kind).collect();
        let payloads: Vec<Json<&serde_json::Value>> = jobs.iter().map(|job| Json(&job.payload)).collect();
        let priorities: Vec<&str> = jobs.iter().map(|job| job.priority).collect();
        let keys: Vec<Option<&str>> = jobs.iter().map(|job| job.unique_key.as_deref()).collect();
        let times: Vec<Option<Timestamp>> = jobs.iter().map(|job| job.not_before).collect();
        let params: Params<'_> = &[&tenant.get(), &ids, &kinds, &payloads, &priorities, &keys, &times];
        let rows = self.run(tenant, &INSERT_JOBS, params).await?;
        self.bell().ring();
        rows.iter().map(|row| Ok(JobId::from_uuid(row.try_get(0)?))).collect()
    }

    /// Makes the regular job that is due at that time, unless somebody has made it, or the one before is not over; says whether.
    ///
    /// # Errors
    /// The store's.
    pub async fn make_tick(
        &self,
        kind: &'static str,
        priority: &'static str,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let params: Params<'_> = &[&Uuid::now_v7(), &kind, &priority, &due_at];
        let rows = self.run_untenanted(&MAKE_TICK, params).await?;
        self.bell().ring();
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// What a worker has to know of a job; `None` when it is forgotten.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_work(&self, tenant: TenantId, id: JobId) -> Result<Option<JobWork>, StoreError> {
        let rows = self.run(tenant, &GET_WORK, &[&tenant.get(), &id.uuid()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let state = state_of(row.try_get(0)?)?;
        Ok(Some(JobWork { state, replays: row.try_get(1)?, attempts: row.try_get(2)?, payload: row.try_get(3)? }))
    }

    /// One job.
    ///
    /// # Errors
    /// The store's.
    pub async fn job(&self, tenant: TenantId, id: JobId) -> Result<Option<JobView>, StoreError> {
        let rows = self.run(tenant, &GET_JOB, &[&tenant.get(), &id.uuid()]).await?;
        Ok(rows.first().map(read_view).transpose()?)
    }

    /// A page of jobs, the newest first, of one state or of all.
    ///
    /// # Errors
    /// The store's.
    pub async fn jobs(
        &self,
        tenant: TenantId,
        state: Option<JobState>,
        before: Option<JobId>,
        limit: i64,
    ) -> Result<Page<JobView>, StoreError> {
        let before = before.map_or(Uuid::max(), JobId::uuid);
        let state = state.map(JobState::as_str);
        let rows = self.run(tenant, &LIST_JOBS, &[&tenant.get(), &state, &before, &(limit + 1)]).await?;
        Ok(Page::from_rows(&rows, limit, read_view)?)
    }

    /// Notes that an attempt failed, before the queue is told; the relay does not look for `silent_ms`, in which the next attempt
    /// should have been made. Says whether the job is still to be done.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_failure(
        &self,
        tenant: TenantId,
        (id, replays): (JobId, i32),
        (reason, silent_ms): (&str, i64),
    ) -> Result<bool, StoreError> {
        let params: Params<'_> = &[&tenant.get(), &id.uuid(), &replays, &reason, &silent_ms];
        Ok(!self.run(tenant, &NOTE_FAILURE, params).await?.is_empty())
    }

    /// Gives a job up, before the queue is told. `attempts` failed that were not noted. Says whether it was still to be done.
    ///
    /// # Errors
    /// The store's.
    pub async fn bury_job(
        &self,
        tenant: TenantId,
        (id, replays): (JobId, i32),
        (reason, attempts): (&str, i32),
    ) -> Result<bool, StoreError> {
        let params: Params<'_> = &[&tenant.get(), &id.uuid(), &replays, &reason, &attempts];
        Ok(!self.run(tenant, &BURY_JOB, params).await?.is_empty())
    }

    /// Begins a dead job anew; `None` when there is no such dead job, or another one has its unique key.
    ///
    /// # Errors
    /// The store's.
    pub async fn replay_job(&self, tenant: TenantId, id: JobId) -> Result<Option<JobView>, StoreError> {
        let replayed = self.write(&replay(tenant, id)).await?;
        self.bell().ring();
        Ok(replayed)
    }

    /// Tells the relay that jobs were written by a statement that does not say so itself.
    pub fn ring(&self) {
        self.bell().ring();
    }
}
