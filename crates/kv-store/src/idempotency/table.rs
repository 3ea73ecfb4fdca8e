//! The rows of keys: read, written in the transaction of an effect, made void, and forgotten when they have expired.

use jiff::Timestamp;
use kv_types::{IdempotencyKey, OrderId, TenantId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Answer, Asked, KeyFault, Write, params};
use crate::audit_log::about;
use crate::statement::statements;
use crate::{Store, StoreError};

statements! {
    /// What is known of some keys, and whether it has expired.
    FIND_KEYS = "select key, fingerprint, head, body, expires_at <= now()
          from idempotency_keys where tenant_id = $1 and key = any($2::text[])";
    /// Ends a key that has expired, so that it can be used anew.
    DROP_EXPIRED_KEY = "delete from idempotency_keys where tenant_id = $1 and key = $2 and expires_at <= now()";
    /// Keeps answers; a new order's number goes between the two parts of its body. In the order of the keys, so that two such
    /// statements meet in the same order and the later one waits instead of both.
    KEEP_ANSWERS = "insert into idempotency_keys (tenant_id, key, fingerprint, line, head, body)
        select $1, c.key, c.fingerprint, c.line, c.head,
               c.before || coalesce(convert_to(o.number::text, 'UTF8'), ''::bytea) || c.after
          from unnest($2::text[], $3::bytea[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::uuid[])
               as c(key, fingerprint, line, head, before, after, order_id)
          left join orders o on o.tenant_id = $1 and o.id = c.order_id
         order by c.key";
    /// [`KEEP_ANSWERS`] of bodies with several numbers: each in pieces, behind every piece but the last an order's number.
    KEEP_PIECED_ANSWERS = "insert into idempotency_keys (tenant_id, key, fingerprint, line, head, body)
        select $1, c.key, c.fingerprint, c.line, c.head, whole.body
          from unnest($2::text[], $3::bytea[], $4::text[], $5::text[]) as c(key, fingerprint, line, head)
          join (select p.key, string_agg(p.piece || coalesce(convert_to(o.number::text, 'UTF8'), ''::bytea), ''::bytea
                                         order by p.place) as body
                  from unnest($6::text[], $7::bytea[], $8::uuid[]) with ordinality as p(key, piece, order_id, place)
                  left join orders o on o.tenant_id = $1 and o.id = p.order_id
                 group by p.key) whole on whole.key = c.key
         order by c.key";
    /// Whether a write under a key was committed by the transaction that began at that time.
    PROVE_KEY = "select exists (select from idempotency_keys
         where tenant_id = $1 and key = $2 and fingerprint = $3 and created_at = $4)";
    /// Makes a key void that nothing was done with. Waits for one that is being committed.
    VOID_KEY = "insert into idempotency_keys (tenant_id, key) values ($1, $2) on conflict do nothing returning created_at, expires_at";
    /// What is known of one key.
    GET_KEY = "select line, head, created_at, expires_at from idempotency_keys
         where tenant_id = $1 and key = $2 and expires_at > now()";
    /// Deletes some expired keys of whatever tenants, the oldest first.
    FORGET_EXPIRED_KEYS = "select app.forget_expired_keys($1)";
}

/// Rounds of [`Store::void_key`]: each ends unless a key came or expired between two statements.
const VOID_ROUNDS: usize = 3;

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRecord {
    /// A write with it was done.
    Completed {
        /// Method and path.
        line: String,
        /// The answer's head.
        head: String,
        /// When it was done.
        created_at: Timestamp,
        /// When it is forgotten.
        expires_at: Timestamp,
    },
    /// Nothing was done, and until it expires nothing will be.
    Void {
        /// When it was made void.
        created_at: Timestamp,
        /// When it is forgotten.
        expires_at: Timestamp,
    },
    /// A request with it is under way in this process and has had no effect yet.
    InFlight,
}

/// What a key's row says to a write.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// Nothing any more.
    Expired,
    Void,
    Answer {
        fingerprint: Vec<u8>,
        answer: Answer,
    },
}

