//! Which writer a command goes to.

use std::hash::{Hash as _, Hasher as _};

use kv_types::{ProductId, TenantId};
use uuid::Uuid;

/// Commands on one product go to one writer: they share its batches instead of waiting for each other's row lock.
pub(super) fn shard_of(tenant: TenantId, first_product: Option<ProductId>) -> u8 {
    let Some(product) = first_product else { return 0 };
    let mut hasher = std::hash::DefaultHasher::new();
    (tenant, product).hash(&mut hasher);
    hasher.finish() as u8
}

/// A fresh id whose last byte remembers the shard, so that what is later done to the reservation or order meets the same writer.
pub(super) fn id_in_shard(shard: u8) -> Uuid {
    let mut bytes = Uuid::now_v7().into_bytes();
    bytes[15] = shard;
    Uuid::from_bytes(bytes)
}

/// The shard that an id remembers.
pub(super) fn shard_in(id: Uuid) -> u8 {
    id.as_bytes()[15]
}
