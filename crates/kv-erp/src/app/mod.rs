//! What every handler shares.

mod proofs;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kv_coord::lock::Epoch;
use kv_coord::{LockService, RateLimiter};
use kv_store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::http::auth::PasswordVerifier;
use crate::http::auth::cache::TokenCache;
use crate::http::metrics::Metrics;
pub(crate) use proofs::NoPlace;
use proofs::Proofs;
use shares::Shares;

/// Requests that work at a time; one more is answered 503.
const MAX_IN_FLIGHT: usize = 2_048;
/// Requests that wait for a lock at a time, apart from the others, because they may wait for a minute.
const MAX_LOCK_WAITS: usize = 1_024;

/// Files that are imported at a time: each keeps a connection to the database busy.
const MAX_UPLOADS: usize = 8;
/// Those of one tenant.
const MAX_UPLOADS_PER_TENANT: usize = 4;
/// Exports at a time.
const MAX_EXPORTS: usize = 8;
/// Those of one tenant.
const MAX_EXPORTS_PER_TENANT: usize = 4;

/// How the HTTP face behaves.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Requests per user and minute, where an account has no number of its own.
    pub rate_limit_per_minute: u32,
    /// Requests per tenant and minute; without it a tenant has no limit but its users'.
    pub tenant_rate_limit_per_minute: Option<u32>,
    /// How many proxies in front of the service write `X-Forwarded-For`; 0 believes the connection's own address.
    pub trusted_proxies: u32,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a proof of a ledger may take.
    pub proof_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            rate_limit_per_minute: 60,
            tenant_rate_limit_per_minute: None,
            trusted_proxies: 0,
            request_timeout: Duration::from_secs(10),
            proof_timeout: Duration::from_mins(1),
        }
    }
}

/// The services that say who works next and how often.
#[derive(Clone, Debug)]
pub struct Coordination {
    /// The locks.
    pub locks: LockService,
    /// Counts requests. It may fall back to counting alone when its server is away.
    pub requests: RateLimiter,
    /// Counts failed logins. It must not fall back: who cannot be counted does not come in.
    pub login_failures: RateLimiter,
}

impl Coordination {
    /// All of it in this process, for a service without Redis. `epoch` must be higher than that of any earlier life.
    pub fn in_process(epoch: Epoch) -> Self {
        let limiter = RateLimiter::in_process();
        Self { locks: LockService::in_process(epoch), requests: limiter.clone(), login_failures: limiter }
    }
}

/// The service's state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    coordination: Coordination,
    settings: HttpSettings,
    draining: CancellationToken,
    /// The interface's description as JSON, made once.
    openapi: Bytes,
    tokens: TokenCache,
    passwords: PasswordVerifier,
    metrics: Metrics,
    in_flight: Semaphore,
    lock_waits: Semaphore,
    proofs: Proofs,
    uploads: Semaphore,
    uploads_of_tenants: Shares,
    exports: Shares,
}

impl App {
    /// Puts the service together.
    pub fn new(store: Store, coordination: Coordination, settings: HttpSettings) -> Self {
        Self(Arc::new(Shared {
            store,
            coordination,
            settings,
            draining: CancellationToken::new(),
            openapi: crate::http::openapi_json().into(),
            tokens: TokenCache::default(),
            passwords: PasswordVerifier::default(),
            metrics: Metrics::default(),
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            lock_waits: Semaphore::new(MAX_LOCK_WAITS),
            proofs: Proofs::default(),
            uploads: Semaphore::new(MAX_UPLOADS),
            uploads_of_tenants: Shares::new(MAX_UPLOADS, MAX_UPLOADS_PER_TENANT),
            exports: Shares::new(MAX_EXPORTS, MAX_EXPORTS_PER_TENANT),
        }))
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The locks.
    pub fn locks(&self) -> &LockService {
        &self.0.coordination.locks
    }

    /// The rate limits.
    pub fn limiter(&self) -> &RateLimiter {
        &self.0.coordination.requests
    }

    /// The count of failed logins.
    pub fn login_failures(&self) -> &RateLimiter {
        &self.0.coordination.login_failures
    }

    /// How the HTTP face behaves.
    pub fn settings(&self) -> &HttpSettings {
        &self.0.settings
    }

    /// Cancelled when the service is told to stop: readiness turns, and whoever waits for long gives up.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }

    pub(crate) fn openapi(&self) -> Bytes {
        self.0.openapi.clone()
    }

    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.0.tokens
    }

    pub(crate) fn passwords(&self) -> &PasswordVerifier {
        &self.0.passwords
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn in_flight(&self) -> &Semaphore {
        &self.0.in_flight
    }

    pub(crate) fn lock_waits(&self) -> &Semaphore {
        &self.0.lock_waits
    }

    pub(crate) fn uploads(&self) -> &Semaphore {
        &self.0.uploads
    }

    pub(crate) fn uploads_of_tenants(&self) -> &Shares {
        &self.0.uploads_of_tenants
    }

    pub(crate) fn exports(&self) -> &Shares {
        &self.0.exports
    }

    pub(crate) fn proofs(&self) -> &Proofs {
        &self.0.proofs
    }
}
