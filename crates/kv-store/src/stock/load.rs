//! The first round trip of a batch: begin, tenant, fences, and every row the batch's commands will decide on, locked in the one
//! global order: fences, new levels, levels by (product, warehouse), orders; the batch's writes wait for idempotency keys alone.
//! The levels are locked in [`super::locks`].

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::try_join;
use kv_types::{CustomerId, ProductId, TenantId, WarehouseId};
use tokio_postgres::Row;

use super::board::{Board, Level, LevelKey, ProductFacts, WarehouseFacts};
use super::chain::Hash;
use super::command::Command;
use super::connection::Connection;
use super::keys::Known;
use super::locks::{DUE_MAX, Look, lock_levels, read_due};
use super::rows::{read_orders, read_reservations};
use super::wanted::{Ids, Wanted};
use crate::StoreError;
use crate::idempotency::KeyRow;
use crate::idempotency::table::FIND_KEYS;
use crate::session::Params;
use crate::statement::statements;

statements! {
    /// The transaction's id, by which its outcome can be asked for when the connection breaks, and the time of its decisions:
    /// asked behind the locks, so that whoever holds a level later has a later time. The last is when it began, which is also when
    /// its idempotency keys were made.
    IDENTIFY = "select pg_current_xact_id()::text, clock_timestamp(), transaction_timestamp()";
    /// Raises each lock's fence; a token older than the stored one is not among the returned rows.
    CLAIM_FENCES = "insert into lock_fences (tenant_id, resource, fence)
        select $1, c.resource, c.fence from unnest($2::text[], $3::bigint[]) as c(resource, fence) order by c.resource
        on conflict (tenant_id, resource) do update set fence = excluded.fence where lock_fences.fence <= excluded.fence
        returning resource, fence";
    /// Makes the levels that goods arrive at for the first time.
    ENSURE_LEVELS = "insert into stock_levels (tenant_id, product_id, warehouse_id)
        select $1, p.id, w.id from unnest($2::uuid[], $3::uuid[]) as c(product_id, warehouse_id)
          join products p on p.tenant_id = $1 and p.id = c.product_id
          join warehouses w on w.tenant_id = $1 and w.id = c.warehouse_id
         order by p.id, w.id
        on conflict do nothing returning product_id, warehouse_id";
    /// The facts of products.
    READ_PRODUCTS = "select id, price_minor, currency, active from products where tenant_id = $1 and id = any($2::uuid[])";
    /// The facts of the warehouses named in $2 and of those where the products in $3 lie.
    READ_WAREHOUSES = "select id, priority, active from warehouses where tenant_id = $1 and (id = any($2::uuid[])
        or id in (select warehouse_id from stock_levels where tenant_id = $1 and product_id = any($3::uuid[])))";
    /// The levels of the products in $2 as they are once the locks are held: a statement's rows are those of its beginning, so a
    /// level that was made while [`LOCK_LEVELS`] waited is not among the locked ones.
    READ_SOURCES = "select product_id, warehouse_id from stock_levels where tenant_id = $1 and product_id = any($2::uuid[])";
    /// Which customers there are.
    READ_CUSTOMERS = "select id from customers where tenant_id = $1 and id = any($2::uuid[])";
    /// Orders, locked after the levels.
    LOCK_ORDERS = "select id, number, customer_id, status, currency, total_minor, reference, version, created_at
          from orders where tenant_id = $1 and id = any($2::uuid[]) order by id for no key update";
    /// The orders' lines.
    READ_ORDER_ITEMS = "select order_id, product_id, quantity, unit_price_minor
          from order_items where tenant_id = $1 and order_id = any($2::uuid[]) order by order_id, line";
    /// Reservations by their own id or by their order's, each row once: of a batch that names both, all units would be there twice.
    /// Their state changes only under their levels' locks, which are held.
    READ_RESERVATIONS = "select id, status, order_id, reference, created_at, product_id, warehouse_id, quantity,
               fulfilled_quantity, level_version, expires_at, returned_quantity, last_version
          from reservations where tenant_id = $1 and id = any($2::uuid[])
        union
        select id, status, order_id, reference, created_at, product_id, warehouse_id, quantity,
               fulfilled_quantity, level_version, expires_at, returned_quantity, last_version
          from reservations where tenant_id = $1 and order_id = any($3::uuid[])
        order by 1, 6, 7";
}

