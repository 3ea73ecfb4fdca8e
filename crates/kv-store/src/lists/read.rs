//! The lists as they are read: the plain way by their own statements, everything else composed, in one round trip on one snapshot.

use futures_util::future::{join_all, join3};
use kv_types::access::{ApiToken, AuditEntry, User};
use kv_types::catalogue::{Customer, Product, Warehouse};
use kv_types::order::Order;
use kv_types::stock::{Adjustment, Receipt, Reservation, StockLevel, StockMovement, Transfer};
use kv_types::{
    AdjustmentId, CustomerId, OrderId, ProductId, ReceiptId, ReservationId, TenantId, TransferId, WarehouseId,
};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::compose::Composed;
use super::{Ask, Count, Key, Kind, Listing, Position, Value};
use crate::access::{tokens, users};
use crate::audit_log;
use crate::catalogue::{customers, products, warehouses};
use crate::plan::Connection;
use crate::session::{SNAPSHOT, begin};
use crate::spent::{asked, queued};
use crate::stock::rows::read_reservations;
use crate::stock::{LevelFilter, read, read_documents};
use crate::watched::Watched;
use crate::{Store, StoreError, orders};

/// The rows of a composed page: its own, those of its parts, and how many there are in all.
struct Composite {
    heads: Vec<Row>,
    parts: Vec<Vec<Row>>,
    next: Option<Position>,
    total: Option<i64>,
}

impl Composite {
    fn listing<T>(self, rows: Vec<T>) -> Listing<T> {
        Listing { rows, next: self.next, total: self.total }
    }

    /// A list whose rows are read each by itself.
    fn each<T>(self, read: impl Fn(&Row) -> Result<T, tokio_postgres::Error>) -> Result<Listing<T>, StoreError> {
        let rows = self.heads.iter().map(read).collect::<Result<_, _>>()?;
        Ok(self.listing(rows))
    }

    fn part(&self, number: usize) -> &[Row] {
        self.parts.get(number).map_or(&[], Vec::as_slice)
    }
}

macro_rules! own_list {
    ($(#[$doc:meta])* $name:ident, $plain:ident, $read:path, $id:ty, $row:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
        /// # Cancel safety
        /// Nothing is written.
        pub async fn $name(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<$row>, StoreError> {
            if ask.is_plain() {
                let after = ask.after_ids().map(|[id]| <$id>::from_uuid(id));
                let page = self.$plain(tenant, after, ask.limit).await?;
                return Ok(Listing::plain(page, |row| vec![Value::Id(row.id.uuid())]));
            }
            self.composite(tenant, ask).await?.each($read)
        }
    };
}

macro_rules! document_list {
    ($(#[$doc:meta])* $name:ident, $plain:ident, $read:path, $id:ty, $row:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
        /// # Cancel safety
        /// Nothing is written.
        pub async fn $name(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<$row>, StoreError> {
            if ask.is_plain() {
                let after = ask.after_ids().map(|[id]| <$id>::from_uuid(id));
                let page = self.$plain(tenant, after, ask.limit).await?;
                return Ok(Listing::plain(page, |row| vec![Value::Id(row.id.uuid())]));
            }
            let composite = self.composite(tenant, ask).await?;
            let rows = read_documents::assemble(&composite.heads, composite.part(0), $read)?;
            Ok(composite.listing(rows))
        }
    };
}

impl Store {
    own_list! {
        /// Some customers.
        list_customers, customers, customers::read, CustomerId, Customer
    }
    own_list! {
        /// Some products.
        list_products, products, products::read, ProductId, Product
    }
    own_list! {
        /// Some warehouses.
        list_warehouses, warehouses, warehouses::read, WarehouseId, Warehouse
    }
    document_list! {
        /// Some receipts.
        list_receipts, receipts, read_documents::read_receipt, ReceiptId, Receipt
    }
    document_list! {
        /// Some adjustments.
        list_adjustments, adjustments, read_documents::read_adjustment, AdjustmentId, Adjustment
    }
    document_list! {
        /// Some transfers.
        list_transfers, transfers, read_documents::read_transfer, TransferId, Transfer
    }

    /// Some orders.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_orders(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<Order>, StoreError> {
        if ask.is_plain() {
            let after = ask.after_ids().map(|[id]| OrderId::from_uuid(id));
            let page = self.orders(tenant, after, ask.limit).await?;
            return Ok(Listing::plain(page, |order| vec![Value::Id(order.id.uuid())]));
        }
        let composite = self.composite(tenant, ask).await?;
        let rows = orders::assemble(&composite.heads, composite.part(0), composite.part(1))?;
        Ok(composite.listing(rows))
    }

    /// Some reservations.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_reservations(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<Reservation>, StoreError> {
        let composite = self.composite(tenant, ask).await?;
        let mut held: std::collections::HashMap<ReservationId, Reservation> =
            read_reservations(composite.part(0))?.into_iter().map(|held| (held.id, held)).collect();
        let mut rows = Vec::with_capacity(composite.heads.len());
        for head in &composite.heads {
            rows.extend(held.remove(&ReservationId::from_uuid(head.try_get(0)?)));
        }
        Ok(composite.listing(rows))
    }

    /// Some stock levels.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_stock_levels(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<StockLevel>, StoreError> {
        if ask.is_plain() {
            let filter = LevelFilter {
                product: ask.id("product_id").map(ProductId::from_uuid),
                warehouse: ask.id("warehouse_id").map(WarehouseId::from_uuid),
            };
            let after = ask
                .after_ids()
                .map(|[product, warehouse]| (ProductId::from_uuid(product), WarehouseId::from_uuid(warehouse)));
            let page = self.stock_levels(tenant, filter, after, ask.limit).await?;
            let position =
                |level: &StockLevel| vec![Value::Id(level.product_id.uuid()), Value::Id(level.warehouse_id.uuid())];
            return Ok(Listing::plain(page, position));
        }
        self.composite(tenant, ask).await?.each(read::read_level)
    }

    /// Some movements of a level; none when `ask` names no level.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_movements(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<StockMovement>, StoreError> {
        if ask.is_plain() {
            let key = (
                ProductId::from_uuid(ask.id("product_id").unwrap_or_default()),
                WarehouseId::from_uuid(ask.id("warehouse_id").unwrap_or_default()),
            );
            let behind = ask.after.as_ref().and_then(|position| position.first()).and_then(Value::whole);
            let after = ask.whole("after").max(behind).unwrap_or(0);
            let page = self.stock_movements(tenant, key, after, ask.limit).await?;
            return Ok(Listing::plain(page, |movement| vec![Value::Whole(movement.version)]));
        }
        self.composite(tenant, ask).await?.each(read::read_movement)
    }

    /// Some accounts.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_users(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<User>, StoreError> {
        self.composite(tenant, ask).await?.each(users::read)
    }

    /// Some API tokens.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_api_tokens(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<ApiToken>, StoreError> {
        self.composite(tenant, ask).await?.each(tokens::read)
    }

    /// Some of the audit log.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] when what is asked takes longer than a statement may, or the store's.
    /// # Cancel safety
    /// Nothing is written.
    pub async fn list_audit_log(&self, tenant: TenantId, ask: &Ask) -> Result<Listing<AuditEntry>, StoreError> {
        self.composite(tenant, ask).await?.each(audit_log::read)
    }

    async fn composite(&self, tenant: TenantId, ask: &Ask) -> Result<Composite, StoreError> {
        let candidates = self.candidates(tenant, ask).await?;
        let mut answers = self.read_composed(tenant, &ask.compose(candidates.as_deref())).await?;
        let total = match ask.count {
            Count::None => None,
            Count::Exact => answers.pop().unwrap_or_default().first().map(|row| row.try_get(0)).transpose()?,
        };
        let mut answers = answers.into_iter();
        let mut heads = answers.next().unwrap_or_default();
        let limit = usize::try_from(ask.limit).unwrap_or(usize::MAX);
        let has_more = heads.len() > limit;
        heads.truncate(limit);
        let last = heads.last().filter(|_| has_more);
        let next = last.map(|row| read_position(row, ask.sort.keys)).transpose()?;
        Ok(Composite { heads, parts: answers.collect(), next, total })
    }

    /// Reads with composed statements as a tenant, on one snapshot, in one round trip. They are not prepared: there are more of them
    /// than a connection should remember, and a plan for the very values knows which index serves them.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when as many run as may: they may take long, and short ones need connections too.
    /// # Cancel safety
    /// Nothing is written. PostgreSQL is told to stop when the future is dropped.
    async fn read_composed(&self, tenant: TenantId, statements: &[Composed]) -> Result<Vec<Vec<Row>>, StoreError> {
        let _place = queued(self.composed_place()).await?;
        if let Some(replica) = self.replica().await {
            let answer = match queued(replica.connection()).await {
                Ok(connection) => read_composed_on(connection, tenant, statements).await,
                Err(error) => Err(error),
            };
            if let Some(answer) = self.of_replica(replica, answer) {
                return answer;
            }
        }
        read_composed_on(self.connection().await?, tenant, statements).await
    }
}

