//! A single write that gives one row, and the same under a key or for a request that is noted ([`crate::audit_log`]): the effect, then
//! the answer, the entry and the commit, in two round trips.
//!
//! In two round trips it runs as a task of its own. Its caller may go at any time; the write ends all the same, and its key is under
//! way until then. The connection goes back to the pool only with no transaction open on it: otherwise it is closed, which
//! rolls back.

use kv_types::TenantId;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::presence::wait_for;
use super::table::{Answers, DROP_EXPIRED_KEY, FIND_KEYS, KEEP_ANSWERS, of_keeping};
use super::{Answer, Asked, Done, Kept, KeyFault, KeyRow, Once};
use crate::audit_log::{self, Columns, Entry, NOTE_ENTRIES, Trail};
use crate::conflict::Retries;
use crate::plan::Connection;
use crate::session::{Params, READ_COMMITTED, begin};
use crate::spent::{self, asked};
use crate::statement::Statement;
use crate::{Store, StoreError};

/// How often a write is begun when somebody else's commit comes between: of the same key, or of a migration.
const ROUNDS: usize = 3;

/// The key under which a write is done, and the request for which it is.
type With<'a, T> = (Option<&'a Once<T>>, Option<&'a Trail>);

/// A statement's parameter that may leave its maker.
pub(crate) type Param = Box<dyn ToSql + Sync + Send>;

/// A statement that writes one row, or none when there is nothing to write to, and gives it.
pub struct Write<T> {
    pub(crate) tenant: TenantId,
    pub(crate) statement: &'static Statement,
    pub(crate) params: Vec<Param>,
    pub(crate) read: fn(&Row) -> Result<T, tokio_postgres::Error>,
}

impl<T> std::fmt::Debug for Write<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Write")
            .field("tenant", &self.tenant)
            .field("statement", &self.statement.name)
            .finish_non_exhaustive()
    }
}

/// Parameters of a [`Write`], each boxed.
macro_rules! params {
    ($($param:expr),+ $(,)?) => { vec![$(Box::new($param) as $crate::idempotency::Param),+] };
}
pub(crate) use params;

impl<T> Write<T> {
    fn params(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect()
    }
}

