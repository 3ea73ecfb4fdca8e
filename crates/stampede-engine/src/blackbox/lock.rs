//! The lock row: the rules of a lock as small stories, each on a resource of its own.

use std::time::Duration;

use stampede_model::row::{Lease, LockObservation, LockRule, LockSight, LockWish};
use stampede_model::target::{LockRow, Ref};
use stampede_model::verdict::{Ruling, judge_lock_rules};

use super::caller::{Bench, Caller};
use super::error::RowError;
use super::exchange::{Answered, Line};
use super::{millis, nanos};

/// How long a waiter waits for an expiry beyond the time to live.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn run(bench: &Bench<'_>, row: &LockRow) -> Result<Ruling, RowError> {
    let owner = bench.caller(&row.user).await?;
    let rival = bench.caller(&row.other_user).await?;
    let line = bench.open_line().await?;
    let mut teller = Teller { bench, row, line, seen: Vec::new(), rule: LockRule::Acquire };
    for rule in LockRule::ALL {
        teller.rule = rule;
        let owner = owner.with("resource", format!("stampede:{}", bench.unique()));
        let rival = rival.with("resource", owner.scope.get("resource").cloned().unwrap_or_default());
        match rule {
            LockRule::Acquire => teller.acquire_story(&owner).await?,
            LockRule::RefuseHeld => teller.refuse_story(&owner).await?,
            LockRule::Reacquire => teller.reacquire_story(&owner).await?,
            LockRule::Expire => teller.expire_story(&owner).await?,
            LockRule::Execute => teller.execute_story(&owner).await?,
            LockRule::Tenants => teller.tenants_story(&owner, &rival).await?,
            LockRule::Strangers => teller.strangers_story(&owner).await?,
        }
    }
    Ok(judge_lock_rules(&teller.seen))
}

/// Tells one rule's story and notes what it sees.
struct Teller<'b, 't> {
    bench: &'b Bench<'t>,
    row: &'b LockRow,
    line: Line,
    seen: Vec<LockObservation>,
    rule: LockRule,
}

/// A lock that was granted.
struct Held {
    lease: Lease,
    /// The holder, who knows his token.
    holder: Caller,
}

/// What a step's wish rests on.
#[derive(Clone, Copy, Default)]
struct Grounds {
    during: Option<Lease>,
    after: Option<Lease>,
}

impl Grounds {
    const NONE: Self = Self { during: None, after: None };

    fn during(held: &Held) -> Self {
        Self { during: Some(held.lease), after: None }
    }

    fn after(held: &Held) -> Self {
        Self { during: None, after: Some(held.lease) }
    }
}

impl Teller<'_, '_> {
    async fn acquire_story(&mut self, owner: &Caller) -> Result<(), RowError> {
        let Some(held) = self.take(owner, "acquire").await? else { return Ok(()) };
        self.look(owner, "a look after it", LockWish::Held, Grounds::during(&held)).await?;
        self.give(&held.holder, "release", LockWish::Accepted).await
    }

    async fn refuse_story(&mut self, owner: &Caller) -> Result<(), RowError> {
        let Some(held) = self.take(owner, "first acquire").await? else { return Ok(()) };
        self.refused_at_once(owner, "second acquire, wait 0", &held).await?;
        self.give(&held.holder, "release", LockWish::Accepted).await
    }

    async fn reacquire_story(&mut self, owner: &Caller) -> Result<(), RowError> {
        let Some(held) = self.take(owner, "first acquire").await? else { return Ok(()) };
        self.give(&held.holder, "release", LockWish::Accepted).await?;
        let again = self.acquire(owner, Duration::ZERO, self.row.ttl).await?;
        self.note_call("acquire after it, wait 0", LockWish::Accepted, &again, Grounds::NONE);
        Ok(())
    }

    async fn expire_story(&mut self, owner: &Caller) -> Result<(), RowError> {
        let ttl = self.row.short_ttl;
        let first = self.acquire(owner, Duration::ZERO, ttl).await?;
        self.note_call("acquire with a short time to live", LockWish::Accepted, &first, Grounds::NONE);
        let Some(first) = held(owner, &first, ttl) else { return Ok(()) };
        self.refused_at_once(owner, "acquire before it expires, wait 0", &first).await?;
        let heir = self.acquire(owner, ttl + PATIENCE, self.row.ttl).await?;
        self.note_call("acquire that waits for the expiry", LockWish::Accepted, &heir, Grounds::after(&first));
        let Some(heir) = held(owner, &heir, self.row.ttl) else { return Ok(()) };
        self.give(&first.holder, "release by the expired holder", LockWish::Refused).await?;
        self.look(owner, "a look after that", LockWish::Held, Grounds::during(&heir)).await
    }

    async fn execute_story(&mut self, owner: &Caller) -> Result<(), RowError> {
        let Some(held) = self.take(owner, "acquire").await? else { return Ok(()) };
        let work = self.bench.call(&mut self.line, &self.row.work, owner).await?;
        self.note_call("work under the lock", LockWish::Accepted, &work, Grounds::NONE);
        self.refused_at_once(owner, "another acquire meanwhile, wait 0", &held).await?;
        self.give(&held.holder, "release", LockWish::Accepted).await?;
        self.look(owner, "a look after it", LockWish::Free, Grounds::NONE).await
    }

