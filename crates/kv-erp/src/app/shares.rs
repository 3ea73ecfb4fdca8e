//! Places for what takes long, of which no tenant gets more than its share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kv_types::TenantId;

/// Places, bounded in all and for each tenant.
#[derive(Clone, Debug)]
pub(crate) struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: usize,
    places_per_tenant: usize,
    /// Tenants that have any.
    taken: Mutex<HashMap<TenantId, usize>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Inner>,
    tenant: TenantId,
}

impl Shares {
    pub(crate) fn new(places: usize, places_per_tenant: usize) -> Self {
        Self(Arc::new(Inner { places, places_per_tenant, taken: Mutex::default() }))
    }

    /// A place, if there is one for the tenant.
    pub(crate) fn take(&self, tenant: TenantId) -> Option<Share> {
        let mut taken = self.0.taken();
        let own = taken.get(&tenant).copied().unwrap_or(0);
        if own >= self.0.places_per_tenant || taken.values().sum::<usize>() >= self.0.places {
            return None;
        }
        taken.insert(tenant, own + 1);
        Some(Share { of: Arc::clone(&self.0), tenant })
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        match taken.get_mut(&self.tenant) {
            Some(own @ 2..) => *own -= 1,
            _ => drop(taken.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_gets_its_share_and_all_get_no_more_than_there_is() {
        let shares = Shares::new(3, 2);
        let [one, two, three] = [1, 2, 3].map(|id| TenantId::new(id).unwrap());
        let (first, _second) = (shares.take(one).unwrap(), shares.take(one).unwrap());
        assert!(shares.take(one).is_none());
        let other = shares.take(two).unwrap();
        assert!(shares.take(three).is_none());
        drop(first);
        assert!(shares.take(three).is_some());
        assert!(shares.take(one).is_some());
        drop(other);
        assert_eq!(shares.0.taken().len(), 1, "who has none is not remembered");
    }
}