/// A row that a write found under its key.
#[derive(Clone, Debug)]
pub(crate) struct KeyRow {
    pub(crate) key: IdempotencyKey,
    pub(crate) kept: Kept,
}

impl KeyRow {
    pub(crate) fn read(row: &Row) -> Result<Self, StoreError> {
        let raw: &str = row.try_get(0)?;
        let key = raw.parse().map_err(|_| StoreError::Corrupt("an idempotency key"))?;
        let fingerprint: Option<Vec<u8>> = row.try_get(1)?;
        let kept = match fingerprint {
            _ if row.try_get(4)? => Kept::Expired,
            None => Kept::Void,
            Some(fingerprint) => {
                let answer = Answer { head: row.try_get(2)?, body: row.try_get(3)?, numbers_at: Vec::new() };
                Kept::Answer { fingerprint, answer }
            }
        };
        Ok(Self { key, kept })
    }
}

impl Kept {
    /// What a request is to be told; `None` when it may go ahead.
    pub(crate) fn judge(&self, asked: &Asked) -> Result<Option<&Answer>, KeyFault> {
        match self {
            Self::Expired => Ok(None),
            Self::Void => Err(KeyFault::Void),
            Self::Answer { fingerprint, answer } if *fingerprint == asked.fingerprint => Ok(Some(answer)),
            Self::Answer { .. } => Err(KeyFault::Reused),
        }
    }
}

/// Answers to be kept.
#[derive(Debug, Default)]
pub(crate) struct Answers<'a> {
    keys: Vec<&'a str>,
    fingerprints: Vec<&'a [u8]>,
    lines: Vec<&'a str>,
    heads: Vec<&'a str>,
    befores: Vec<&'a [u8]>,
    afters: Vec<&'a [u8]>,
    orders: Vec<Option<Uuid>>,
    given: Vec<(&'a Answer, &'a [OrderId])>,
}

impl<'a> Answers<'a> {
    /// Adds an answer; `orders` are the new orders whose numbers it waits for.
    pub(crate) fn add(&mut self, asked: &'a Asked, answer: &'a Answer, orders: &'a [OrderId]) {
        let at = answer.numbers_at.first().map_or(answer.body.len(), |at| (*at).min(answer.body.len()));
        let (before, after) = answer.body.split_at(at);
        self.keys.push(asked.key.as_str());
        self.fingerprints.push(&asked.fingerprint);
        self.lines.push(&asked.line);
        self.heads.push(&answer.head);
        self.befores.push(before);
        self.afters.push(after);
        self.orders.push(orders.first().map(|order| order.uuid()).filter(|_| !answer.numbers_at.is_empty()));
        self.given.push((answer, orders));
    }

    /// Whether [`KEEP_ANSWERS`] will do.
    pub(crate) fn have_one_number(&self) -> bool {
        self.given.iter().all(|(answer, _)| answer.numbers_at.len() <= 1)
    }

    pub(crate) fn params<'b>(&'b self, tenant: &'b i64) -> [&'b (dyn ToSql + Sync); 8] {
        [tenant, &self.keys, &self.fingerprints, &self.lines, &self.heads, &self.befores, &self.afters, &self.orders]
    }

    /// The same with every body cut at each of its numbers.
    pub(crate) fn pieces(&self) -> Pieces<'_, 'a> {
        let mut pieces = Pieces { answers: self, owners: Vec::new(), parts: Vec::new(), orders: Vec::new() };
        for ((answer, orders), key) in self.given.iter().zip(&self.keys) {
            let mut from = 0;
            for (at, order) in answer.numbers_at.iter().zip(orders.iter()) {
                pieces.add(key, &answer.body[from..*at], Some(order.uuid()));
                from = *at;
            }
            pieces.add(key, &answer.body[from..], None);
        }
        pieces
    }
}