    async fn tenants_story(&mut self, owner: &Caller, rival: &Caller) -> Result<(), RowError> {
        let Some(held) = self.take(owner, "acquire").await? else { return Ok(()) };
        self.look(rival, "another tenant's look at that name", LockWish::Free, Grounds::NONE).await?;
        let theirs = self.acquire(rival, Duration::ZERO, self.row.ttl).await?;
        self.note_call("another tenant's acquire of that name", LockWish::Accepted, &theirs, Grounds::NONE);
        self.look(owner, "a look after that", LockWish::Held, Grounds::during(&held)).await
    }

    /// The stranger shows a real token, but of another lock: well-formed, so that only ownership can refuse it.
    async fn strangers_story(&mut self, owner: &Caller) -> Result<(), RowError> {
        let Some(held) = self.take(owner, "acquire").await? else { return Ok(()) };
        let elsewhere = owner.with("resource", format!("stampede:{}", self.bench.unique()));
        let Some(other) = self.take(&elsewhere, "a stranger's acquire of another lock").await? else { return Ok(()) };
        let resource = owner.scope.get("resource").cloned().unwrap_or_default();
        self.give(&other.holder.with("resource", resource), "a stranger's release", LockWish::Refused).await?;
        self.look(owner, "a look after it", LockWish::Held, Grounds::during(&held)).await?;
        self.refused_at_once(owner, "an acquire after it, wait 0", &held).await?;
        self.give(&held.holder, "the holder's own release", LockWish::Accepted).await
    }

    /// Acquires a free lock, which must be granted.
    async fn take(&mut self, caller: &Caller, step: &str) -> Result<Option<Held>, RowError> {
        let ttl = self.row.ttl;
        let answered = self.acquire(caller, PATIENCE, ttl).await?;
        self.note_call(step, LockWish::Accepted, &answered, Grounds::NONE);
        Ok(held(caller, &answered, ttl))
    }

    async fn refused_at_once(&mut self, caller: &Caller, step: &str, holder: &Held) -> Result<(), RowError> {
        let answered = self.acquire(caller, Duration::ZERO, self.row.ttl).await?;
        self.note_call(step, LockWish::Refused, &answered, Grounds::during(holder));
        Ok(())
    }

    async fn give(&mut self, holder: &Caller, step: &str, wish: LockWish) -> Result<(), RowError> {
        let answered = self.bench.call(&mut self.line, &self.row.release, holder).await?;
        self.note_call(step, wish, &answered, Grounds::NONE);
        Ok(())
    }

    async fn look(&mut self, caller: &Caller, step: &str, wish: LockWish, grounds: Grounds) -> Result<(), RowError> {
        let answered = self.bench.call(&mut self.line, &self.row.inspect, caller).await?;
        let held = answered.taken.get("held").and_then(serde_json::Value::as_bool);
        match held {
            Some(held) => self.note(step, wish, (&answered, LockSight::Look { held }), grounds),
            None => self.note_call(step, wish, &answered, grounds),
        }
        Ok(())
    }

    async fn acquire(&mut self, caller: &Caller, wait: Duration, ttl: Duration) -> Result<Answered, RowError> {
        acquire(self.bench, &mut self.line, &self.row.acquire, &caller.patient(wait, ttl)).await
    }

    fn note_call(&mut self, step: &str, wish: LockWish, answered: &Answered, grounds: Grounds) {
        self.note(step, wish, (answered, LockSight::Call(answered.outcome.clone())), grounds);
    }

    fn note(&mut self, step: &str, wish: LockWish, (answered, sight): (&Answered, LockSight), grounds: Grounds) {
        self.seen.push(LockObservation {
            rule: self.rule,
            step: step.to_owned(),
            interval: answered.interval,
            wish,
            sight,
            during: grounds.during,
            after: grounds.after,
        });
    }
}

impl Caller {
    /// The same user, ready to wait so long for a lock of this time to live.
    pub(super) fn patient(&self, wait: Duration, ttl: Duration) -> Self {
        self.with("wait_ms", millis(wait)).with("ttl_ms", millis(ttl))
    }
}

fn held(caller: &Caller, answered: &Answered, ttl: Duration) -> Option<Held> {
    if !answered.is_accepted() {
        return None;
    }
    let mut holder = caller.clone();
    holder.scope.extend(&answered.taken);
    Some(Held { lease: Lease { acquire: answered.interval, ttl_ns: nanos(ttl) }, holder })
}

/// An acquire may take its wait on top of an ordinary answer's time.
async fn acquire(bench: &Bench<'_>, line: &mut Line, request: &Ref, caller: &Caller) -> Result<Answered, RowError> {
    let mut prepared = bench.prepare(request, caller)?;
    let wait_ms = caller.scope.get("wait_ms").and_then(serde_json::Value::as_u64).unwrap_or(0);
    prepared.wait += Duration::from_millis(wait_ms);
    bench.call_prepared(line, &prepared).await
}