/// The rows of the first round trip.
struct Answers {
    identity: Vec<Row>,
    fences: Vec<Row>,
    new_levels: Vec<Row>,
    levels: Vec<Row>,
    orders: Vec<Row>,
    order_items: Vec<Row>,
    reservations: Vec<Row>,
    due: Vec<Row>,
    products: Vec<Row>,
    warehouses: Vec<Row>,
    sources: Vec<Row>,
    customers: Vec<Row>,
    keys: Vec<Row>,
}

/// An open transaction and what it locked.
pub(super) struct Loaded {
    pub(super) board: Board,
    /// The transaction's id, for asking after its outcome.
    pub(super) transaction: String,
    /// From the begin until all locks were held, by PostgreSQL's clock.
    pub(super) lock_wait: Duration,
    pub(super) ids: Ids,
}

/// Opens the transaction and loads the board, in one round trip.
///
/// # Cancel safety
/// None: only the writer's own task calls it, and that is never cancelled.
pub(super) async fn load(
    (connection, begin): (&Connection, &str),
    tenant: TenantId,
    commands: impl Iterator<Item = &Command>,
    (look, unmade): (Look, &BTreeSet<LevelKey>),
) -> Result<Loaded, StoreError> {
    let ids = Ids::of(tenant, Wanted::by(commands).without_making(unmade));
    let answers = Box::pin(ask(connection, begin, &ids, look)).await?;
    let [identity] = answers.identity.as_slice() else { return Err(StoreError::Unavailable(None)) };
    let mut board =
        Board { tenant: tenant.get(), now: identity.try_get(1)?, began: identity.try_get(2)?, ..Board::default() };
    read_facts(&mut board, &answers)?;
    let due = read_reservations(&answers.due)?;
    // More may be due than one batch takes; whoever is still short then is not told that there is nothing.
    board.has_unlocked_due = due.len() >= DUE_MAX;
    let reservations = due.into_iter().chain(read_reservations(&answers.reservations)?);
    board.reservations = reservations.map(|held| (held.id, held)).collect();
    let orders = read_orders(&answers.orders, &answers.order_items, board.reservations.values())?;
    board.orders = orders.into_iter().map(|order| (order.id, order)).collect();
    for row in &answers.keys {
        let KeyRow { key, kept } = KeyRow::read(row)?;
        board.keys.insert(key, Known::Row(kept));
    }
    let lock_wait = Duration::try_from(board.now.duration_since(board.began)).unwrap_or_default();
    Ok(Loaded { board, transaction: identity.try_get(0)?, lock_wait, ids })
}

