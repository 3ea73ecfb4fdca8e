//! Whether the chains of movements are whole: read by an administrator, tenant by tenant, row by row.
//!
//! It runs over a connection that may act as `kv_owner`, on one snapshot of each tenant, and holds one level's row at a time.

use futures_util::{TryStreamExt as _, pin_mut};
use jiff::Timestamp;
use kv_types::{ProductId, TenantId, WarehouseId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::chain::{Hash, Link};
use crate::server::Server;
use crate::session::bind;

/// Every level with its movements in order, and the movements of none.
const CHAINS: &str =
    "select product_id, warehouse_id, l.version, l.last_hash, m.version, m.kind, m.d_quantity, m.d_reserved,
           m.d_shipped, m.d_received, m.quantity_after, m.reserved_after, m.reservation_id, m.order_id, m.receipt_id,
           m.adjustment_id, m.transfer_id, m.actor_id, m.document_line, m.reason, m.created_at, m.hash
      from (select * from stock_levels where tenant_id = $1) l
      full join (select * from stock_movements where tenant_id = $1) m using (product_id, warehouse_id)
     order by product_id, warehouse_id, m.version";

/// When the tenant's first movement that is chained was booked. Whoever writes no hashes had ended before.
const CHAIN_BEGAN: &str = "select min(created_at) from stock_movements where tenant_id = $1 and hash is not null";

/// Where a level's chain is broken first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenChain {
    /// The tenant's short name.
    pub tenant: String,
    /// The level's product.
    pub product: ProductId,
    /// The level's warehouse.
    pub warehouse: WarehouseId,
    /// The first version that is wrong.
    pub version: i64,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Levels.
    pub levels: u64,
    /// Movements of theirs.
    pub movements: u64,
    /// Movements that are older than the chain and have no hash.
    pub unhashed: u64,
    /// Levels whose chain is broken.
    pub broken: u64,
}

/// Verifies the chains of one tenant, or of all. `on_broken` is told of each level's first fault.
///
/// Movements without a hash are accepted up to a level's first one that has one, if they are older than the first one of the tenant
/// that has one. Movements without a level are told of as a broken chain.
///
/// # Errors
/// What PostgreSQL says; `Ok(None)` when there is no such tenant.
pub async fn verify_chains(
    config: &Server,
    tenant: Option<&str>,
    mut on_broken: impl FnMut(BrokenChain),
) -> Result<Option<Verified>, tokio_postgres::Error> {
    let mut client = crate::admin::connect(config).await?;
    client.batch_execute("set role kv_owner").await?;
    let tenants = client
        .query("select id, slug from tenants where $1::text is null or slug = $1 order by id", &[&tenant])
        .await?;
    if tenant.is_some() && tenants.is_empty() {
        return Ok(None);
    }
    let mut verified = Verified::default();
    for row in tenants {
        let id = TenantId::new(row.try_get(0)?).expect("the column is an identity that counts from 1");
        verify_tenant(&mut client, (id, row.try_get(1)?), &mut verified, &mut on_broken).await?;
    }
    Ok(Some(verified))
}

async fn verify_tenant(
    client: &mut Client,
    (tenant, slug): (TenantId, &str),
    verified: &mut Verified,
    on_broken: &mut impl FnMut(BrokenChain),
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.build_transaction().read_only(true).start().await?;
    transaction.batch_execute(&bind(tenant)).await?;
    let params: [&(dyn ToSql + Sync); 1] = [&tenant.get()];
    let chain_began: Option<Timestamp> = transaction.query_one(CHAIN_BEGAN, &params).await?.try_get(0)?;
    let rows = transaction.query_raw(CHAINS, params).await?;
    pin_mut!(rows);
    let mut open: Option<Walk> = None;
    let mut close = |walk: Walk, verified: &mut Verified| {
        verified.levels += u64::from(walk.level.is_some());
        if let Some((version, fault)) = walk.finish() {
            verified.broken += 1;
            let (product, warehouse) = (ProductId::from_uuid(walk.key.0), WarehouseId::from_uuid(walk.key.1));
            on_broken(BrokenChain { tenant: slug.to_owned(), product, warehouse, version, fault });
        }
    };
    while let Some(row) = rows.try_next().await? {
        let key = (row.try_get(0)?, row.try_get(1)?);
        if open.as_ref().is_none_or(|walk| walk.key != key) {
            let version: Option<i64> = row.try_get(2)?;
            let last_hash: Option<Vec<u8>> = row.try_get(3)?;
            let level = version.map(|version| (version, last_hash));
            let next = Walk { key, level, chain_began, ..Walk::default() };
            if let Some(done) = open.replace(next) {
                close(done, verified);
            }
        }
        if let Some(walk) = open.as_mut().filter(|_| row.try_get::<_, Option<i64>>(4).is_ok_and(|it| it.is_some())) {
            verified.movements += 1;
            verified.unhashed += u64::from(walk.step(tenant, &row)?);
        }
    }
    if let Some(done) = open {
        close(done, verified);
    }
    transaction.commit().await
}