impl Store {
    /// Does a write, under a key when there is one; `None` when there is nothing to write to.
    ///
    /// # Errors
    /// What the write's maker says, and of one under a key [`StoreError::Key`].
    /// # Cancel safety
    /// The write happens wholly or not at all.
    pub async fn apply<T: Send + 'static>(
        &self,
        write: Write<T>,
        once: Option<Once<T>>,
    ) -> Result<Option<Done<T>>, StoreError> {
        let trail = audit_log::current();
        if once.is_none() && trail.is_none() {
            return Ok(self.write(&write).await?.map(Done::Now));
        }
        let (store, is_repeat) = (self.clone(), once.as_ref().is_some_and(|once| once.presence.is_repeat()));
        // In a box, so that whoever waits for it has not to hold all of it.
        let work = Box::pin(async move { store.write_once(&write, (once.as_ref(), trail.as_ref())).await });
        by_itself(is_repeat, work).await
    }

    /// Does a write without a key.
    pub(crate) async fn write<T>(&self, write: &Write<T>) -> Result<Option<T>, StoreError> {
        let rows = self.run(write.tenant, write.statement, &write.params()).await?;
        Ok(rows.first().map(write.read).transpose()?)
    }

    async fn write_once<T>(&self, write: &Write<T>, with: With<'_, T>) -> Result<Option<Done<T>>, StoreError> {
        let mut retries = Retries::new(self.conflicts());
        let mut rounds = 0;
        while rounds < ROUNDS {
            match self.try_write_once(write, with).await {
                Err(error) if error.is_taken_key() || error.is_stale_plan() => rounds += 1,
                Err(error) if error.conflict().is_some() => retries.after(error).await?,
                // The refusal may be the work of this very request, done before.
                Err(error @ StoreError::Constraint { .. }) => {
                    let Some(once) = with.0 else { return Err(error) };
                    return match self.find_answer(write.tenant, once).await? {
                        Some(answer) => Ok(Some(Done::Before(answer))),
                        None => Err(error),
                    };
                }
                done => return done,
            }
        }
        Err(KeyFault::InFlight.into())
    }

    async fn find_answer<T>(&self, tenant: TenantId, once: &Once<T>) -> Result<Option<Answer>, StoreError> {
        let rows = self.run(tenant, &FIND_KEYS, &[&tenant.get(), &[once.asked.key.as_str()].as_slice()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(KeyRow::read(row)?.kept.judge(&once.asked)?.cloned())
    }

    async fn try_write_once<T>(
        &self,
        write: &Write<T>,
        (once, trail): With<'_, T>,
    ) -> Result<Option<Done<T>>, StoreError> {
        let transaction = Open::on(self).await?;
        let (rows, known) = match transaction.try_effect(write, once).await {
            Ok(tried) => tried,
            Err(error) => {
                transaction.roll_back().await;
                return Err(error);
            }
        };
        let judged = known.as_ref().zip(once).map(|(kept, once)| kept.judge(&once.asked));
        let found = match judged {
            Some(Err(fault)) => Err(fault.into()),
            Some(Ok(Some(answer))) => Ok(Some(Done::Before(answer.clone()))),
            Some(Ok(None)) | None => match rows.first() {
                None => Ok(None),
                Some(row) => {
                    let result = (write.read)(row)?;
                    let answer = once.map(|once| (once, (once.encode)(&result)));
                    let entry = trail.map(|trail| trail.done(audit_log::object_of(row)));
                    let kept = answer.as_ref().map(|(once, answer)| (&once.asked, answer));
                    transaction.keep_and_commit(write.tenant, (kept, entry.as_ref()), known.is_some()).await?;
                    return Ok(Some(Done::Now(result)));
                }
            },
        };
        transaction.roll_back().await;
        found
    }
}

/// Does a write as a task of its own: its caller may go at any time, and it ends all the same. A repeat of what is under way is not
/// waited for without end.
pub(crate) async fn by_itself<T: Send + 'static>(
    is_repeat: bool,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let task = tokio::spawn(spent::measure(work));
    // A task that panicked may have been committing.
    let Ok((done, took)) = wait_for(is_repeat, task).await? else { return Err(StoreError::OutcomeUnknown) };
    spent::note(took);
    done
}

/// A pooled connection on which a transaction may be open.
pub(crate) struct Open(Option<Connection>);

impl Open {
    /// A connection of the pool.
    pub(crate) async fn on(store: &Store) -> Result<Self, StoreError> {
        Ok(Self(Some(store.connection().await?)))
    }

    fn client(&self) -> &Connection {
        self.0.as_ref().expect("the connection is given back only by the methods that end this")
    }

    /// Begins, tries the effect, and reads the key after it, so that whoever's effect stood in its way has its key seen.
    async fn try_effect<T>(
        &self,
        write: &Write<T>,
        once: Option<&Once<T>>,
    ) -> Result<(Vec<Row>, Option<Kept>), StoreError> {
        let Some(once) = once else {
            return Ok((self.begin_with(write.tenant, write.statement, &write.params()).await?, None));
        };
        let client = self.client();
        let effect = client.prepare_cached(write.statement.sql()).await?;
        let look = client.prepare_cached(FIND_KEYS.sql()).await?;
        let opening = begin(READ_COMMITTED, write.tenant);
        let (tenant, keys) = (write.tenant.get(), [once.asked.key.as_str()]);
        let (effect_params, keys) = (write.params(), keys.as_slice());
        let look_params: [&(dyn ToSql + Sync); 2] = [&tenant, &keys];
        let (begun, rows, known) = asked(futures_util::future::join3(
            client.batch_execute(&opening),
            client.query(&effect, &effect_params),
            client.query(&look, &look_params),
        ))
        .await;
        let tried = begun.and(rows).and_then(|rows| Ok((rows, known?)));
        let (rows, known) = tried.map_err(StoreError::from).inspect_err(|error| {
            if error.is_stale_plan() {
                client.forget_plans();
            }
        })?;
        let known = known.first().map(KeyRow::read).transpose()?;
        Ok((rows, known.map(|row| row.kept)))
    }