/// The parameters of [`KEEP_PIECED_ANSWERS`].
#[derive(Debug)]
pub(crate) struct Pieces<'b, 'a> {
    answers: &'b Answers<'a>,
    owners: Vec<&'a str>,
    parts: Vec<&'a [u8]>,
    orders: Vec<Option<Uuid>>,
}

impl<'a> Pieces<'_, 'a> {
    fn add(&mut self, key: &'a str, piece: &'a [u8], order: Option<Uuid>) {
        self.owners.push(key);
        self.parts.push(piece);
        self.orders.push(order);
    }

    pub(crate) fn params<'c>(&'c self, tenant: &'c i64) -> [&'c (dyn ToSql + Sync); 8] {
        let Answers { keys, fingerprints, lines, heads, .. } = self.answers;
        [tenant, keys, fingerprints, lines, heads, &self.owners, &self.parts, &self.orders]
    }
}

/// What an error of [`KEEP_ANSWERS`] means: a wait that was too long was for another request with the key.
pub(crate) fn of_keeping(error: StoreError) -> StoreError {
    match error {
        StoreError::LockTimeout => KeyFault::InFlight.into(),
        other => other,
    }
}

impl Store {
    /// What became of a key; `None` when nothing with it has had an effect and nothing with it is under way in this process.
    ///
    /// A request that is on its way to here, or under way in another process, may still have one. To rule that out, see
    /// [`Store::void_key`].
    pub async fn key(&self, tenant: TenantId, key: &IdempotencyKey) -> Result<Option<KeyRecord>, StoreError> {
        // In this order: what leaves in between has its row by then.
        let is_under_way = self.keys_under_way().contains(tenant, key);
        Ok(self.find_key(tenant, key).await?.or(is_under_way.then_some(KeyRecord::InFlight)))
    }

    async fn find_key(&self, tenant: TenantId, key: &IdempotencyKey) -> Result<Option<KeyRecord>, StoreError> {
        let rows = self.run(tenant, &GET_KEY, &[&tenant.get(), &key.as_str()]).await?;
        rows.first().map(read_record).transpose()
    }

    /// Makes sure that nothing with this key will have an effect from now on, unless something has had one already: then that
    /// is what is told, and nothing changes. A request that is under way loses or wins against this as a whole.
    ///
    /// # Errors
    /// [`KeyFault::InFlight`] when an effect is being committed for longer than a lock may be waited for.
    /// # Cancel safety
    /// The key is void or it is not.
    pub async fn void_key(&self, tenant: TenantId, key: &IdempotencyKey) -> Result<KeyRecord, StoreError> {
        for _ in 0..VOID_ROUNDS {
            let made = about(key, Box::pin(self.apply(voiding(tenant, key), None))).await.map_err(of_keeping)?;
            if let Some(made) = made {
                return Ok(made.now());
            }
            if let Some(record) = self.find_key(tenant, key).await? {
                return Ok(record);
            }
            self.run(tenant, &DROP_EXPIRED_KEY, &[&tenant.get(), &key.as_str()]).await?;
        }
        Err(KeyFault::InFlight.into())
    }

    /// Deletes at most `most` expired keys of all tenants and says how many.
    pub async fn forget_expired_keys(&self, most: i32) -> Result<i64, StoreError> {
        let rows = self.run_untenanted(&FORGET_EXPIRED_KEYS, &[&most]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }
}

fn voiding(tenant: TenantId, key: &IdempotencyKey) -> Write<KeyRecord> {
    let read = |row: &Row| Ok(KeyRecord::Void { created_at: row.try_get(0)?, expires_at: row.try_get(1)? });
    Write { tenant, statement: &VOID_KEY, params: params![tenant.get(), key.as_str().to_owned()], read }
}

fn read_record(row: &Row) -> Result<KeyRecord, StoreError> {
    let (created_at, expires_at) = (row.try_get(2)?, row.try_get(3)?);
    let line: Option<String> = row.try_get(0)?;
    Ok(match line {
        Some(line) => KeyRecord::Completed { line, head: row.try_get(1)?, created_at, expires_at },
        None => KeyRecord::Void { created_at, expires_at },
    })
}
