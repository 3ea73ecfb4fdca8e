//! The rows of an acceptance run, as a target file writes them.
//!
//! Invariant: what a row demands is computed from its numbers (see `demand`), never written by hand beside them, so the printed
//! target cannot differ from the one judged.

use std::time::Duration;

use serde::Deserialize;

use super::request::{HeaderName, Pointer, Ref, duration};

/// A row of any kind.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// Open-model load with limits on latency and errors.
    Load(&'a LoadRow),
    /// Simultaneous reservations on one stock level.
    Stock(&'a StockRow),
    /// Simultaneous mixed updates of one stock level, checked against its ledger.
    Concurrency(&'a ConcurrencyRow),
    /// A rate limit, sequentially and all at once.
    RateLimit(&'a RateLimitRow),
    /// A lock's rules, one caller after the other.
    Lock(&'a LockRow),
    /// Many contenders for one lock.
    Exclusive(&'a ExclusiveRow),
    /// A workload's history, judged by the checkers.
    Checked(&'a CheckedRow),
}

impl Row<'_> {
    /// The name by which `--only` selects it.
    pub fn id(&self) -> &str {
        match self {
            Self::Load(row) => row.id.as_ref(),
            Self::Stock(row) => row.id.as_ref(),
            Self::Concurrency(row) => row.id.as_ref(),
            Self::RateLimit(row) => row.id.as_ref(),
            Self::Lock(row) => row.id.as_ref(),
            Self::Exclusive(row) => row.id.as_ref(),
            Self::Checked(row) => row.id.as_ref(),
        }
    }

    /// The table's first column.
    pub fn test(&self) -> &str {
        match self {
            Self::Load(_) => "Load Test",
            Self::Stock(_) => "Stock",
            Self::Concurrency(_) => "Concurrency",
            Self::RateLimit(_) => "Rate Limiting",
            Self::Lock(_) | Self::Exclusive(_) => "Locks",
            Self::Checked(row) => &row.test,
        }
    }
}

/// Requests at a fixed rate, whatever the target does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadRow {
    /// Its name.
    pub id: Ref,
    /// Who asks.
    pub user: Ref,
    /// What is asked; it must not need set-up.
    pub request: Ref,
    /// Arrivals per second.
    pub rate_per_s: u32,
    /// How long.
    #[serde(deserialize_with = "duration")]
    pub lasts: Duration,
    /// Limits, as `p95 < 500ms` or `errors < 0.1%`.
    pub thresholds: Vec<Ref>,
    /// The smaller run for `--quick`.
    pub quick: QuickLoad,
}

/// What `--quick` makes of a load row.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuickLoad {
    /// Arrivals per second.
    pub rate_per_s: u32,
    /// How long.
    #[serde(deserialize_with = "duration")]
    pub lasts: Duration,
}

/// Simultaneous reservations of `units` each on a fresh level of `stock`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockRow {
    /// Its name.
    pub id: Ref,
    /// Who reserves.
    pub user: Ref,
    /// Requests that make the fresh level, in order; `{units}` in them is `stock`.
    pub setup: Vec<Ref>,
    /// Units available at the start.
    pub stock: u32,
    /// Units per reservation.
    pub units: u32,
    /// How many at once.
    pub simultaneous: u32,
    /// The reservation; may take `version`.
    pub reserve: Ref,
    /// The level; must take `available` and `reserved`, may take `shipped`, `received`, `version`.
    pub level: Ref,
}

impl StockRow {
    /// How many reservations the stock allows.
    pub fn affordable(&self) -> u32 {
        self.simultaneous.min(self.stock / self.units.max(1))
    }
}

/// Simultaneous reservations and receipts on one level, and what its ledger says of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencyRow {
    /// Its name.
    pub id: Ref,
    /// Who updates.
    pub user: Ref,
    /// Requests that make the fresh level, in order; `{units}` in them is `stock`.
    pub setup: Vec<Ref>,
    /// Units available at the start.
    pub stock: u32,
    /// Units per update.
    pub units: u32,
    /// Reservations among the updates.
    pub reservations: u32,
    /// Receipts among the updates.
    pub receipts: u32,
    /// The reservation; may take `version`.
    pub reserve: Ref,
    /// The receipt; may take `version`.
    pub receive: Ref,
    /// The level; as in [`StockRow::level`].
    pub level: Ref,
    /// The level's ledger, when the target keeps one.
    pub ledger: Option<Ledger>,
}

/// Where a level's movements are and how to read one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// One page of movements above version `{after}`, oldest first.
    pub request: Ref,
    /// The array of movements in a page.
    pub rows: Pointer,
    /// In a movement: its version, 1 and up without a gap.
    pub version: Pointer,
    /// In a movement: the change of each amount.
    pub delta: LedgerAmounts,
    /// In a movement: units available after it.
    pub available_after: Option<Pointer>,
    /// In a movement: units reserved after it.
    pub reserved_after: Option<Pointer>,
}

