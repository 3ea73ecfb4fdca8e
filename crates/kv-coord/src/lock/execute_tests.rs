use std::future::{pending, ready};
use std::sync::atomic::AtomicUsize;

use futures_util::future::{BoxFuture, FutureExt};

use super::*;
use crate::error::CoordError;
use crate::lock::backend::LockBackend;
use crate::lock::bounds::Wait;
use crate::lock::error::AcquireError;
use crate::lock::fence::{Epoch, Mint};
use crate::lock::grant::{Grant, LockInfo};
use crate::lock::resource::LockKey;
use crate::lock::token::Token;

/// What the store says to each renewal.
#[derive(Clone, Copy)]
enum Renewals {
    Answer(RenewOutcome),
    Fail,
    NeverAnswer,
}

/// Grants at once and then behaves as told.
struct Stub {
    renewals: Renewals,
    released: Arc<AtomicUsize>,
}

impl LockBackend for Stub {
    fn acquire<'a>(&'a self, _: &'a LockKey, options: LockOptions) -> BoxFuture<'a, Result<Grant, AcquireError>> {
        let fence = Mint::new(Epoch::new(1).expect("in range")).next().expect("fresh");
        ready(Ok(Grant::new(Token::random(), fence, options.ttl, Instant::now()))).boxed()
    }

    fn release<'a>(
        &'a self,
        _: &'a LockKey,
        _: Token,
    ) -> BoxFuture<'a, Result<(ReleaseOutcome, Option<Duration>), CoordError>> {
        self.released.fetch_add(1, Ordering::Relaxed);
        ready(Ok((ReleaseOutcome::Released { handed_to: None }, None))).boxed()
    }

    fn release_detached(&self, _: &LockKey, _: Token) {
        self.released.fetch_add(1, Ordering::Relaxed);
    }

    fn renew<'a>(&'a self, _: &'a LockKey, _: Token, _: Ttl) -> BoxFuture<'a, Result<RenewOutcome, CoordError>> {
        match self.renewals {
            Renewals::Answer(outcome) => ready(Ok(outcome)).boxed(),
            Renewals::Fail => ready(Err(CoordError::FencesUsedUp)).boxed(),
            Renewals::NeverAnswer => pending().boxed(),
        }
    }

    fn inspect<'a>(&'a self, _: &'a LockKey) -> BoxFuture<'a, Result<Option<LockInfo>, CoordError>> {
        ready(Ok(None)).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), CoordError>> {
        ready(Ok(())).boxed()
    }
}

const TTL_MS: u64 = 300;

/// Runs work that never ends by itself; returns why it ended and after how long. Counts how often the lock was given back.
async fn endless_work(renewals: Renewals, released: &Arc<AtomicUsize>) -> (ExecuteError, Duration) {
    let stub = Stub { renewals, released: Arc::clone(released) };
    let locks = LockService::with_backend(Arc::new(stub));
    let (tenant, resource) = (TenantId::new(1).expect("positive"), Resource::parse("r").expect("allowed"));
    let options = LockOptions { wait: Wait::NONE, ttl: Ttl::from_millis(TTL_MS).expect("in range") };
    let begin = Instant::now();
    let ended = locks.execute_with_lock(tenant, &resource, options, |_held| pending::<()>()).await;
    (ended.expect_err("endless work has no value"), begin.elapsed())
}

#[tokio::test]
async fn a_refused_renewal_ends_the_work_at_once() {
    for (outcome, expected) in
        [(RenewOutcome::Expired, LockLost::Expired), (RenewOutcome::NotOwner, LockLost::NotOwner)]
    {
        let released = Arc::default();
        let (ended, lasted) = endless_work(Renewals::Answer(outcome), &released).await;
        assert!(matches!(ended, ExecuteError::LockLost(lost) if lost == expected), "{ended:?}");
        assert!(lasted >= Duration::from_millis(TTL_MS / 3), "renewed too early: {lasted:?}");
        assert_eq!(released.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn renewals_without_success_end_the_work_at_the_deadline() {
    for renewals in [Renewals::NeverAnswer, Renewals::Fail] {
        let (ended, lasted) = endless_work(renewals, &Arc::default()).await;
        assert!(matches!(ended, ExecuteError::LockLost(LockLost::Unrenewed)), "{ended:?}");
        // 1 % and 2 ms before the end of the lifetime, so the store has not given the lock away yet.
        assert!(lasted >= Duration::from_millis(TTL_MS - 6), "it gave up too early: {lasted:?}");
    }
}

#[tokio::test]
async fn a_dropped_execution_gives_the_lock_back() {
    let released = Arc::default();
    let running = endless_work(Renewals::Answer(RenewOutcome::Renewed), &released);
    let ended = tokio::time::timeout(Duration::from_millis(3 * TTL_MS), running).await;
    assert!(ended.is_err(), "renewed work goes on past its first lifetime");
    assert_eq!(released.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_left_is_never_more_than_the_truth() {
    let begin = Instant::now();
    let believed = Believed::new(begin + Duration::from_micros(5_900));
    assert!(believed.until() <= begin + Duration::from_micros(5_900));
    believed.set(begin + Duration::from_secs(7));
    assert!(believed.until() <= begin + Duration::from_secs(7));
    assert!(believed.until() >= begin + Duration::from_millis(6_998));
}

#[tokio::test]
async fn executions_may_run_on_any_thread() {
    let locks = LockService::in_process(Epoch::new(1).expect("in range"));
    let id = "018f0000-0000-7000-8000-000000000000";
    let item = StockItem { product: id.parse().expect("a UUID"), warehouse: id.parse().expect("a UUID") };
    let tenant = TenantId::new(1).expect("positive");
    let running = tokio::spawn(async move {
        locks.execute_stock_operation(tenant, item, LockOptions::default(), |held| async move { held.fence() }).await
    });
    assert_eq!(running.await.expect("no panic").expect("granted").epoch(), 1);
}
