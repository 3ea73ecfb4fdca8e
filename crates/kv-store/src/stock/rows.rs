//! From rows to views: reservations and orders, each put together from its lines.

use std::collections::HashMap;

use jiff::Timestamp;
use kv_types::order::{Allocation, Order, OrderItem, OrderStatus};
use kv_types::stock::{Reservation, ReservationItem, ReservationStatus};
use kv_types::{CustomerId, OrderId, ProductId, ReservationId, WarehouseId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::StoreError;

/// Puts the lines of reservations together; the rows come sorted by reservation.
pub(crate) fn read_reservations(rows: &[Row]) -> Result<Vec<Reservation>, StoreError> {
    let mut reservations: Vec<Reservation> = Vec::new();
    for row in rows {
        let id = ReservationId::from_uuid(row.try_get(0)?);
        let status: &str = row.try_get(1)?;
        let item = ReservationItem {
            product_id: ProductId::from_uuid(row.try_get(5)?),
            warehouse_id: WarehouseId::from_uuid(row.try_get(6)?),
            quantity: row.try_get(7)?,
            fulfilled_quantity: row.try_get(8)?,
            version: row.try_get(9)?,
        };
        match reservations.last_mut() {
            Some(last) if last.id == id => last.items.push(item),
            _ => reservations.push(Reservation {
                id,
                status: ReservationStatus::parse(status).ok_or(StoreError::Corrupt("a reservation's status"))?,
                order_id: row.try_get::<_, Option<Uuid>>(2)?.map(OrderId::from_uuid),
                reference: row.try_get(3)?,
                items: vec![item],
                created_at: row.try_get::<_, Timestamp>(4)?,
            }),
        }
    }
    Ok(reservations)
}

/// Puts orders, their lines and what holds their stock together. `orders` come in the order in which they shall stay.
pub(crate) fn read_orders<'a>(
    orders: &[Row],
    items: &[Row],
    reservations: impl Iterator<Item = &'a Reservation>,
) -> Result<Vec<Order>, StoreError> {
    let held: HashMap<OrderId, &Reservation> =
        reservations.filter_map(|reservation| Some((reservation.order_id?, reservation))).collect();
    let mut lines: HashMap<OrderId, Vec<OrderItem>> = HashMap::new();
    for row in items {
        let order = OrderId::from_uuid(row.try_get(0)?);
        let product_id = ProductId::from_uuid(row.try_get(1)?);
        let holds = held.get(&order).map_or(&[][..], |reservation| &reservation.items);
        let allocations = holds
            .iter()
            .filter(|item| item.product_id == product_id)
            .map(|item| Allocation { warehouse_id: item.warehouse_id, quantity: item.quantity })
            .collect();
        let item = OrderItem { product_id, quantity: row.try_get(2)?, unit_price_minor: row.try_get(3)?, allocations };
        lines.entry(order).or_default().push(item);
    }
    orders
        .iter()
        .map(|row| {
            let id = OrderId::from_uuid(row.try_get(0)?);
            let status: &str = row.try_get(3)?;
            Ok(Order {
                id,
                order_number: row.try_get(1)?,
                customer_id: CustomerId::from_uuid(row.try_get(2)?),
                status: OrderStatus::parse(status).ok_or(StoreError::Corrupt("an order's status"))?,
                currency: row.try_get(4)?,
                total_minor: row.try_get(5)?,
                reference: row.try_get(6)?,
                reservation_id: held.get(&id).map(|reservation| reservation.id),
                items: lines.remove(&id).unwrap_or_default(),
                version: row.try_get(7)?,
                created_at: row.try_get(8)?,
            })
        })
        .collect()
}
