//! Opens connections and keeps them, so that nobody else can have them.
//!
//! Invariants: never more than [`HELD_MAX`]; a place that only a superuser may have is never taken; dropping the holder
//! closes every connection.

use std::time::Duration;

use futures_util::future::join_all;
use stampede_model::stress::pool::HoldRecord;
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;

use super::{HoldCount, Manner, PoolOrder};
use crate::stress::StressError;
use crate::stress::postgres::{Address, Session, room};

/// Most connections held; PostgreSQL has no more in practice.
const HELD_MAX: u32 = 20_000;
/// Connections opened at once: each costs the server a process and a password check.
const AT_ONCE: u32 = 8;
/// Name of the held sessions in `pg_stat_activity`.
const NAME: &str = "stampede-hold";
/// How long closed sessions may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whoever holds.
pub(super) struct Holder {
    address: Address,
    control: Session,
    count: HoldCount,
    manner: Manner,
    held: Vec<Session>,
    record: HoldRecord,
}

/// What became of a try for one more connection.
enum Try {
    Held(Session),
    Full,
    Refused(tokio_postgres::Error),
}

impl Holder {
    /// Opens the session to look and release by.
    pub(super) async fn open(address: &Address, order: &PoolOrder) -> Result<Self, StressError> {
        let control = address.connect("stampede").await?;
        let manner = match &order.manner {
            Manner::Lock(table) => {
                // PostgreSQL finds the table by its rules and writes the name so that it can stand in a statement.
                let found = control.query_one("SELECT $1::text::regclass::text", &[table]).await;
                let found = found.map_err(address.refused(&format!("find the table {table}")))?;
                Manner::Lock(found.get(0))
            }
            other => other.clone(),
        };
        let (allowed, used) = room(&control).await.map_err(address.refused("count its connections"))?;
        let record = HoldRecord {
            asked: match order.hold {
                HoldCount::Exactly(count) => count.to_string(),
                HoldCount::AllBut(spare) => format!("all-but {spare}"),
            },
            manner: match &manner {
                Manner::Idle => "idle".to_owned(),
                Manner::InTransaction => "in a transaction".to_owned(),
                Manner::Lock(table) => format!("LOCK TABLE {table}"),
            },
            held: 0,
            used_before: used,
            allowed,
            free_least: allowed.saturating_sub(used),
        };
        Ok(Self { address: address.clone(), control, count: order.hold, manner, held: Vec::new(), record })
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn record(&self) -> HoldRecord {
        self.record.clone()
    }

    /// Takes what was asked.
    ///
    /// # Errors
    /// When not one connection was to be had, or the table could not be locked.
    pub(super) async fn take(&mut self) -> Result<(), StressError> {
        if let Manner::Lock(table) = self.manner.clone() {
            let session = self.address.connect(NAME).await?;
            let lock = format!(
                "SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '10s'; \
                 BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
            );
            session.batch_execute(&lock).await.map_err(self.address.refused(&format!("lock {table}")))?;
            self.keep(session);
        }
        let refused = self.fill().await;
        if self.held.is_empty() && self.count != HoldCount::Exactly(0) {
            let reason = refused.unwrap_or_else(|| "none is free".to_owned());
            return Err(StressError::NothingHeld { reason });
        }
        Ok(())
    }

    /// Takes places that have become free since, if all were asked for.
    pub(super) async fn top_up(&mut self) {
        if matches!(self.count, HoldCount::AllBut(_)) {
            self.fill().await;
        }
        self.note_free().await;
    }

    /// Opens connections until there are enough; says why it could not.
    async fn fill(&mut self) -> Option<String> {
        loop {
            let wanted = match self.wanted().await {
                Ok(0) => return None,
                Ok(wanted) => wanted.min(AT_ONCE),
                Err(error) => return Some(error.to_string()),
            };
            for tried in join_all((0..wanted).map(|_| self.try_one())).await {
                match tried {
                    Try::Held(session) => self.keep(session),
                    Try::Full => return Some("the server is full".to_owned()),
                    Try::Refused(error) => return Some(error.to_string()),
                }
            }
        }
    }

    fn keep(&mut self, session: Session) {
        self.held.push(session);
        self.record.held = self.record.held.max(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
    }

    async fn wanted(&self) -> Result<u32, tokio_postgres::Error> {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let wanted = match self.count {
            HoldCount::Exactly(count) => count.saturating_sub(held),
            HoldCount::AllBut(spare) => {
                let (allowed, used) = room(&self.control).await?;
                allowed.saturating_sub(used).saturating_sub(spare)
            }
        };
        Ok(wanted.min(HELD_MAX.saturating_sub(held)))
    }

    async fn try_one(&self) -> Try {
        let opened = self.address.try_connect(NAME).await;
        match opened {
            Ok(session) => {
                if self.manner == Manner::InTransaction {
                    let begun = "SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT 1";
                    if let Err(error) = session.batch_execute(begun).await {
                        return Try::Refused(error);
                    }
                }
                Try::Held(session)
            }
            Err(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => Try::Full,
            Err(error) => Try::Refused(error),
        }
    }

    async fn note_free(&mut self) {
        if let Ok((allowed, used)) = room(&self.control).await {
            self.record.free_least = self.record.free_least.min(allowed.saturating_sub(used));
        }
    }

    /// Gives everything back and waits until the server has noticed.
    pub(super) async fn release(&mut self) {
        self.held.clear();
        let deadline = Instant::now() + GONE_WITHIN;
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        while Instant::now() < deadline {
            match self.control.query_one(sql, &[&NAME]).await {
                Ok(row) if row.get::<_, i64>(0) > 0 => sleep(LOOK_EVERY).await,
                // None left, or nobody to ask.
                Ok(_) | Err(_) => return,
            }
        }
    }
}
