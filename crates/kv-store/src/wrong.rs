//! Strategies that are known to be wrong, one at a time, so that a bench can show that it finds them.
//!
//! Only in builds with the feature `wrong-strategies`, which no release has; the strategy is named by [`VARIABLE`] when the process
//! starts. Each takes away one defence and whatever stands behind it: without a row's lock, for example, the ledger's key would
//! still refuse a lost update.

use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::statement::{self, Statement};

/// The environment's variable that names the strategy.
pub const VARIABLE: &str = "KV_WRONG_STRATEGY";

/// One wrong strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Levels are read without a lock, decided on, and written back whole.
    NoRowLock,
    /// The same under a lock with a lease, whose end the holder does not notice; no fence guards the rows.
    LeaseWithoutFence,
    /// Rows are locked in an order of each connection's own.
    UnsortedLocks,
    /// A call is judged first and counted in a second step.
    LimiterInTwoSteps,
    /// Single things are found by their id alone, and row-level security is off.
    NoTenantPredicate,
    /// An answer is kept after its effect, in a transaction of its own.
    IdempotencyOutside,
}

/// All of them, with their names.
pub const ALL: [(&str, Strategy); 6] = [
    ("no-row-lock", Strategy::NoRowLock),
    ("lease-without-fence", Strategy::LeaseWithoutFence),
    ("unsorted-locks", Strategy::UnsortedLocks),
    ("limiter-in-two-steps", Strategy::LimiterInTwoSteps),
    ("no-tenant-predicate", Strategy::NoTenantPredicate),
    ("idempotency-outside", Strategy::IdempotencyOutside),
];

/// A name that is none of a strategy.
#[derive(Debug, thiserror::Error)]
#[error("{VARIABLE}: there is no strategy `{0}`; hint: {names}", names = ALL.map(|(name, _)| name).join(", "))]
pub struct Unknown(String);

impl FromStr for Strategy {
    type Err = Unknown;

    fn from_str(raw: &str) -> Result<Self, Unknown> {
        let found = ALL.iter().find(|(name, _)| *name == raw);
        found.map(|(_, strategy)| *strategy).ok_or_else(|| Unknown(raw.to_owned()))
    }
}

static CHOSEN: OnceLock<Strategy> = OnceLock::new();

/// Makes this process follow a strategy until it ends. The first choice stays.
pub fn choose(strategy: Strategy) {
    CHOSEN.get_or_init(|| strategy);
}

/// Whether this process follows a strategy.
pub fn is(strategy: Strategy) -> bool {
    CHOSEN.get() == Some(&strategy)
}

fn is_without_lock() -> bool {
    is(Strategy::NoRowLock) || is(Strategy::LeaseWithoutFence)
}

/// A statement's text under the strategy.
pub(crate) fn text(statement: &Statement) -> &'static str {
    static TEXTS: OnceLock<HashMap<&'static str, Cow<'static, str>>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| statement::all().map(|each| (each.text, spoilt(each))).collect());
    texts.get(statement.text).map_or(statement.text, |spoilt| &**spoilt)
}

fn spoilt(statement: &Statement) -> Cow<'static, str> {
    let Statement { name, text } = *statement;
    match name {
        "LOCK_LEVELS" | "LOCK_KEYS" | "RECLAIM_LEVELS" if is_without_lock() => cut(text, "for no key update of l"),
        "UPDATE_LEVELS" if is_without_lock() => cut(text, "and l.version = c.locked_version"),
        "INSERT_MOVEMENTS" if is_without_lock() => format!("{text} on conflict do nothing").into(),
        "LOCK_LEVELS" | "LOCK_KEYS" | "RECLAIM_LEVELS" if is(Strategy::UnsortedLocks) => {
            let own = "order by md5(l.product_id::text || pg_backend_pid()::text)";
            exchange(text, "order by l.product_id, l.warehouse_id", own)
        }
        "KEEP_ANSWERS" if is(Strategy::IdempotencyOutside) => format!("{text} on conflict do nothing").into(),
        _ if name.starts_with("GET_") && is(Strategy::NoTenantPredicate) => {
            exchange(text, "tenant_id = $1", "$1::bigint is not null")
        }
        _ => text.into(),
    }
}

fn cut(text: &'static str, part: &str) -> Cow<'static, str> {
    exchange(text, part, "")
}

/// A statement that was written anew must not quietly become right.
fn exchange(text: &'static str, part: &str, other: &str) -> Cow<'static, str> {
    assert!(text.contains(part), "the statement no longer has `{part}`: {text}");
    text.replace(part, other).into()
}

/// With [`Strategy::LeaseWithoutFence`]: every so many batches the process stands still for longer than its lease lasts, as one
/// does whose machine is busy with something else.
const STANDS_STILL_EVERY: u64 = 50;
const STANDS_STILL_FOR: Duration = Duration::from_millis(250);

/// Between reading and writing.
pub(crate) async fn stand_still() {
    static BATCHES: AtomicU64 = AtomicU64::new(0);
    if is(Strategy::LeaseWithoutFence)
        && BATCHES.fetch_add(1, Ordering::Relaxed) % STANDS_STILL_EVERY == STANDS_STILL_EVERY - 1
    {
        tokio::time::sleep(STANDS_STILL_FOR).await;
    }
}

/// Takes row-level security off every table.
pub(crate) const NO_ROW_SECURITY: &str = "
    do $$ declare name text; begin
        for name in select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                     where n.nspname = 'public' and c.relrowsecurity loop
            execute format('alter table %I disable row level security', name);
        end loop;
    end $$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_has_a_name_and_an_unknown_one_is_told_the_others() {
        for (name, strategy) in ALL {
            assert_eq!(name.parse::<Strategy>().unwrap(), strategy);
        }
        let error = "no-rowlock".parse::<Strategy>().unwrap_err().to_string();
        assert!(error.contains("`no-rowlock`") && error.contains("unsorted-locks"), "{error}");
    }
}
