//! Reading orders, each with its lines and what holds its stock, in one round trip. Changing them is [`crate::stock`]'s.

use kv_types::order::Order;
use kv_types::{OrderId, TenantId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::statement::statements;
use crate::stock::rows::{read_orders, read_reservations};
use crate::{Page, Store, StoreError};

statements! {
    /// One order.
    GET_ORDER = "select id, number, customer_id, status, currency, total_minor, reference, version, created_at
          from orders where tenant_id = $1 and id = $2";
    /// Its lines.
    GET_ORDER_ITEMS = "select order_id, product_id, quantity, unit_price_minor
          from order_items where tenant_id = $1 and order_id = $2 order by line";
    /// What holds its stock.
    GET_ORDER_RESERVATIONS = "select id, status, order_id, reference, created_at, product_id, warehouse_id,
               quantity, fulfilled_quantity, level_version, expires_at, returned_quantity, last_version
          from reservations where tenant_id = $1 and order_id = $2 order by 1, 6, 7";
    /// Orders in the order of their ids, which is that of their making, after $2.
    LIST_ORDERS = "select id, number, customer_id, status, currency, total_minor, reference, version, created_at
          from orders where tenant_id = $1 and id > $2 order by id limit $3";
    /// The lines of the same orders.
    LIST_ORDER_ITEMS = "select i.order_id, i.product_id, i.quantity, i.unit_price_minor
          from (select id from orders where tenant_id = $1 and id > $2 order by id limit $3) o
          join order_items i on i.tenant_id = $1 and i.order_id = o.id
         order by i.order_id, i.line";
    /// What holds the same orders' stock.
    LIST_ORDER_RESERVATIONS = "select r.id, r.status, r.order_id, r.reference, r.created_at, r.product_id, r.warehouse_id,
               r.quantity, r.fulfilled_quantity, r.level_version, r.expires_at, r.returned_quantity, r.last_version
          from (select id from orders where tenant_id = $1 and id > $2 order by id limit $3) o
          join reservations r on r.tenant_id = $1 and r.order_id = o.id
         order by 1, 6, 7";
}

impl Store {
    /// One order.
    pub async fn order(&self, tenant: TenantId, id: OrderId) -> Result<Option<Order>, StoreError> {
        let statements = [&GET_ORDER, &GET_ORDER_ITEMS, &GET_ORDER_RESERVATIONS];
        let [orders, items, held] = self.read_all(tenant, statements, &[&tenant.get(), &id.uuid()]).await?;
        Ok(assemble(&orders, &items, &held)?.pop())
    }

    /// A page of the orders, oldest first, after an id.
    pub async fn orders(
        &self,
        tenant: TenantId,
        after: Option<OrderId>,
        limit: i64,
    ) -> Result<Page<Order>, StoreError> {
        let after = after.map_or(Uuid::nil(), OrderId::uuid);
        let statements = [&LIST_ORDERS, &LIST_ORDER_ITEMS, &LIST_ORDER_RESERVATIONS];
        let [orders, items, held] = self.read_all(tenant, statements, &[&tenant.get(), &after, &(limit + 1)]).await?;
        let mut rows = assemble(&orders, &items, &held)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Page { rows, has_more })
    }
}

/// Orders, their lines and their reservations, as the three statements gave them.
pub(crate) fn assemble(orders: &[Row], items: &[Row], reservations: &[Row]) -> Result<Vec<Order>, StoreError> {
    let reservations = read_reservations(reservations)?;
    read_orders(orders, items, reservations.iter())
}
