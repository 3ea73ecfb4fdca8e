//! Batches of the catalogue: many rows in one transaction, all or none, or each for itself.
//!
//! Invariants: a key's answer is kept in the transaction of its effect, as for single writes ([`crate::idempotency`]); the keys are
//! looked at before the rows are tried, so that what was done is not tried again, and after it, so that whoever's effect stood in
//! the way has its key seen. Within a batch the first row with a word gets it.

use std::collections::{HashMap, HashSet};

use futures_util::future::try_join_all;
use kv_types::{IdempotencyKey, TenantId};
use uuid::Uuid;

use super::bulk::{BulkRow, Stamp, params_of};
use crate::audit_log::{current, followed, note_done};
use crate::conflict::{ConflictStats, Retries};
use crate::idempotency::table::{Answers, DROP_EXPIRED_KEY, FIND_KEYS, KEEP_ANSWERS, of_keeping};
use crate::idempotency::{Answer, Asked, Done, Kept, KeyFault, KeyRow, Once, Open, Param, by_itself};
use crate::session::Params;
use crate::{Store, StoreError};

/// How often a batch begins anew because somebody else's commit came between.
const ROUNDS: usize = 3;

/// What came of one row of a batch whose rows are each for themselves.
#[derive(Clone, Debug)]
pub enum Each<T> {
    /// It was made now.
    Now(T),
    /// It had been made; this was the answer.
    Before(Answer),
    /// Its word is taken.
    Taken(Taken),
    /// Its key stands in its way.
    Key(KeyFault),
}

/// A row whose word is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The row's place in its batch, from 0.
    pub place: usize,
    /// The place of an earlier row of the same batch with the same word.
    pub by: Option<usize>,
}

/// What came of a batch that is all or none.
#[derive(Clone, Debug)]
pub enum All<T> {
    /// All rows were made, now or before.
    Done(Done<Vec<T>>),
    /// None was: these words are taken.
    Taken(Vec<Taken>),
}

impl Store {
    /// Makes rows, each for itself: one that cannot be made leaves the others alone. `once` has the key of each row, or is empty.
    ///
    /// # Errors
    /// The store's; then none was made, but for [`StoreError::OutcomeUnknown`].
    /// # Cancel safety
    /// All that can be made are made, or none.
    pub async fn create_each<N: BulkRow>(
        &self,
        tenant: TenantId,
        rows: Vec<N>,
        once: Vec<Once<N::Made>>,
    ) -> Result<Vec<Each<N::Made>>, StoreError> {
        assert!(once.is_empty() || once.len() == rows.len(), "a key for each row or none");
        let is_repeat = once.iter().any(|once| once.presence.is_repeat());
        let store = self.clone();
        let work = async move {
            let mut rounds = Rounds::new(store.conflicts());
            loop {
                match store.try_each(tenant, &rows, &once).await {
                    Err(error) => rounds.after(error).await?,
                    done => return done,
                }
            }
        };
        by_itself(is_repeat, followed(work)).await
    }

    /// Makes all rows or none, under one key if there is one.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Key`]; then none was made, but for [`StoreError::OutcomeUnknown`].
    /// # Cancel safety
    /// All are made or none.
    pub async fn create_all<N: BulkRow>(
        &self,
        tenant: TenantId,
        rows: Vec<N>,
        once: Option<Once<Vec<N::Made>>>,
    ) -> Result<All<N::Made>, StoreError> {
        let is_repeat = once.as_ref().is_some_and(|once| once.presence.is_repeat());
        let store = self.clone();
        let work = async move {
            let mut rounds = Rounds::new(store.conflicts());
            loop {
                match store.try_all(tenant, &rows, once.as_ref()).await {
                    Err(error) => rounds.after(error).await?,
                    done => return done,
                }
            }
        };
        by_itself(is_repeat, followed(work)).await
    }

    async fn try_each<N: BulkRow>(
        &self,
        tenant: TenantId,
        rows: &[N],
        once: &[Once<N::Made>],
    ) -> Result<Vec<Each<N::Made>>, StoreError> {
        let transaction = Open::on(self).await?;
        let tried = each_in(&transaction, tenant, rows, once).await;
        end(transaction, tried, Outcome::Commit).await
    }

    async fn try_all<N: BulkRow>(
        &self,
        tenant: TenantId,
        rows: &[N],
        once: Option<&Once<Vec<N::Made>>>,
    ) -> Result<All<N::Made>, StoreError> {
        let transaction = Open::on(self).await?;
        let tried = all_in(&transaction, tenant, rows, once).await;
        let outcome = if matches!(tried, Ok(All::Done(Done::Now(_)))) { Outcome::Commit } else { Outcome::RollBack };
        end(transaction, tried, outcome).await
    }
}

