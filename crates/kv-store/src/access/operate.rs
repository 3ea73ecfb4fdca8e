//! What an administrator sees and does of jobs and deliveries, of all tenants or of one.
//!
//! It runs over the same connection as [`super::provision`]: the policies of jobs and deliveries let `kv_owner` see all of them.

use jiff::Timestamp;
use kv_types::JobId;
use tokio_postgres::types::ToSql;

use super::provision::{ProvisionError, Provisioner};

/// Which dead jobs.
#[derive(Clone, Debug, Default)]
pub struct DeadJobs<'a> {
    /// Of the tenant with this slug.
    pub tenant: Option<&'a str>,
    /// Of this kind.
    pub kind: Option<&'a str>,
    /// This one.
    pub id: Option<JobId>,
}

/// A delivery as an administrator sees it.
#[derive(Clone, Debug)]
pub struct DeliveryLine {
    /// The tenant's slug.
    pub tenant: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// What was sent.
    pub event_id: uuid::Uuid,
    /// To where.
    pub url: String,
    /// Its state.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// The last answer's status.
    pub last_status: Option<i32>,
    /// What was wrong last.
    pub last_error: Option<String>,
}

/// Jobs begun anew by one statement.
const REPLAY_MAX: i64 = 10_000;

impl Provisioner {
    /// Begins dead jobs anew, at most ten thousand, and says how many. Those whose unique key another job has stay dead.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without the tenant.
    pub async fn replay_jobs(&mut self, which: &DeadJobs<'_>) -> Result<u64, ProvisionError> {
        let tenant = match which.tenant {
            Some(slug) => Some(self.find_tenant(slug).await?.get()),
            None => None,
        };
        let owner = self.as_owner().await?;
        let (kind, id) = (which.kind, which.id.map(JobId::uuid));
        let params: [&(dyn ToSql + Sync); 4] = [&tenant, &kind, &id, &REPLAY_MAX];
        let replayed = owner
            .execute(
                "update jobs j set state = 'open', replays = j.replays + 1, attempts = 0, look_at = now(), pushed_at = null,
                        pushes = 0, finished_at = null
                   from (select d.tenant_id, d.id from jobs d
                          where d.state = 'dead' and ($1::bigint is null or d.tenant_id = $1)
                            and ($2::text is null or d.kind = $2) and ($3::uuid is null or d.id = $3)
                            and (d.unique_key is null
                                 or (not exists (select from jobs o where o.tenant_id = d.tenant_id and o.kind = d.kind
                                                    and o.unique_key = d.unique_key and o.state = 'open')
                                     and not exists (select from jobs o where o.tenant_id = d.tenant_id and o.kind = d.kind
                                                    and o.unique_key = d.unique_key and o.state = 'dead' and o.id > d.id)))
                          order by d.finished_at limit $4) dead
                  where j.tenant_id = dead.tenant_id and j.id = dead.id and j.state = 'dead'",
                &params,
            )
            .await?;
        owner.execute("select pg_notify('kv_jobs', '')", &[]).await?;
        owner.commit().await?;
        Ok(replayed)
    }

    /// The newest deliveries of a tenant, or of all, in a state or in any.
    ///
    /// # Errors
    /// [`ProvisionError::Missing`] without the tenant.
    pub async fn deliveries(
        &mut self,
        tenant: Option<&str>,
        state: Option<&str>,
        limit: i64,
    ) -> Result<Vec<DeliveryLine>, ProvisionError> {
        let tenant = match tenant {
            Some(slug) => Some(self.find_tenant(slug).await?.get()),
            None => None,
        };
        let owner = self.as_owner().await?;
        let rows = owner
            .query(
                "select t.slug, d.created_at, d.event_id, w.url, d.state, d.attempts, d.last_status, d.last_error
                   from webhook_deliveries d
                   join webhook_endpoints w on w.tenant_id = d.tenant_id and w.id = d.endpoint_id
                   join tenants t on t.id = d.tenant_id
                  where ($1::bigint is null or d.tenant_id = $1) and ($2::text is null or d.state = $2)
                  order by d.created_at desc limit $3",
                &[&tenant, &state, &limit],
            )
            .await?;
        owner.commit().await?;
        let read = |row: &tokio_postgres::Row| {
            Ok(DeliveryLine {
                tenant: row.try_get(0)?,
                created_at: row.try_get(1)?,
                event_id: row.try_get(2)?,
                url: row.try_get(3)?,
                state: row.try_get(4)?,
                attempts: row.try_get(5)?,
                last_status: row.try_get(6)?,
                last_error: row.try_get(7)?,
            })
        };
        rows.iter().map(read).collect()
    }
}
