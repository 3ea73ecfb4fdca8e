//! Stock: take, give back, ship, add, look.

use std::io::Write;

use rand::RngExt as _;
use serde_json::Value;
use stampede_model::history::Fields;
use stampede_model::target::Scope;

use super::super::WorkloadError;
use super::super::client::{Client, Intent};

/// Reservations that one client keeps open; the oldest is given back first.
const MAX_OPEN: usize = 8;

/// One open reservation.
#[derive(Clone, Debug)]
struct Open {
    object: usize,
    reservation: Value,
    units: i64,
}

/// What a client holds.
#[derive(Debug, Default)]
pub(in super::super) struct Stocking {
    open: Vec<Open>,
    /// Reservations that have ended: ending them again must be refused.
    ended: Vec<Open>,
}

impl Stocking {
    pub(super) async fn act<W: Write>(&mut self, client: &mut Client<'_, '_, W>) -> Result<(), WorkloadError> {
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
            self.open.push(Open { object, reservation: reservation.clone(), units });
        }
        Ok(())
    }

    /// Ends the oldest open reservation; one time in eight one that has ended already.
    async fn end<W: Write>(&mut self, client: &mut Client<'_, '_, W>, role: &'static str) -> Result<(), WorkloadError> {
        let again = !self.ended.is_empty() && (self.open.is_empty() || client.rng.random_range(0..8) == 0);
        let open = if again { self.ended.remove(0) } else { self.open.remove(0) };
        let slots = Scope::default().with("reservation", open.reservation.clone()).with("units", open.units);
        let intent = Intent {
            role,
            object: open.object,
            input: Fields::new().with("units", open.units).with("reservation", open.reservation.clone()),
            slots,
            ..Intent::default()
        };
        let done = client.perform(intent).await?;
        if done.is_ok() && self.ended.len() < MAX_OPEN {
            self.ended.push(open);
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
    let most = client.shared.workload.setting("units_max").unwrap_or(1).max(1);
    client.rng.random_range(1..=most)
}
