//! The table of bugs: every one there is, what it is in one line, and what a check may call it.

/// What part of a service a bug is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Levels, reservations and their ledger.
    Stock,
    /// Leases with fencing.
    Lock,
    /// Calls per user and window.
    Limit,
    /// What one tenant sees of another.
    Tenants,
    /// Keys that make a request count once.
    Idempotency,
    /// Jobs at least once, effects exactly once.
    Queue,
    /// Transactions over several products.
    Orders,
    /// Single values.
    Register,
}

impl Area {
    /// Its name as it stands in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "stock",
            Self::Lock => "lock",
            Self::Limit => "limit",
            Self::Tenants => "tenants",
            Self::Idempotency => "idempotency",
            Self::Queue => "queue",
            Self::Orders => "orders",
            Self::Register => "register",
        }
    }
}

/// One planted bug.
#[derive(Debug)]
pub struct Bug {
    /// Its name, in kebab-case.
    pub id: &'static str,
    /// What is wrong, in one line.
    pub says: &'static str,
    /// Where.
    pub area: Area,
    /// The rules of checks that may name it; one is enough.
    pub rules: &'static [&'static str],
    pub(crate) flaw: Flaw,
}

/// All bugs, area by area.
pub fn all() -> &'static [Bug] {
    &BUGS
}

/// The bug of this name.
pub fn by_id(id: &str) -> Option<&'static Bug> {
    BUGS.iter().find(|bug| bug.id == id)
}

macro_rules! bugs {
    ($($area:ident { $($flaw:ident, $id:literal, $says:literal, [$($rule:literal),+];)+ })+) => {
        /// What is wrong in a server. Each is asked for at one place.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw {
            $($($flaw,)+)+
        }

        const BUGS: [Bug; [$($($id),+),+].len()] = [
            $($(Bug { id: $id, says: $says, area: Area::$area, rules: &[$($rule),+], flaw: Flaw::$flaw },)+)+
        ];
    };
}