async fn read_composed_on(
    connection: Connection,
    tenant: TenantId,
    statements: &[Composed],
) -> Result<Vec<Vec<Row>>, StoreError> {
    let watched = Watched::on(connection);
    let client = watched.client();
    let (opening, raw) = (begin(SNAPSHOT, tenant), tenant.get());
    let params: Vec<Vec<(&(dyn ToSql + Sync), Type)>> = statements
        .iter()
        .map(|statement| {
            let own: (&(dyn ToSql + Sync), Type) = (&raw, Type::INT8);
            std::iter::once(own).chain(statement.params()).collect()
        })
        .collect();
    let queries = statements.iter().zip(&params).map(|(statement, params)| client.query_typed(&statement.text, params));
    let (begun, answers, committed) =
        asked(join3(client.batch_execute(&opening), join_all(queries), client.batch_execute("commit"))).await;
    // All is answered, well or not.
    watched.give_back();
    begun?;
    let answers = answers.into_iter().collect::<Result<_, _>>().map_err(of_reading)?;
    committed?;
    Ok(answers)
}

/// What an error of a composed read means. Its statement is not one whose time is known.
fn of_reading(error: tokio_postgres::Error) -> StoreError {
    if error.code() == Some(&SqlState::QUERY_CANCELED) { StoreError::TooSlow } else { error.into() }
}

/// The keys stand behind the columns of the list.
fn read_position(row: &Row, keys: &[Key]) -> Result<Position, StoreError> {
    let first = row.len() - keys.len();
    let values = keys.iter().zip(first..).map(|(key, place)| {
        Ok(match key.kind {
            Kind::Text(_) | Kind::Search(_) | Kind::Word(_) | Kind::Currency => Value::Text(row.try_get(place)?),
            Kind::Id => Value::Id(row.try_get::<_, Uuid>(place)?),
            Kind::Boolean => Value::Boolean(row.try_get(place)?),
            Kind::Whole(..) => Value::Whole(row.try_get(place)?),
            Kind::Instant => Value::Instant(row.try_get(place)?),
        })
    });
    values.collect()
}
