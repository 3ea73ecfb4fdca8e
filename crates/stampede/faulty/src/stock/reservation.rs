//! Reservations: units held until they are released, confirmed, or their time is over.
//!
//! Invariants: a reservation ends once, under the locks of its rows; the sweeper gives back what is overdue within a few
//! tens of milliseconds, and a reservation that is overdue is gone for everybody before that.

use std::rc::Rc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::change::{Change, Line, Step, lock};
use crate::bugs::Flaw;
use crate::face::{Answer, Call, Reply};
use crate::products;
use crate::state::State;

/// How often the sweeper looks.
const SWEEP_EVERY: Duration = Duration::from_millis(10);
/// Reservations it ends at once.
const SWEEP_MAX: usize = 256;
/// Longest time of a reservation, in milliseconds.
const TTL_MAX_MS: i64 = 86_400_000;

/// Units held.
pub(super) struct Reservation {
    tenant: String,
    lines: Vec<Line>,
    until: Option<Instant>,
    state: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    Released,
    Confirmed,
    Expired,
}

impl Standing {
    fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Confirmed => "confirmed",
            Self::Expired => "expired",
        }
    }
}

impl Reservation {
    fn overdue(&self) -> bool {
        self.state == Standing::Held && self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Whether it may end so now.
    fn may_become(&self, end: Standing, state: &State) -> bool {
        let expired = self.overdue() || self.state == Standing::Expired;
        match end {
            Standing::Confirmed if expired => state.has(Flaw::ExpiredReservationConfirmed),
            Standing::Released if self.state == Standing::Released => state.has(Flaw::RefundTwice),
            _ => self.state == Standing::Held && !expired,
        }
    }
}

pub(crate) async fn route(state: &State, call: &Call, rest: &[&str]) -> Answer {
    state.pause().await;
    match (&call.method, rest) {
        (&Method::POST, []) => reserve(state, call).await,
        (&Method::POST, [id, "release"]) => end(state, call, id, Standing::Released).await,
        (&Method::POST, [id, "confirm"]) => end(state, call, id, Standing::Confirmed).await,
        (&Method::GET, [id]) => {
            let standing = with(state, call, id, |found| found.state)?;
            Ok(Reply::ok(json!({"id": id, "state": standing.name()})))
        }
        _ => Err(Reply::absent()),
    }
}

/// Looks at a reservation of the caller's tenant.
fn with<T>(state: &State, call: &Call, id: &str, look: impl Fn(&Reservation) -> T) -> Result<T, Reply> {
    let stock = state.stock.borrow();
    let found = stock.reservations.get(id).filter(|found| found.tenant == call.tenant);
    found.map(look).ok_or_else(Reply::absent)
}

async fn reserve(state: &State, call: &Call) -> Answer {
    let lines = call.lines()?;
    let ttl = if call.body["ttl_ms"].is_null() { None } else { Some(call.int("ttl_ms", 1, TTL_MAX_MS)?) };
    for (product, _) in &lines {
        products::owned(state, &call.tenant, product)?;
    }
    let change = Change::taking(lines, Step { available: -1, reserved: 1, ..Step::default() }).summed(state);
    let items = change.run(state).await?;
    let id = state.new_id("r", &call.tenant);
    let until = ttl.map(|ttl| Instant::now() + Duration::from_millis(ttl as u64));
    let held = Reservation { tenant: call.tenant.clone(), lines: change.lines, until, state: Standing::Held };
    let stock = &mut *state.stock.borrow_mut();
    stock.due.extend(until.map(|until| (until, id.clone())));
    stock.reservations.insert(id.clone(), held);
    let mut body = json!({"id": id, "items": items});
    if let Some(until) = until {
        body["expires_at_ms"] = json!(state.unix_us(until) / 1_000);
    }
    Ok(Reply::created(body))
}

async fn end(state: &State, call: &Call, id: &str, end: Standing) -> Answer {
    let lines = with(state, call, id, |found| found.lines.clone())?;
    let may = || with(state, call, id, |found| found.may_become(end, state));
    let before = may()?;
    let _held = lock(&lines, state).await?;
    let may = if state.has(Flaw::EndedOutsideLock) { before } else { may()? };
    if !may {
        return Err(Reply::conflict("gone"));
    }
    let items = finish(state, &[id.to_owned()], end).await?;
    Ok(Reply::ok(json!({"items": items})))
}

/// Ends reservations whose rows the caller holds; their units go where the end says.
async fn finish(state: &State, ids: &[String], end: Standing) -> Result<Vec<Value>, Reply> {
    let step = match end {
        Standing::Confirmed => Step { reserved: -1, shipped: 1, ..Step::default() },
        _ => Step { reserved: -1, available: 1, ..Step::default() },
    };
    let lines = lines_of(state, ids).into_iter().map(|line| (line.product, line.units)).collect();
    let change = Change { checked: false, ..Change::taking(lines, step).summed(state) };
    let items = change.run_locked(state).await?;
    // In the same step in which the units moved: there is no await in between.
    let stock = &mut *state.stock.borrow_mut();
    for id in ids {
        if let Some(found) = stock.reservations.get_mut(id) {
            found.state = end;
            if let Some(until) = found.until {
                stock.due.remove(&(until, id.clone()));
            }
        }
    }
    Ok(items)
}

fn lines_of(state: &State, ids: &[String]) -> Vec<Line> {
    let stock = state.stock.borrow();
    ids.iter().filter_map(|id| stock.reservations.get(id)).flat_map(|found| found.lines.clone()).collect()
}

/// Gives back what is overdue, for ever.
pub(crate) async fn sweep(state: Rc<State>) {
    let mut ticks = interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if !state.has(Flaw::ReservationNeverExpires) {
            // What could not be done now is done at the next tick.
            drop(expire(&state).await);
        }
    }
}

async fn expire(state: &State) -> Result<(), Reply> {
    let due = overdue(state);
    if due.is_empty() {
        return Ok(());
    }
    let _held = lock(&lines_of(state, &due), state).await?;
    // While it waited for the rows some of them ended otherwise, and others came due whose rows it does not hold.
    let mut still = overdue(state);
    still.retain(|id| due.contains(id));
    finish(state, &still, Standing::Expired).await.map(drop)
}

fn overdue(state: &State) -> Vec<String> {
    let (stock, now) = (state.stock.borrow(), Instant::now());
    let due = stock.due.iter().take_while(|(until, _)| *until <= now);
    due.take(SWEEP_MAX).map(|(_, id)| id.clone()).collect()
}
