//! Who proves a ledger at the moment: one proof of a tenant at a time, and few altogether, because each reads whole tables.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kv_types::TenantId;

/// Proofs at a time, of all tenants.
const MAX_PROOFS: usize = 4;

/// The proofs under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proofs(Arc<Mutex<HashSet<TenantId>>>);

/// A proof's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ProofPlace {
    proofs: Proofs,
    tenant: TenantId,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The tenant's own proof is under way.
    UnderWay,
    /// As many others are.
    Full,
}

impl Proofs {
    /// A place for the tenant's proof.
    ///
    /// # Errors
    /// When the tenant has one under way, or too many tenants have.
    pub(crate) fn enter(&self, tenant: TenantId) -> Result<ProofPlace, NoPlace> {
        let mut under_way = self.lock();
        if under_way.contains(&tenant) {
            return Err(NoPlace::UnderWay);
        }
        if under_way.len() >= MAX_PROOFS {
            return Err(NoPlace::Full);
        }
        under_way.insert(tenant);
        drop(under_way);
        Ok(ProofPlace { proofs: self.clone(), tenant })
    }

    /// Places that are free.
    pub(crate) fn free(&self) -> usize {
        MAX_PROOFS - self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<TenantId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProofPlace {
    fn drop(&mut self) {
        self.proofs.lock().remove(&self.tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: i64) -> TenantId {
        TenantId::new(number).unwrap()
    }

    #[test]
    fn each_tenant_has_one_place_and_all_together_few() {
        let proofs = Proofs::default();
        let first = proofs.enter(tenant(1)).unwrap();
        assert_eq!(proofs.enter(tenant(1)).unwrap_err(), NoPlace::UnderWay);
        let others: Vec<_> = (2..=4).map(|number| proofs.enter(tenant(number)).unwrap()).collect();
        assert_eq!((proofs.enter(tenant(5)).unwrap_err(), proofs.free()), (NoPlace::Full, 0));
        drop(first);
        let fifth = proofs.enter(tenant(5)).unwrap();
        assert_eq!(proofs.enter(tenant(1)).unwrap_err(), NoPlace::Full);
        drop((fifth, others));
        assert_eq!(proofs.free(), MAX_PROOFS);
    }
}