bugs! {
    Stock {
        LostUpdate, "lost-update", "a level is read, changed and written back without a lock",
            ["lost-update", "units-made", "units-lost", "oversold", "not-linearizable"];
        CheckOutsideLock, "check-outside-lock", "units are checked before the row is locked, and not again",
            ["oversold", "negative-stock"];
        OffByOneLastUnit, "off-by-one-last-unit", "the last unit is never given: more is asked for than needed",
            ["refused-without-cause"];
        SoldOneTooMany, "sold-one-too-many", "one unit more than there is can be reserved",
            ["oversold", "negative-stock"];
        RefusedWhileFree, "refused-while-free", "a mark of being sold out outlives a release or a receipt",
            ["refused-without-cause"];
        AdjustmentUnchecked, "adjustment-unchecked", "an adjustment takes more than is available",
            ["negative-stock", "oversold"];
        RefundTwice, "refund-twice", "a reservation released twice gives its units back twice",
            ["ended-twice", "units-made", "negative-stock", "oversold"];
        EndedOutsideLock, "ended-outside-lock", "whether a reservation still stands is looked at before the lock",
            ["ended-twice", "units-made", "negative-stock", "oversold"];
        ReservationNeverExpires, "reservation-never-expires", "a reservation whose time is over keeps its units",
            ["never-expired"];
        ExpiredReservationConfirmed, "expired-reservation-confirmed", "a reservation is confirmed after its units went back",
            ["expired-confirmed", "ended-twice", "units-made", "negative-stock", "oversold"];
        MovementMissing, "movement-missing", "the level changes and the ledger now and then forgets the row",
            ["units-lost", "units-made", "lost-update"];
        StaleReplicaRead, "stale-replica-read", "levels are read from a replica that lags",
            ["stale-read", "not-linearizable"];
    }
    Orders {
        UnsortedLocking, "unsorted-locking", "rows are locked in the order of the request",
            ["deadlock", "server-error"];
        LinesCheckedApart, "lines-checked-apart", "two lines of one product are each checked against all of it",
            ["oversold", "negative-stock"];
        PartialOrder, "partial-order", "the lines before a refused one stay taken",
            ["dirty-order", "units-lost", "lost-update"];
        LinesLockedInTurn, "lines-locked-in-turn", "each line is a transaction of its own",
            ["write-cycle", "dirty-order", "read-skew"];
        SnapshotTorn, "snapshot-torn", "a snapshot of several levels reads them one after the other",
            ["read-skew"];
    }
    Lock {
        DoubleGrant, "double-grant", "whoever finds a lock free takes it, a moment later",
            ["granted-twice", "fence-order"];
        LockReleasedByNonOwner, "lock-released-by-non-owner", "a release does not compare tokens",
            ["released-by-stranger", "granted-twice"];
        LockLostAtExpiry, "lock-lost-at-expiry", "a holder whose lease ran out still writes after the next one did",
            ["stale-write-accepted"];
        FencingIgnored, "fencing-ignored", "a guarded row takes writes with an old fence",
            ["stale-write-accepted"];
        FenceRepeated, "fence-repeated", "every other grant carries the fence of the one before",
            ["fence-order"];
        CrossTenantLock, "cross-tenant-lock", "tenants meet in one lock",
            ["cross-tenant-lock"];
        LockNeverExpires, "lock-never-expires", "a lock nobody releases stays",
            ["never-freed"];
        LeaseCutShort, "lease-cut-short", "a lease ends after half its time",
            ["granted-twice"];
        RenewalWithoutOwner, "renewal-without-owner", "a former holder renews its lease over the present one",
            ["granted-twice", "released-by-stranger"];
    }
    Limit {
        CheckThenHit, "check-then-hit-limiter", "calls are counted first and recorded a moment later",
            ["over-limit", "remaining-doubled"];
        LimiterPerProcess, "limiter-per-process", "each process counts for itself",
            ["over-limit", "remaining-doubled"];
        WindowKeyWithoutExpiry, "window-key-without-expiry", "a window that was full never ends",
            ["window-never-resets", "limited-without-cause"];
        RemainingRacing, "remaining-racing", "what remains is read before the call is counted",
            ["remaining-doubled", "remaining-wrong"];
        LimitOffByOne, "limit-off-by-one", "one call more than the limit passes",
            ["over-limit"];
        RefusedCallsCounted, "refused-calls-counted", "a refused call takes a place of the next window",
            ["limited-without-cause", "window-never-resets", "remaining-wrong"];
        LimitPerTenant, "limit-per-tenant", "the users of a tenant share one limit",
            ["other-user-limited", "limited-without-cause"];
    }
    Tenants {
        TenantPredicateMissing, "tenant-predicate-missing", "one route searches the rows of all tenants",
            ["tenant-leak"];
        CacheWithoutTenant, "cache-without-tenant", "a cache knows a product by its id alone",
            ["tenant-leak", "foreign-id-accepted"];
        ForeignIdInErrorText, "foreign-id-in-error-text", "the text of a 404 tells of another tenant's row",
            ["tenant-leak"];
        TenantOfConnection, "tenant-of-connection", "the tenant is a setting of a shared connection",
            ["tenant-leak"];
        ForeignIdPatched, "foreign-id-patched", "a change finds its row by id alone",
            ["foreign-id-accepted", "tenant-leak"];
    }
    Idempotency {
        IdempotencyWithoutBodyCheck, "idempotency-without-body-check", "a key with another body gets the first one's answer",
            ["body-not-checked", "replay-differs"];
        IdempotencyAfterEffect, "idempotency-after-effect", "a key is recorded after the effect, and nobody waits for it",
            ["created-twice", "effect-twice", "replay-differs"];
        ReplayRebuilt, "replay-rebuilt", "a replay is made anew instead of kept, with an id of its own",
            ["replay-differs", "created-twice"];
        IdempotencyPerProcess, "idempotency-per-process", "each process remembers its own keys",
            ["created-twice", "effect-twice", "replay-differs"];
    }
    Queue {
        JobAckedBeforeEffect, "job-acked-before-effect", "a job is done before its effect is",
            ["job-lost"];
        JobLostAtCrash, "job-lost-at-crash", "a job a worker took is nowhere else",
            ["job-lost"];
        LeaseNeverEnds, "lease-never-ends", "a job whose worker died stays with it",
            ["backlog-left", "job-lost"];
        EffectNotIdempotent, "effect-not-idempotent", "a job delivered again takes effect again",
            ["job-twice", "effect-twice"];
        OutboxByLastId, "outbox-by-last-id", "the relay remembers the last id and skips rows committed late",
            ["job-lost"];
        FlushNotRefilled, "flush-not-refilled", "a lost list of ready jobs is not made anew from the outbox",
            ["job-lost"];
    }
    Register {
        CounterLostUpdate, "counter-lost-update", "a counter is read, raised and written back without a lock",
            ["lost-update", "not-linearizable"];
        CasNotAtomic, "cas-not-atomic", "compare and set are two steps",
            ["lost-update", "not-linearizable"];
        RegisterCachedRead, "register-cached-read", "a process reads what it has read a moment ago",
            ["stale-read", "not-linearizable"];
        WriteAckedEarly, "write-acked-early", "a write is answered before it is done",
            ["stale-read", "not-linearizable", "lost-update"];
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own_in_kebab_case() {
        let mut ids = HashSet::new();
        for bug in all() {
            let kebab = |char: char| char.is_ascii_lowercase() || char == '-';
            assert!(bug.id.chars().all(kebab) && ids.insert(bug.id), "{}", bug.id);
            assert!(bug.says.len() > 20 && !bug.rules.is_empty(), "{}", bug.id);
            assert_eq!(by_id(bug.id).unwrap().flaw, bug.flaw);
        }
    }
}
