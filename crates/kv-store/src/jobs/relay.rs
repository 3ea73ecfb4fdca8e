//! The way of the jobs from the table to the queue, for all tenants: which are to be pushed, and when the next is.
//!
//! Invariant: a job is marked before it is pushed, and looked at again when it has been silent for too long. Whoever dies between the
//! two delays it by that; nothing is pushed by two at the same time but then, and pushing twice is harmless.

use jiff::Timestamp;
use kv_types::{JobId, TenantId};
use std::time::Duration;
use tokio_postgres::Row;
use uuid::Uuid;

use super::bell::Listener;
use crate::session::Params;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// Takes jobs that are to be pushed.
    TAKE_JOBS = "select tenant_id, id, kind, priority, replays, due_at
          from app.take_jobs($1, $2, $3::bigint * interval '1 millisecond', $4, $5)";
    /// Puts jobs off that could not be pushed.
    PUT_OFF_JOBS = "select app.put_off_jobs($1, $2, $3::bigint * interval '1 millisecond')";
    /// When the next job is to be looked at.
    NEXT_JOB = "select (extract(epoch from app.next_job_in()) * 1000)::bigint";
    /// Notes the incarnation of the queue.
    NOTE_QUEUE = "select app.note_queue($1)";
    /// Deletes some jobs that are over.
    FORGET_JOBS = "select app.forget_jobs($1, $2, $3)";
    /// Deletes some imports that are over or given up.
    FORGET_IMPORTS = "select app.forget_imports($1, $2)";
    /// Deletes some old events.
    FORGET_EVENTS = "select app.forget_events($1, $2)";
    /// Deletes some old deliveries of webhooks.
    FORGET_DELIVERIES = "select app.forget_deliveries($1, $2)";
    /// Deletes some files that have expired.
    FORGET_FILES = "select app.forget_files($1)";
    /// Gives places to events.
    PLACE_EVENTS = "select app.place_events($1)";
    /// How many jobs there are of each kind.
    COUNT_JOBS = "select kind, state, jobs from app.count_jobs()";
}

/// A job that is to be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub id: JobId,
    /// What is done.
    pub kind: String,
    /// Which queue it goes to.
    pub priority: String,
    /// Which of its lives this is.
    pub replays: i32,
    /// Since when it has been to be looked at.
    pub due_at: Timestamp,
}

/// Which jobs to take.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    /// Those too that were pushed before this, whenever they are to be looked at.
    pub lost_before: Option<Timestamp>,
    /// Of tenants with a larger number than this.
    pub after_tenant: i64,
    /// After how long a job that was pushed once is silent.
    pub patience: Duration,
    /// At most so many.
    pub most: i32,
    /// At most so many of each tenant.
    pub most_each: i32,
}

/// How many jobs of a kind are in a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCount {
    /// What is done.
    pub kind: String,
    /// `open` or `dead`.
    pub state: String,
    /// How many.
    pub jobs: i64,
}

/// What is forgotten by a clean-up.
#[derive(Clone, Copy, Debug)]
pub enum Forgetting {
    /// Jobs that were done before the first time, or died before the second.
    Jobs(Timestamp, Timestamp),
    /// Imports that last came forward before this.
    Imports(Timestamp),
    /// Events from before this.
    Events(Timestamp),
    /// Deliveries of webhooks from before this.
    Deliveries(Timestamp),
    /// Stored files that have expired.
    Files,
}

fn read(row: &Row) -> Result<Taken, StoreError> {
    Ok(Taken {
        tenant: TenantId::new(row.try_get(0)?).ok_or(StoreError::Corrupt("a tenant's number"))?,
        id: JobId::from_uuid(row.try_get(1)?),
        kind: row.try_get(2)?,
        priority: row.try_get(3)?,
        replays: row.try_get(4)?,
        due_at: row.try_get(5)?,
    })
}

fn whole_ms(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    /// Takes jobs that are to be pushed, those first that have waited longest.
    ///
    /// # Errors
    /// The store's.
    /// # Cancel safety
    /// Jobs that were taken and not pushed are looked at again when they have been silent for too long.
    pub async fn take_jobs(&self, taking: &Taking) -> Result<Vec<Taken>, StoreError> {
        let Taking { lost_before, after_tenant, patience, most, most_each } = taking;
        let params: Params<'_> = &[lost_before, after_tenant, &whole_ms(*patience), most, most_each];
        let rows = self.run_untenanted(&TAKE_JOBS, params).await?;
        let mut taken = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        taken.sort_unstable_by_key(|job| (job.due_at, job.id));
        Ok(taken)
    }

    /// Has jobs looked at again after a pause, because they could not be pushed.
    ///
    /// # Errors
    /// The store's.
    pub async fn put_off_jobs(&self, jobs: &[Taken], pause: Duration) -> Result<(), StoreError> {
        let tenants: Vec<i64> = jobs.iter().map(|job| job.tenant.get()).collect();
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.id.uuid()).collect();
        self.run_untenanted(&PUT_OFF_JOBS, &[&tenants, &ids, &whole_ms(pause)]).await.map(drop)
    }

    /// In how long the next job is to be looked at; nothing when it is overdue, `None` when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_job_in(&self) -> Result<Option<Duration>, StoreError> {
        let rows = self.run_untenanted(&NEXT_JOB, &[]).await?;
        let left: Option<i64> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(left.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or(0))))
    }

    /// Notes which incarnation of the queue is seen; gives since when it has been that one.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_queue(&self, mark: &str) -> Result<Timestamp, StoreError> {
        let rows = self.run_untenanted(&NOTE_QUEUE, &[&mark]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt("the queue's incarnation"))?;
        Ok(row.try_get(0)?)
    }

    /// Deletes at most `most` things that are over, of all tenants, and says how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, what: Forgetting, most: i32) -> Result<i64, StoreError> {
        let rows = match what {
            Forgetting::Jobs(done, dead) => self.run_untenanted(&FORGET_JOBS, &[&done, &dead, &most]).await?,
            Forgetting::Imports(before) => self.run_untenanted(&FORGET_IMPORTS, &[&before, &most]).await?,
            Forgetting::Events(before) => self.run_untenanted(&FORGET_EVENTS, &[&before, &most]).await?,
            Forgetting::Files => self.run_untenanted(&FORGET_FILES, &[&most]).await?,
            Forgetting::Deliveries(before) => self.run_untenanted(&FORGET_DELIVERIES, &[&before, &most]).await?,
        };
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// Gives places to at most `most` events of all tenants and says how many; none while another session does.
    ///
    /// # Errors
    /// The store's.
    pub async fn place_events(&self, most: i32) -> Result<i64, StoreError> {
        let rows = self.run_untenanted(&PLACE_EVENTS, &[&most]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }

    /// How many jobs of all tenants are open or dead, by kind. It counts them: not for every second.
    ///
    /// # Errors
    /// The store's.
    pub async fn count_jobs(&self) -> Result<Vec<JobCount>, StoreError> {
        let rows = self.run_untenanted(&COUNT_JOBS, &[]).await?;
        let read = |row: &Row| Ok(JobCount { kind: row.try_get(0)?, state: row.try_get(1)?, jobs: row.try_get(2)? });
        rows.iter().map(read).collect()
    }

    /// Listens for new jobs.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn listen_for_jobs(&self) -> Listener {
        Listener::start(self.session_config().clone())
    }
}