/// One level's movements, read one by one.
#[derive(Debug, Default)]
struct Walk {
    key: (Uuid, Uuid),
    /// The level's own version and last hash; none where the movements have no level.
    level: Option<(i64, Option<Vec<u8>>)>,
    /// When the tenant's first movement with a hash was booked.
    chain_began: Option<Timestamp>,
    /// The first movement's version, and the last one's.
    first: i64,
    version: i64,
    hash: Option<Hash>,
    fault: Option<(i64, &'static str)>,
}

impl Walk {
    /// Reads a movement. Gives whether it has no hash and need not have one.
    fn step(&mut self, tenant: TenantId, row: &Row) -> Result<bool, tokio_postgres::Error> {
        let version: i64 = row.try_get(4)?;
        let expected = self.version + 1;
        if self.first == 0 {
            self.first = version;
        }
        self.version = version;
        if self.fault.is_some() {
            return Ok(false);
        }
        if version != expected {
            self.fault = Some((expected, "the movement is missing"));
            return Ok(false);
        }
        let Some(stored) = row.try_get::<_, Option<Vec<u8>>>(21)? else {
            let created_at: Timestamp = row.try_get(20)?;
            if self.hash.is_some() {
                self.fault = Some((version, "the movement has no hash"));
            } else if self.chain_began.is_some_and(|began| created_at >= began) {
                self.fault = Some((version, "the movement has no hash and is not older than the chain"));
            }
            return Ok(self.fault.is_none());
        };
        let hash = read_link(tenant, self.key, row)?.hash(self.hash.as_ref());
        if stored != hash {
            self.fault = Some((version, "the movement is not what was hashed"));
        }
        self.hash = Some(hash);
        Ok(false)
    }

    /// The first fault, when the level itself has been looked at too.
    fn finish(&self) -> Option<(i64, &'static str)> {
        let Some((version, last_hash)) = &self.level else { return Some((self.first, "the movements have no level")) };
        if self.fault.is_some() {
            self.fault
        } else if self.version != *version {
            Some((self.version.min(*version) + 1, "the movements do not end where the level does"))
        } else if last_hash.as_deref() != self.hash.as_ref().map(Hash::as_slice) {
            Some((*version, "the level's hash is not that of its last movement"))
        } else {
            None
        }
    }
}

fn read_link(
    tenant: TenantId,
    (product, warehouse): (Uuid, Uuid),
    row: &Row,
) -> Result<Link<'_>, tokio_postgres::Error> {
    let causes: [usize; 6] = [12, 13, 14, 15, 16, 17];
    let mut read = [None; 6];
    for (cause, column) in read.iter_mut().zip(causes) {
        *cause = row.try_get(column)?;
    }
    Ok(Link {
        tenant: tenant.get(),
        product,
        warehouse,
        version: row.try_get(4)?,
        kind: row.try_get(5)?,
        changes: [row.try_get(6)?, row.try_get(7)?, row.try_get(8)?, row.try_get(9)?],
        after: [row.try_get(10)?, row.try_get(11)?],
        causes: read,
        line: row.try_get(18)?,
        reason: row.try_get(19)?,
        created_at: row.try_get(20)?,
    })
}
