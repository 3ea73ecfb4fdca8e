//! Places for deliveries under way: so many in all, of one tenant and of one endpoint, so that a receiver that hangs keeps nobody
//! waiting but itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use kv_types::{TenantId, WebhookEndpointId};

/// Deliveries under way in this process.
const IN_ALL: usize = 512;
/// Of one tenant.
const OF_TENANT: usize = 16;
/// To one endpoint.
const OF_ENDPOINT: usize = 4;

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    of_tenants: HashMap<TenantId, usize>,
    of_endpoints: HashMap<(TenantId, WebhookEndpointId), usize>,
    /// How many found no place at an endpoint that is busy, less those that did since.
    refused: HashMap<(TenantId, WebhookEndpointId), u32>,
}

/// The places. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Places(Arc<Mutex<Taken>>);

/// A place; dropped, it is free again.
#[derive(Debug)]
pub struct Place {
    places: Places,
    tenant: TenantId,
    endpoint: WebhookEndpointId,
}

impl Places {
    /// A place, if there is one.
    ///
    /// # Errors
    /// How many found none at this endpoint, less those that did since.
    pub fn take(&self, tenant: TenantId, endpoint: WebhookEndpointId) -> Result<Place, u32> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = taken.of_tenants.get(&tenant).copied().unwrap_or(0);
        let of_endpoint = taken.of_endpoints.get(&(tenant, endpoint)).copied().unwrap_or(0);
        if taken.in_all >= IN_ALL || of_tenant >= OF_TENANT || of_endpoint >= OF_ENDPOINT {
            if of_endpoint == 0 {
                // Others keep the places; there is nobody here whose leaving would end the count.
                return Err(0);
            }
            let refused = taken.refused.entry((tenant, endpoint)).or_default();
            *refused = refused.saturating_add(1);
            return Err(*refused);
        }
        if let Some(refused) = taken.refused.get_mut(&(tenant, endpoint)) {
            *refused = refused.saturating_sub(1);
        }
        taken.in_all += 1;
        taken.of_tenants.insert(tenant, of_tenant + 1);
        taken.of_endpoints.insert((tenant, endpoint), of_endpoint + 1);
        Ok(Place { places: self.clone(), tenant, endpoint })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all -= 1;
        give_back(&mut taken.of_tenants, &self.tenant);
        give_back(&mut taken.of_endpoints, &(self.tenant, self.endpoint));
        if !taken.of_endpoints.contains_key(&(self.tenant, self.endpoint)) {
            taken.refused.remove(&(self.tenant, self.endpoint));
        }
    }
}

fn give_back<K: Eq + Hash>(taken: &mut HashMap<K, usize>, key: &K) {
    match taken.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        // What is not there takes no room.
        _ => drop(taken.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_and_a_tenant_have_their_share_and_give_it_back() {
        let (places, one) = (Places::default(), TenantId::new(1).unwrap());
        let endpoint = |n| WebhookEndpointId::from_uuid(uuid::Uuid::from_u128(n));
        let to_one: Vec<Place> = std::iter::from_fn(|| places.take(one, endpoint(1)).ok()).collect();
        assert_eq!(to_one.len(), OF_ENDPOINT);
        let of_one: Vec<Place> = (2..99).filter_map(|n| places.take(one, endpoint(n)).ok()).collect();
        assert_eq!(to_one.len() + of_one.len(), OF_TENANT);
        let other = places.take(TenantId::new(2).unwrap(), endpoint(1));
        assert_eq!(places.take(one, endpoint(1)).unwrap_err(), 2, "a line is counted");
        assert!(other.is_ok(), "another tenant is not kept waiting");
        drop((to_one, of_one, other));
        let taken = places.0.lock().unwrap();
        assert_eq!((taken.in_all, taken.of_tenants.len(), taken.of_endpoints.len(), taken.refused.len()), (0, 0, 0, 0));
    }
}