/// Where the amounts of a movement stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerAmounts {
    /// Change of the units available.
    pub available: Pointer,
    /// Change of the units reserved.
    pub reserved: Pointer,
    /// Change of the units shipped.
    pub shipped: Option<Pointer>,
    /// Change of the units ever received.
    pub received: Option<Pointer>,
}

/// A limit of calls per user and window.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitRow {
    /// Its name.
    pub id: Ref,
    /// What is called; it must not need set-up, and must `refuse` the limiter's status.
    pub request: Ref,
    /// Calls a user has per window.
    pub limit: u32,
    /// The window.
    #[serde(deserialize_with = "duration")]
    pub window: Duration,
    /// What kind of window.
    pub kind: LimiterKind,
    /// Calls tried; more than `limit`.
    pub calls: u32,
    /// A user who made no call in this window yet: calls one after the other.
    pub sequential_user: Ref,
    /// Another such user: all calls at once.
    pub simultaneous_user: Ref,
    /// A user of another tenant, whom none of this may touch.
    pub other_user: Ref,
    /// The limiter's headers.
    pub headers: LimitHeaders,
    /// How the reset is told.
    pub reset: ResetForm,
}

/// What a limiter forgets, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimiterKind {
    /// At most `limit` calls in any window.
    Sliding,
    /// At most `limit` calls between two resets; twice as many around one are legal.
    Fixed,
}

/// Names of a limiter's headers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitHeaders {
    /// The limit.
    pub limit: HeaderName,
    /// Calls left.
    pub remaining: HeaderName,
    /// When the window is free again.
    pub reset: HeaderName,
    /// On a refusal: seconds to wait.
    pub retry_after: HeaderName,
}

/// How a limiter tells its reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResetForm {
    /// Seconds since 1970.
    UnixSeconds,
    /// Seconds from now.
    SecondsLeft,
}

/// The rules of a lock, checked one caller after the other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockRow {
    /// Its name.
    pub id: Ref,
    /// Who locks.
    pub user: Ref,
    /// A user of another tenant.
    pub other_user: Ref,
    /// Takes `{resource}` for `{ttl_ms}`, waiting at most `{wait_ms}`; must take `token`, may take `fence`.
    pub acquire: Ref,
    /// Gives `{resource}` back by `{token}`; must `refuse` a token that does not hold it.
    pub release: Ref,
    /// Looks at `{resource}`; must take `held`.
    pub inspect: Ref,
    /// What is done under the lock; it must not need set-up.
    pub work: Ref,
    /// Time to live of a lock that is released in time.
    #[serde(deserialize_with = "duration")]
    pub ttl: Duration,
    /// Time to live of the one that is left to expire.
    #[serde(deserialize_with = "duration")]
    pub short_ttl: Duration,
}

/// Many contenders, each acquiring one lock, holding it and giving it back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExclusiveRow {
    /// Its name.
    pub id: Ref,
    /// Who locks.
    pub user: Ref,
    /// As in [`LockRow::acquire`].
    pub acquire: Ref,
    /// As in [`LockRow::release`].
    pub release: Ref,
    /// How many at once.
    pub contenders: u32,
    /// How long each is ready to wait.
    #[serde(deserialize_with = "duration")]
    pub wait: Duration,
    /// How long the lock would live if nobody released it.
    #[serde(deserialize_with = "duration")]
    pub ttl: Duration,
    /// How long each holds it.
    #[serde(deserialize_with = "duration")]
    pub hold: Duration,
}

/// A workload of `stampede check`, in this row's size: the row passes when the checkers prove that every answer was right.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckedRow {
    /// Its name.
    pub id: Ref,
    /// The table's first column.
    pub test: String,
    /// The workload.
    pub workload: Ref,
    /// Operations in all.
    pub operations: u32,
    /// Operations for `--quick`.
    pub quick: u32,
}