/// How a transaction ends that met no error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Commit,
    RollBack,
}

async fn end<T>(transaction: Open, tried: Result<T, StoreError>, outcome: Outcome) -> Result<T, StoreError> {
    if tried.is_ok() && outcome == Outcome::Commit {
        transaction.commit().await?;
    } else {
        transaction.roll_back().await;
    }
    tried
}

/// The tries of one batch.
struct Rounds<'a> {
    retries: Retries<'a>,
    done: usize,
}

impl<'a> Rounds<'a> {
    const fn new(conflicts: &'a ConflictStats) -> Self {
        Self { retries: Retries::new(conflicts), done: 0 }
    }

    /// After an error: whether to try once more.
    ///
    /// # Errors
    /// The error, or [`KeyFault::InFlight`] when somebody came between each time.
    async fn after(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !is_worth_a_round(&error) {
            return self.retries.after(error).await;
        }
        self.done += 1;
        if self.done < ROUNDS { Ok(()) } else { Err(KeyFault::InFlight.into()) }
    }
}

fn is_worth_a_round(error: &StoreError) -> bool {
    error.is_taken_key() || error.is_stale_plan()
}

type Known = HashMap<IdempotencyKey, Kept>;

async fn each_in<N: BulkRow>(
    transaction: &Open,
    tenant: TenantId,
    rows: &[N],
    once: &[Once<N::Made>],
) -> Result<Vec<Each<N::Made>>, StoreError> {
    let asked: Vec<&Asked> = once.iter().map(|once| &once.asked).collect();
    let known = begin(transaction, tenant, &asked).await?;
    let of = |known: &Known, place: usize| judge(known, asked.get(place).copied());
    // A row that was done before, or may not be done under its key, stands in nobody's way here.
    let is_tried: Vec<bool> = (0..rows.len()).map(|place| matches!(of(&known, place), Ok(None))).collect();
    let firsts = first_places(rows, |place| is_tried[place]);
    let wanted: Vec<usize> = (0..rows.len()).filter(|place| is_tried[*place] && firsts[*place].is_none()).collect();
    let made = insert(transaction, tenant, rows, &wanted).await?;
    let known = find(transaction, tenant, &asked).await?;
    let mut kept = Vec::new();
    let mut each = Vec::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        each.push(match (of(&known, place), made.get(&place)) {
            // Its key was used elsewhere in between, and its word came free again: the next round is given that answer.
            (Err(_) | Ok(Some(_)), Some(_)) => return Err(StoreError::taken_key()),
            (Err(fault), None) => Each::Key(fault),
            (Ok(Some(answer)), None) => Each::Before(answer),
            (Ok(None), None) => Each::Taken(Taken { place, by: firsts[place] }),
            (Ok(None), Some(stamp)) => {
                let made = row.made(*stamp);
                if let Some(once) = once.get(place) {
                    kept.push((&once.asked, (once.encode)(&made)));
                }
                Each::Now(made)
            }
        });
    }
    note(transaction, tenant, &made).await?;
    keep(transaction, tenant, &kept, &known).await?;
    Ok(each)
}

async fn all_in<N: BulkRow>(
    transaction: &Open,
    tenant: TenantId,
    rows: &[N],
    once: Option<&Once<Vec<N::Made>>>,
) -> Result<All<N::Made>, StoreError> {
    let asked: Vec<&Asked> = once.iter().map(|once| &once.asked).collect();
    let known = begin(transaction, tenant, &asked).await?;
    if let Some(answer) = judge(&known, asked.first().copied())? {
        return Ok(All::Done(Done::Before(answer)));
    }
    let firsts = first_places(rows, |_| true);
    let wanted: Vec<usize> = (0..rows.len()).filter(|place| firsts[*place].is_none()).collect();
    let made = insert(transaction, tenant, rows, &wanted).await?;
    let known = find(transaction, tenant, &asked).await?;
    if let Some(answer) = judge(&known, asked.first().copied())? {
        return Ok(All::Done(Done::Before(answer)));
    }
    let is_taken = |place: &usize| !made.contains_key(place);
    let taken: Vec<Taken> = (0..rows.len()).filter(is_taken).map(|place| Taken { place, by: firsts[place] }).collect();
    if !taken.is_empty() {
        return Ok(All::Taken(taken));
    }
    note(transaction, tenant, &made).await?;
    let made: Vec<N::Made> = rows.iter().enumerate().map(|(place, row)| row.made(made[&place])).collect();
    let kept: Vec<_> = once.iter().map(|once| (&once.asked, (once.encode)(&made))).collect();
    keep(transaction, tenant, &kept, &known).await?;
    Ok(All::Done(Done::Now(made)))
}

