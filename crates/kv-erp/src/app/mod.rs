//! What every handler shares.

mod audit_queue;
mod proofs;
pub(crate) mod shares;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use kv_coord::lock::{Epoch, Ttl};
use kv_coord::{JobQueue, LockService, RateLimiter};
use kv_store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::credentials::platform::PlatformToken;
use crate::http::access::Gate;
use crate::http::auth::PasswordVerifier;
use crate::http::auth::cache::TokenCache;
use crate::http::metrics::Metrics;
use crate::worker::Worker;
pub use audit_queue::AuditQueue;
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
    /// The platform's token, hashed; without it nobody manages tenants over the interface.
    pub platform_token: Option<PlatformToken>,
    /// How long a lock lives whose client names no lifetime.
    pub lock_ttl: Ttl,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            rate_limit_per_minute: 60,
            tenant_rate_limit_per_minute: None,
            trusted_proxies: 0,
            request_timeout: Duration::from_secs(10),
            proof_timeout: Duration::from_mins(1),
            platform_token: None,
            lock_ttl: Ttl::DEFAULT,
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
    gate: Gate,
    audit: AuditQueue,
    tokens: TokenCache,
    passwords: PasswordVerifier,
    metrics: Metrics,
    in_flight: Semaphore,
    lock_waits: Semaphore,
    proofs: Proofs,
    /// The job queue that the metrics look at.
    queue: OnceLock<JobQueue>,
    uploads: Semaphore,
    uploads_of_tenants: Shares,
    exports: Shares,
    /// Set when this process does jobs too.
    worker: OnceLock<Worker>,
}

impl App {
    /// Puts the service together.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(store: Store, coordination: Coordination, settings: HttpSettings) -> Self {
        let api = crate::http::openapi();
        Self(Arc::new(Shared {
            gate: Gate::of(&api),
            audit: AuditQueue::start(store.clone()),
            openapi: crate::http::as_json(&api).into(),
            store,
            coordination,
            settings,
            draining: CancellationToken::new(),
            tokens: TokenCache::default(),
            passwords: PasswordVerifier::default(),
            metrics: Metrics::default(),
            in_flight: Semaphore::new(MAX_IN_FLIGHT),
            lock_waits: Semaphore::new(MAX_LOCK_WAITS),
            proofs: Proofs::default(),
            queue: OnceLock::new(),
            uploads: Semaphore::new(MAX_UPLOADS),
            uploads_of_tenants: Shares::new(MAX_UPLOADS, MAX_UPLOADS_PER_TENANT),
            exports: Shares::new(MAX_EXPORTS, MAX_EXPORTS_PER_TENANT),
            worker: OnceLock::new(),
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

    /// Has the metrics look at this job queue. The first one counts.
    pub fn watch_queue(&self, queue: JobQueue) {
        // A second one is the same queue, or a mistake of ours that shows as no harm but an unwatched queue.
        self.0.queue.set(queue).ok();
    }

    pub(crate) fn watched_queue(&self) -> Option<&JobQueue> {
        self.0.queue.get()
    }

    pub(crate) fn openapi(&self) -> Bytes {
        self.0.openapi.clone()
    }

    /// Who may do what.
    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// What is noted without a transaction of its own.
    pub fn audit(&self) -> &AuditQueue {
        &self.0.audit
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

    /// Says that this process does jobs too; its numbers are shown with the service's.
    pub fn works_with(&self, worker: Worker) {
        drop(self.0.worker.set(worker));
    }

    pub(crate) fn worker(&self) -> Option<&Worker> {
        self.0.worker.get()
    }

    pub(crate) fn proofs(&self) -> &Proofs {
        &self.0.proofs
    }
}
