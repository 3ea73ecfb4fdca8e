//! Which keys are under way in this process. It says so to whoever asks, and tells a repeat from the first; what may have an
//! effect is for the table to decide.
//!
//! Invariant: an entry lasts as long as the write that made it, also when its caller has gone, so there are never more than
//! there are requests and commands, whose numbers are bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kv_types::{IdempotencyKey, TenantId};
use tokio::time::timeout;

use super::KeyFault;

/// How long a repeat waits while an earlier request with its key is under way.
pub const REPEAT_WAIT: Duration = Duration::from_secs(2);

type Slot = (TenantId, IdempotencyKey);

/// The keys under way, and how many requests with each. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(Arc<Mutex<HashMap<Slot, usize>>>);

/// One request with a key, from its announcement to its end.
pub(crate) struct Presence {
    under_way: UnderWay,
    slot: Slot,
    is_repeat: bool,
}

impl UnderWay {
    pub(crate) fn enter(&self, tenant: TenantId, key: IdempotencyKey) -> Presence {
        let slot = (tenant, key);
        let mut slots = self.lock();
        let count = slots.entry(slot.clone()).or_default();
        *count += 1;
        let is_repeat = *count > 1;
        drop(slots);
        Presence { under_way: self.clone(), slot, is_repeat }
    }

    pub(super) fn contains(&self, tenant: TenantId, key: &IdempotencyKey) -> bool {
        self.lock().contains_key(&(tenant, key.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Slot, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnderWay").field(&self.lock().len()).finish()
    }
}

impl Presence {
    /// Whether an earlier request with the key was under way when this one came.
    pub(crate) fn is_repeat(&self) -> bool {
        self.is_repeat
    }
}

/// Waits for a write: a repeat for [`REPEAT_WAIT`], any other as long as it takes.
///
/// # Errors
/// [`KeyFault::InFlight`] when a repeat had to wait too long. It may still be done; a further one will learn of it.
pub(crate) async fn wait_for<F: Future>(is_repeat: bool, write: F) -> Result<F::Output, KeyFault> {
    if is_repeat {
        return timeout(REPEAT_WAIT, write).await.map_err(|_late| KeyFault::InFlight);
    }
    Ok(write.await)
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut slots = self.under_way.lock();
        if let Some(count) = slots.get_mut(&self.slot) {
            *count -= 1;
            if *count == 0 {
                slots.remove(&self.slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_under_way_until_the_last_of_its_requests_has_ended() {
        let (under_way, one, two) = (UnderWay::default(), TenantId::new(1).unwrap(), TenantId::new(2).unwrap());
        let key: IdempotencyKey = "k".parse().unwrap();
        let first = under_way.enter(one, key.clone());
        assert!(!first.is_repeat() && under_way.contains(one, &key) && !under_way.contains(two, &key));
        let second = under_way.enter(one, key.clone());
        assert!(second.is_repeat());
        assert!(!under_way.enter(two, key.clone()).is_repeat(), "another tenant's key is another key");
        drop(first);
        assert!(under_way.contains(one, &key));
        drop(second);
        assert!(!under_way.contains(one, &key));
        assert!(under_way.lock().is_empty(), "nothing is left behind");
    }
}
