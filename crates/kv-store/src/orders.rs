//! Reading orders, each with its lines and what holds its stock, in one round trip. Changing them is [`crate::stock`]'s.

use kv_types::order::Order;
use kv_types::{OrderId, TenantId};
use uuid::Uuid;

use crate::session::Params;
use crate::statement::statements;
use crate::stock::rows::{read_orders, read_reservations};
use crate::{Page, Store, StoreError};

statements! {
    /// Orders in the order of their ids, which is that of their making, after $2. One that $3 names, when it is not null.
    LIST_ORDERS = "select id, number, customer_id, status, currency, total_minor, reference, version, created_at
          from orders where tenant_id = $1 and id > $2 and ($3::uuid is null or id = $3) order by id limit $4";
    /// The lines of the same orders.
    LIST_ORDER_ITEMS = "select i.order_id, i.product_id, i.quantity, i.unit_price_minor
          from order_items i
          join (select id from orders where tenant_id = $1 and id > $2 and ($3::uuid is null or id = $3) order by id limit $4) o
            on i.tenant_id = $1 and i.order_id = o.id
         order by i.order_id, i.line";
    /// The reservations of the same orders.
    LIST_ORDER_RESERVATIONS = "select r.id, r.status, r.order_id, r.reference, r.created_at, r.product_id, r.warehouse_id,
               r.quantity, r.fulfilled_quantity, r.level_version
          from reservations r
          join (select id from orders where tenant_id = $1 and id > $2 and ($3::uuid is null or id = $3) order by id limit $4) o
            on r.tenant_id = $1 and r.order_id = o.id
         order by 1, 6, 7";
}

impl Store {
    /// One order.
    pub async fn order(&self, tenant: TenantId, id: OrderId) -> Result<Option<Order>, StoreError> {
        let mut page = self.read_orders(tenant, Uuid::nil(), Some(id.uuid()), 1).await?;
        Ok(page.rows.pop())
    }

    /// A page of orders, oldest first, after an id.
    pub async fn orders(
        &self,
        tenant: TenantId,
        after: Option<OrderId>,
        limit: i64,
    ) -> Result<Page<Order>, StoreError> {
        self.read_orders(tenant, after.map_or(Uuid::nil(), OrderId::uuid), None, limit).await
    }

    async fn read_orders(
        &self,
        tenant: TenantId,
        after: Uuid,
        only: Option<Uuid>,
        limit: i64,
    ) -> Result<Page<Order>, StoreError> {
        let (number, fetch) = (tenant.get(), limit + 1);
        let params: Params<'_> = &[&number, &after, &only, &fetch];
        let statements = [&LIST_ORDERS, &LIST_ORDER_ITEMS, &LIST_ORDER_RESERVATIONS];
        let [orders, items, reservations] = self.read_all(tenant, statements, params).await?;
        let reservations = read_reservations(&reservations)?;
        let mut rows = read_orders(&orders, &items, reservations.iter())?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        Ok(Page { rows, has_more })
    }
}
