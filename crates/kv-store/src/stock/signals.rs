//! What a batch says to others: events, and the jobs that follow from them, in its own transaction.
//!
//! Invariant: one statement for both, and none for a batch that nothing follows from; holding stock is such a one, unless it leaves a
//! level low.

use jiff::Timestamp;
use kv_types::events::EventKind;
use kv_types::stock::Reservation;
use kv_types::{OrderId, ReservationId};
use serde_json::{Value, json};
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::board::{Board, Level, LevelKey};
use super::connection::Connection;
use crate::StoreError;
use crate::jobs::Bell;
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// Events in their order, those of orders with what the order is, and jobs.
    EMIT = "with emitted as (
        insert into events (tenant_id, id, type, data, created_at)
        select $1, c.id, c.type,
               case when o.id is null then c.data
                    else c.data || jsonb_build_object('order_number', o.number, 'customer_id', o.customer_id,
                             'currency', o.currency, 'total_minor', o.total_minor, 'reference', o.reference) end,
               $6
          from unnest($2::uuid[], $3::text[], $4::jsonb[], $5::uuid[]) with ordinality as c(id, type, data, order_id, place)
          left join orders o on o.tenant_id = $1 and o.id = c.order_id
         order by c.place)
        insert into jobs (tenant_id, id, kind, payload)
        select $1, c.* from unnest($7::uuid[], $8::text[], $9::jsonb[]) as c";
}

/// The job that follows from a new order: `{"order_id": ..}`.
pub(crate) const SEND_ORDER_CONFIRMATION: &str = "send_order_confirmation";

/// Something that happened to an order or a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Order(EventKind, OrderId),
    ReservationExpired(ReservationId),
}

#[derive(Debug)]
struct NewEvent {
    kind: EventKind,
    data: Value,
    /// Whose facts are added when it is written.
    order: Option<Uuid>,
}

/// What a batch says.
#[derive(Debug, Default)]
pub(super) struct Signals {
    events: Vec<NewEvent>,
    jobs: Vec<(&'static str, Value)>,
}

impl Signals {
    /// What follows from the effects on a board.
    pub(super) fn of(board: &Board) -> Self {
        let mut signals = Self::default();
        for happened in &board.effects.happened {
            match happened {
                Happened::Order(kind, id) => signals.of_order(*kind, *id),
                Happened::ReservationExpired(id) => {
                    if let Some(held) = board.reservations.get(id) {
                        let data = expired(held);
                        signals.events.push(NewEvent { kind: EventKind::ReservationExpired, data, order: None });
                    }
                }
            }
        }
        for (key, level) in &board.levels {
            if let Some(point) = level.fell_to() {
                let data = low(*key, level, point);
                signals.events.push(NewEvent { kind: EventKind::StockLow, data, order: None });
            }
        }
        signals
    }

    fn of_order(&mut self, kind: EventKind, id: OrderId) {
        let data = json!({"order_id": id});
        if kind == EventKind::OrderCreated {
            self.jobs.push((SEND_ORDER_CONFIRMATION, data.clone()));
        }
        self.events.push(NewEvent { kind, data, order: Some(id.uuid()) });
    }

    /// Whether there is nothing to say.
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.jobs.is_empty()
    }

    /// Tells the relays that there is something, once it is committed.
    pub(super) fn call(&self, bell: &Bell) {
        if !self.is_empty() {
            bell.ring();
        }
    }

    /// Writes them, behind the orders that they are about.
    pub(super) async fn write(
        &self,
        connection: &Connection,
        (tenant, now): (i64, Timestamp),
    ) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.events.iter().map(|_| Uuid::now_v7()).collect();
        let kinds: Vec<&str> = self.events.iter().map(|event| event.kind.as_str()).collect();
        let data: Vec<Json<&Value>> = self.events.iter().map(|event| Json(&event.data)).collect();
        let orders: Vec<Option<Uuid>> = self.events.iter().map(|event| event.order).collect();
        let jobs: Vec<Uuid> = self.jobs.iter().map(|_| Uuid::now_v7()).collect();
        let works: Vec<&str> = self.jobs.iter().map(|(kind, _)| *kind).collect();
        let payloads: Vec<Json<&Value>> = self.jobs.iter().map(|(_, payload)| Json(payload)).collect();
        let params: Params<'_> = &[&tenant, &ids, &kinds, &data, &orders, &now, &jobs, &works, &payloads];
        connection.execute(&EMIT, params).await.map(drop)
    }
}

fn expired(held: &Reservation) -> Value {
    let items: Vec<Value> = held
        .items
        .iter()
        .map(|item| json!({"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": item.quantity - item.fulfilled_quantity}))
        .collect();
    json!({"reservation_id": held.id, "order_id": held.order_id, "reference": held.reference, "items": items})
}

fn low((product, warehouse): LevelKey, level: &Level, point: i64) -> Value {
    json!({"product_id": product, "warehouse_id": warehouse, "quantity": level.quantity, "on_hand_quantity": level.on_hand(),
        "reorder_point": point, "version": level.version})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(locked_quantity: i64, quantity: i64) -> Level {
        Level { quantity, locked_quantity, reorder_point: Some(5), ..Level::default() }
    }

    #[test]
    fn a_level_is_told_of_when_it_falls_to_its_point_and_not_while_it_lies_there() {
        assert_eq!([level(6, 5), level(9, 0)].map(|level| level.fell_to()), [Some(5), Some(5)]);
        for (before, after) in [(6, 6), (5, 4), (5, 6), (0, 9), (4, 5)] {
            assert_eq!(level(before, after).fell_to(), None, "{before} to {after}");
        }
        assert_eq!(Level { reorder_point: None, ..level(6, 0) }.fell_to(), None);
    }
}