    /// Keeps the answer, notes the entry and commits, in one round trip.
    async fn keep_and_commit(
        mut self,
        tenant: TenantId,
        (kept, entry): (Option<(&Asked, &Answer)>, Option<&Entry>),
        has_expired: bool,
    ) -> Result<(), StoreError> {
        let client = self.client();
        let expire = client.prepare_cached(DROP_EXPIRED_KEY.sql()).await?;
        let keep = client.prepare_cached(KEEP_ANSWERS.sql()).await?;
        let note = client.prepare_cached(NOTE_ENTRIES.sql()).await?;
        let (tenant, key) = (tenant.get(), kept.map(|(asked, _)| asked.key.as_str()));
        let mut answers = Answers::default();
        if let Some((asked, answer)) = kept {
            answers.add(asked, answer, &[]);
        }
        let (params, columns) = (answers.params(&tenant), Columns::of(entry));
        let entry_params = columns.params(&tenant);
        let (noted, expired, kept, committed) = asked(futures_util::future::join4(
            async { if entry.is_some() { client.execute(&note, &entry_params).await } else { Ok(0) } },
            async { if has_expired { client.execute(&expire, &[&tenant, &key]).await } else { Ok(0) } },
            async { if kept.is_some() { client.execute(&keep, &params).await } else { Ok(0) } },
            client.batch_execute("commit"),
        ))
        .await;
        let written = noted.and(expired).and(kept).map(drop).and(committed);
        let outcome = written.map_err(|error| match StoreError::from(error) {
            StoreError::Unavailable(_) => StoreError::OutcomeUnknown,
            other => of_keeping(other),
        });
        if !matches!(outcome, Err(StoreError::OutcomeUnknown)) {
            // A commit after a refused statement has rolled back: either way nothing is open.
            self.give_back();
        }
        outcome
    }

    /// Begins for a tenant, and runs a statement behind the beginning, in one round trip.
    pub(crate) async fn begin_with(
        &self,
        tenant: TenantId,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client();
        let prepared = client.prepare_cached(statement.sql()).await?;
        let opening = begin(READ_COMMITTED, tenant);
        let (begun, rows) =
            asked(futures_util::future::join(client.batch_execute(&opening), client.query(&prepared, params))).await;
        begun.and(rows).map_err(|error| self.noted(error))
    }

    /// Begins for no tenant, and runs a statement behind the beginning, in one round trip.
    pub(crate) async fn begin_free_with(
        &self,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let client = self.client();
        let prepared = client.prepare_cached(statement.sql()).await?;
        let opening = format!("begin {READ_COMMITTED}");
        let (begun, rows) =
            asked(futures_util::future::join(client.batch_execute(&opening), client.query(&prepared, params))).await;
        begun.and(rows).map_err(|error| self.noted(error))
    }

    /// Runs a text of this program's that needs no parameters.
    pub(crate) async fn execute_text(&self, text: &str) -> Result<(), StoreError> {
        asked(self.client().batch_execute(text)).await.map_err(|error| self.noted(error))
    }

    /// Runs a statement.
    pub(crate) async fn query(&self, statement: &Statement, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        let client = self.client();
        let prepared = client.prepare_cached(statement.sql()).await?;
        asked(client.query(&prepared, params)).await.map_err(|error| self.noted(error))
    }

    fn noted(&self, error: tokio_postgres::Error) -> StoreError {
        let error = StoreError::from(error);
        if error.is_stale_plan() {
            self.client().forget_plans();
        }
        error
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError::OutcomeUnknown`] when the connection broke. What PostgreSQL refuses is rolled back.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let committed = asked(self.client().batch_execute("commit")).await;
        let committed = committed.map_err(|error| match StoreError::from(error) {
            StoreError::Unavailable(_) => StoreError::OutcomeUnknown,
            other => other,
        });
        if !matches!(committed, Err(StoreError::OutcomeUnknown)) {
            self.give_back();
        }
        committed
    }

    /// Ends the transaction without effect.
    pub(crate) async fn roll_back(mut self) {
        if self.client().batch_execute("rollback").await.is_ok() {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(object.take());
        }
    }
}
