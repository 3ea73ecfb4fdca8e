//! Stock: take, give back, ship, add, look.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use rand::RngExt as _;
use serde_json::Value;
use stampede_model::history::Fields;
use stampede_model::interval::Interval;
use stampede_model::target::Scope;
use tokio::time::sleep;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};

/// Reservations that one client keeps open; the oldest is given back first.
const MAX_OPEN: usize = 8;
/// One in so many ends is tried by two clients at the same time.
const TOGETHER_ONE_IN: u32 = 6;

/// A reservation that its client is about to end, and how, for another client to end as well.
pub(in super::super) type Offered = Rc<RefCell<Option<(Open, &'static str)>>>;

/// One open reservation.
#[derive(Clone, Debug)]
pub(in super::super) struct Open {
    object: usize,
    reservation: Value,
    units: i64,
    /// What it was ended by.
    ended_by: &'static str,
}

/// What a client holds.
#[derive(Debug, Default)]
pub(in super::super) struct Stocking {
    open: Vec<Open>,
    /// Reservations that have ended: ending them again must be refused.
    ended: Vec<Open>,
    /// Reservations that end by themselves, with the interval of the call that made them.
    lapsing: Vec<(Open, Interval)>,
    offered: Offered,
}

impl Stocking {
    pub(super) fn with(offered: &Offered) -> Self {
        Self { offered: Rc::clone(offered), ..Self::default() }
    }

    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        if let Some((open, role)) = self.offer_of_another(client) {
            return self.end_one(client, open, role).await;
        }
        if self.open.len() >= MAX_OPEN && client.has("release") {
            return self.end(client, "release").await;
        }
        let has_open = !self.open.is_empty() || !self.ended.is_empty();
        let role = client.choose(|role| has_open || !matches!(role, "release" | "confirm"));
        match role {
            Some("reserve") => self.reserve(client).await,
            Some(role @ ("release" | "confirm")) => self.end(client, role).await,
            Some(role) => change(client, role).await,
            None => Ok(()),
        }
    }

    async fn reserve<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let object = client.any_object();
        let units = units(client);
        let intent = Intent {
            role: "reserve",
            object,
            input: Fields::new().with("units", units),
            slots: Scope::default().with("units", units),
            ..Intent::default()
        };
        let done = client.perform(intent).await?;
        if done.is_ok()
            && let Some(reservation) = done.taken.get("reservation")
        {
            let open = Open { object, reservation: reservation.clone(), units, ended_by: "" };
            let interval = Interval {
                call_ns: done.operation.call_ns,
                return_ns: done.operation.return_ns.unwrap_or(done.operation.call_ns),
            };
            if client.shared.workload.setting("reservation_ttl_ms").is_some() {
                self.lapsing.push((open.clone(), interval));
            }
            self.open.push(open);
        }
        Ok(())
    }

    /// Ends the oldest open reservation; one time in eight one that has ended already.
    async fn end<W: Write>(&mut self, client: &mut Client<'_, '_, W>, role: &'static str) -> Result<(), WorkloadError> {
        let again = !self.ended.is_empty() && (self.open.is_empty() || client.rng.random_range(0..8) == 0);
        let open = if again { self.ended.remove(0) } else { self.open.remove(0) };
        // Some targets answer a repeated end as they answered the first; what ended one way must not end another.
        let repeats = client.shared.workload.settings.contains_key("repeated_end") && open.ended_by == role;
        let role = match role {
            "release" if repeats && client.has("confirm") => "confirm",
            "confirm" if repeats && client.has("release") => "release",
            _ if repeats => return Ok(()),
            role => role,
        };
        // What ends by itself is written down by its own client, who would not know that another one ended it.
        let lapses = client.shared.workload.setting("reservation_ttl_ms").is_some();
        if !again && !lapses && client.rng.random_range(0..TOGETHER_ONE_IN) == 0 {
            *self.offered.borrow_mut() = Some((open.clone(), role));
        }
        self.end_one(client, open, role).await
    }

    /// What another client is ending at this moment, and how to end it too.
    fn offer_of_another<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Option<(Open, &'static str)> {
        let (open, first) = self.offered.borrow_mut().take()?;
        let must_differ = client.shared.workload.settings.contains_key("repeated_end");
        let may = |role: &&str| client.has(role) && !(must_differ && *role == first);
        let roles: Vec<&str> = ["release", "confirm"].into_iter().filter(may).collect();
        let role = roles.get(client.rng.random_range(0..roles.len().max(1)))?;
        Some((open, role))
    }

    async fn end_one<W: Write>(
        &mut self,
        client: &mut Client<'_, '_, W>,
        mut open: Open,
        role: &'static str,
    ) -> Result<(), WorkloadError> {
        let slots = Scope::default().with("reservation", open.reservation.clone()).with("units", open.units);
        let intent = Intent {
            role,
            object: open.object,
            input: Fields::new().with("units", open.units).with("reservation", open.reservation.clone()),
            slots,
            ..Intent::default()
        };
        let done = client.perform(intent).await?;
        if done.is_ok() {
            self.lapsing.retain(|(lapsing, _)| lapsing.reservation != open.reservation);
        }
        if done.is_ok() && self.ended.len() < MAX_OPEN {
            open.ended_by = role;
            self.ended.push(open);
        }
        Ok(())
    }
}

impl Stocking {
    /// Waits until every reservation with an end of its own must be over, records those ends, and tries to ship one all the same.
    pub(super) async fn outlast<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
        let setting_ns = |name| client.shared.workload.setting(name).unwrap_or(0).unsigned_abs() * 1_000_000;
        let (ttl_ns, slack_ns) = (setting_ns("reservation_ttl_ms"), setting_ns("expire_slack_ms"));
        let lapsing = std::mem::take(&mut self.lapsing);
        let Some(last_ns) = lapsing.iter().map(|(_, made)| made.return_ns + ttl_ns + slack_ns).max() else {
            return Ok(());
        };
        self.open.clear();
        sleep(Duration::from_nanos(last_ns.saturating_sub(client.now_ns()))).await;
        for (open, made) in &lapsing {
            let expired = Interval { call_ns: made.call_ns + ttl_ns, return_ns: made.return_ns + ttl_ns + slack_ns };
            let input = Fields::new().with("units", open.units).with("reservation", open.reservation.clone());
            client.note("expire", (open.object, input), expired)?;
        }
        if let Some((late, _)) = lapsing.into_iter().next()
            && client.has("confirm")
        {
            self.open.push(late);
            return self.end(client, "confirm").await;
        }
        Ok(())
    }
}

/// What needs no reservation.
async fn change<W: Write>(client: &mut Client<'_, '_, W>, role: &'static str) -> Result<(), WorkloadError> {
    let object = client.any_object();
    let units = units(client);
    let (input, slots) = match role {
        "receive" => (Fields::new().with("units", units), Scope::default().with("units", units)),
        "adjust" => {
            let delta = if client.rng.random() { units } else { -units };
            (Fields::new().with("delta", delta), Scope::default().with("delta", delta))
        }
        _ => (Fields::new(), Scope::default()),
    };
    client.perform(Intent { role, object, input, slots, ..Intent::default() }).await?;
    Ok(())
}

/// Mostly one unit: an exact search sees through those.
fn units<W: Write>(client: &mut Client<'_, '_, W>) -> i64 {
    if let Some(units) = client.shared.workload.setting("units_fixed") {
        return units;
    }
    let most = client.shared.workload.setting("units_max").unwrap_or(1).max(1);
    client.rng.random_range(1..=most)
}
