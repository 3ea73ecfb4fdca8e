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
            returned_quantity: row.try_get(11)?,
            version: row.try_get(9)?,
            last_version: row.try_get(12)?,
        };
        match reservations.last_mut() {
            Some(last) if last.id == id => {
                let is_same = |known: &ReservationItem| {
                    (known.product_id, known.warehouse_id) == (item.product_id, item.warehouse_id)
                };
                // Units that are there twice would be given back twice.
                if last.items.iter().any(is_same) {
                    return Err(StoreError::Corrupt("a reservation"));
                }
                last.items.push(item);
            }
            _ => reservations.push(Reservation {
                id,
                status: ReservationStatus::parse(status).ok_or(StoreError::Corrupt("a reservation's status"))?,
                order_id: row.try_get::<_, Option<Uuid>>(2)?.map(OrderId::from_uuid),
                reference: row.try_get(3)?,
                items: vec![item],
                expires_at: row.try_get(10)?,
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
        let item = OrderItem {
            product_id,
            quantity: row.try_get(2)?,
            unit_price_minor: row.try_get(3)?,
            fulfilled_quantity: 0,
            returned_quantity: 0,
            allocations: Vec::new(),
        };
        lines.entry(order).or_default().push(item);
    }
    orders
        .iter()
        .map(|row| {
            let id = OrderId::from_uuid(row.try_get(0)?);
            let status: &str = row.try_get(3)?;
            let mut order = Order {
                id,
                order_number: row.try_get(1)?,
                customer_id: CustomerId::from_uuid(row.try_get(2)?),
                status: OrderStatus::parse(status).ok_or(StoreError::Corrupt("an order's status"))?,
                currency: row.try_get(4)?,
                total_minor: row.try_get(5)?,
                reference: row.try_get(6)?,
                reservation_id: None,
                items: lines.remove(&id).unwrap_or_default(),
                version: row.try_get(7)?,
                expires_at: None,
                created_at: row.try_get(8)?,
            };
            if let Some(reservation) = held.get(&id) {
                show_held(&mut order, reservation);
            }
            Ok(order)
        })
        .collect()
}

/// Puts into an order what is known of it from the reservation that holds its stock.
pub(crate) fn show_held(order: &mut Order, held: &Reservation) {
    order.reservation_id = Some(held.id);
    order.expires_at = held.expires_at;
    for line in &mut order.items {
        let of_product = || held.items.iter().filter(|item| item.product_id == line.product_id);
        line.fulfilled_quantity = of_product().map(|item| item.fulfilled_quantity).sum();
        line.returned_quantity = of_product().map(|item| item.returned_quantity).sum();
        line.allocations = of_product()
            .map(|item| Allocation {
                warehouse_id: item.warehouse_id,
                quantity: item.quantity,
                last_version: item.last_version,
            })
            .collect();
    }
}