/// Sends everything in the order in which it stands here: each future puts its message into the connection's queue when it is
/// first polled, and PostgreSQL runs them one after another.
async fn ask(connection: &Connection, begin: &str, ids: &Ids, look: Look) -> Result<Answers, StoreError> {
    let tenant = &ids.tenant;
    let has_orders = !ids.orders.is_empty();
    let (
        (),
        fences,
        new_levels,
        levels,
        identity,
        orders,
        order_items,
        reservations,
        due,
        products,
        warehouses,
        sources,
        customers,
        keys,
    ) = try_join!(
        connection.batch_execute(begin),
        async {
            let params: Params<'_> = &[tenant, &ids.resources, &ids.fences];
            connection.query_if(!ids.fences.is_empty(), &CLAIM_FENCES, params).await
        },
        async {
            let params: Params<'_> = &[tenant, &ids.new_keys.0, &ids.new_keys.1];
            connection.query_if(!ids.new_keys.0.is_empty(), &ENSURE_LEVELS, params).await
        },
        lock_levels(connection, ids, look),
        connection.query(&IDENTIFY, &[]),
        async { connection.query_if(has_orders, &LOCK_ORDERS, &[tenant, &ids.orders]).await },
        async { connection.query_if(has_orders, &READ_ORDER_ITEMS, &[tenant, &ids.orders]).await },
        async {
            let params: Params<'_> = &[tenant, &ids.reservations, &ids.orders];
            connection.query_if(ids.closes_reservations(), &READ_RESERVATIONS, params).await
        },
        async { if look == Look::Again { read_due(connection, ids).await } else { Ok(Vec::new()) } },
        async { connection.query_if(!ids.products.is_empty(), &READ_PRODUCTS, &[tenant, &ids.products]).await },
        async {
            let params: Params<'_> = &[tenant, &ids.warehouses, &ids.anywhere];
            connection.query_if(!ids.products.is_empty(), &READ_WAREHOUSES, params).await
        },
        async { connection.query_if(!ids.anywhere.is_empty(), &READ_SOURCES, &[tenant, &ids.anywhere]).await },
        async { connection.query_if(!ids.customers.is_empty(), &READ_CUSTOMERS, &[tenant, &ids.customers]).await },
        // After everything that is decided on: whoever's effect is seen above has its key seen here.
        async {
            let params: Params<'_> = &[tenant, &ids.idempotency_keys];
            connection.query_if(!ids.idempotency_keys.is_empty(), &FIND_KEYS, params).await
        },
    )?;
    Ok(Answers {
        identity,
        fences,
        new_levels,
        levels,
        orders,
        order_items,
        reservations,
        due,
        products,
        warehouses,
        sources,
        customers,
        keys,
    })
}

/// The column's check lets no other length in.
fn read_hash(stored: Option<&[u8]>) -> Option<Hash> {
    stored.and_then(|stored| stored.try_into().ok())
}

fn read_facts(board: &mut Board, answers: &Answers) -> Result<(), tokio_postgres::Error> {
    for row in &answers.levels {
        let key = (ProductId::from_uuid(row.try_get(0)?), WarehouseId::from_uuid(row.try_get(1)?));
        let level = Level {
            quantity: row.try_get(2)?,
            reserved: row.try_get(3)?,
            shipped: row.try_get(4)?,
            received: row.try_get(5)?,
            version: row.try_get(6)?,
            locked_version: row.try_get(6)?,
            backorder_limit: row.try_get(7)?,
            has_new_limit: false,
            reorder_point: row.try_get(9)?,
            locked_quantity: row.try_get(2)?,
            last_hash: read_hash(row.try_get(8)?),
        };
        board.levels.insert(key, level);
    }
    for row in &answers.new_levels {
        board.new_levels.insert((ProductId::from_uuid(row.try_get(0)?), WarehouseId::from_uuid(row.try_get(1)?)));
    }
    for row in &answers.products {
        let facts = ProductFacts { price_minor: row.try_get(1)?, currency: row.try_get(2)?, active: row.try_get(3)? };
        board.products.insert(ProductId::from_uuid(row.try_get(0)?), facts);
    }
    for row in &answers.warehouses {
        let facts = WarehouseFacts { priority: row.try_get(1)?, active: row.try_get(2)? };
        board.warehouses.insert(WarehouseId::from_uuid(row.try_get(0)?), facts);
    }
    for row in &answers.sources {
        let key = (ProductId::from_uuid(row.try_get(0)?), WarehouseId::from_uuid(row.try_get(1)?));
        board.has_unlocked_sources |= !board.levels.contains_key(&key);
    }
    for row in &answers.customers {
        board.customers.insert(CustomerId::from_uuid(row.try_get(0)?));
    }
    for row in &answers.fences {
        board.fences.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(())
}
