//! The service under a strategy that is known to be wrong; see [`kv_store::wrong`].

use kv_coord::lock::{LockGuard, Resource, Ttl, Wait};
use kv_store::wrong::{self, Strategy, VARIABLE};
use kv_types::TenantId;

use crate::app::{App, Coordination};
use crate::failure::Failure;

/// The shortest lease there is, and how long a change waits for it.
const LEASE_MS: u64 = Ttl::MIN_MS;
const WAIT_MS: u64 = 8_000;

/// Follows the strategy that the environment names, and says so.
///
/// # Errors
/// For a name that is none of a strategy.
pub fn choose() -> Result<(), Failure> {
    let Ok(name) = std::env::var(VARIABLE) else { return Ok(()) };
    wrong::choose(name.parse::<Strategy>().map_err(|error| Failure::of(&error))?);
    tracing::warn!(strategy = name, "this service is wrong on purpose");
    Ok(())
}

/// The limits as the strategy has them.
pub(crate) fn spoil(mut coordination: Coordination) -> Coordination {
    if wrong::is(Strategy::LimiterInTwoSteps) {
        coordination.requests = coordination.requests.in_two_steps();
    }
    coordination
}

/// With [`Strategy::LeaseWithoutFence`]: the lease under which a change is made, believed in until it is dropped.
pub(crate) async fn lease(app: &App, tenant: TenantId) -> Option<LockGuard> {
    if !wrong::is(Strategy::LeaseWithoutFence) {
        return None;
    }
    let stock = Resource::parse("stock").ok()?;
    app.locks().acquire(tenant, &stock, Wait::from_millis(WAIT_MS).ok()?, Ttl::from_millis(LEASE_MS).ok()?).await.ok()
}