/// The place of an earlier row with the same word, for each row; only rows that are tried count as earlier.
fn first_places<N: BulkRow>(rows: &[N], is_tried: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
    let mut firsts: HashMap<&str, usize> = HashMap::with_capacity(rows.len());
    let mut first_of = |(place, row)| {
        let row: &N = row;
        if !is_tried(place) {
            return None;
        }
        let first = *firsts.entry(row.word()).or_insert(place);
        (first != place).then_some(first)
    };
    rows.iter().enumerate().map(&mut first_of).collect()
}

fn judge(known: &Known, asked: Option<&Asked>) -> Result<Option<Answer>, KeyFault> {
    let Some(asked) = asked else { return Ok(None) };
    known.get(&asked.key).map_or(Ok(None), |kept| kept.judge(asked).map(Option::<&Answer>::cloned))
}

async fn begin(transaction: &Open, tenant: TenantId, asked: &[&Asked]) -> Result<Known, StoreError> {
    let keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    read(&transaction.begin_with(tenant, &FIND_KEYS, &[&tenant.get(), &keys]).await?)
}

async fn find(transaction: &Open, tenant: TenantId, asked: &[&Asked]) -> Result<Known, StoreError> {
    if asked.is_empty() {
        return Ok(Known::new());
    }
    let keys: Vec<&str> = asked.iter().map(|asked| asked.key.as_str()).collect();
    read(&transaction.query(&FIND_KEYS, &[&tenant.get(), &keys]).await?)
}

fn read(rows: &[tokio_postgres::Row]) -> Result<Known, StoreError> {
    rows.iter().map(|row| KeyRow::read(row).map(|row| (row.key, row.kept))).collect()
}

/// Tries the rows at these places, and gives what was made of each.
async fn insert<N: BulkRow>(
    transaction: &Open,
    tenant: TenantId,
    rows: &[N],
    wanted: &[usize],
) -> Result<HashMap<usize, Stamp>, StoreError> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let places: HashMap<Uuid, usize> = wanted.iter().map(|place| (Uuid::now_v7(), *place)).collect();
    // In the order of the rows, which is that of a list.
    let mut ids: Vec<(usize, Uuid)> = places.iter().map(|(id, place)| (*place, *id)).collect();
    ids.sort_unstable();
    let chosen: Vec<&N> = ids.iter().map(|(place, _)| &rows[*place]).collect();
    let params: Vec<Param> = params_of(tenant, ids.iter().map(|(_, id)| *id).collect(), &chosen);
    let params: Vec<_> = params.iter().map(|param| &**param as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
    let made = transaction.query(N::INSERT, &params).await?;
    made.iter()
        .map(|row| {
            let stamp = Stamp::read(row)?;
            let place = places.get(&stamp.id).ok_or(StoreError::Corrupt("a new row's id"))?;
            Ok((*place, stamp))
        })
        .collect()
}

/// Notes what was made, in the order of the rows.
async fn note(transaction: &Open, tenant: TenantId, made: &HashMap<usize, Stamp>) -> Result<(), StoreError> {
    let mut stamps: Vec<_> = made.iter().collect();
    stamps.sort_unstable_by_key(|(place, _)| **place);
    let objects = stamps.into_iter().map(|(_, stamp)| Some(stamp.id.to_string()));
    note_done(transaction, tenant, current().as_ref(), objects).await
}

async fn keep(
    transaction: &Open,
    tenant: TenantId,
    kept: &[(&Asked, Answer)],
    known: &Known,
) -> Result<(), StoreError> {
    if kept.is_empty() {
        return Ok(());
    }
    let tenant = tenant.get();
    let mut answers = Answers::default();
    let mut expired: Vec<&str> = Vec::new();
    let mut keys = HashSet::new();
    for (asked, answer) in kept {
        assert!(keys.insert(&asked.key), "a key for each row");
        answers.add(asked, answer, &[]);
        if known.contains_key(&asked.key) {
            expired.push(asked.key.as_str());
        }
    }
    // One by one, in order: two statements that delete several rows each might meet in different orders.
    expired.sort_unstable();
    let drop_one = |key: &str| {
        let key = key.to_owned();
        async move {
            let params: Params<'_> = &[&tenant, &key];
            transaction.query(&DROP_EXPIRED_KEY, params).await
        }
    };
    try_join_all(expired.into_iter().map(drop_one)).await?;
    transaction.query(&KEEP_ANSWERS, &answers.params(&tenant)).await.map(drop).map_err(of_keeping)
}
