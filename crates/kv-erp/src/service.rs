//! The service put together and run, the same for `up` and `api`.

use std::time::Duration;

use kv_coord::lock::Epoch;
use kv_coord::{CoordError, JobQueue, LockService, RateLimiter, RedisSettings};
use kv_store::{Pooler, Store, StoreConfig, admin};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Coordination};
use crate::config::ServiceConfig;
use crate::failure::{Failure, chain};
use crate::sweep;
use crate::worker::{self, Worker, WorkerConfig};

/// Connects what the service needs, starts what it does by itself, and refuses a database that it would not be safe on.
///
/// # Errors
/// A failure that names what is missing or unsafe.
pub async fn assemble(config: &ServiceConfig, store: &StoreConfig) -> Result<App, Failure> {
    for redis in config.redis.iter().chain(&config.queue_redis) {
        refuse_part_of_cluster(redis).await?;
    }
    let store = open_store(config, store).await?;
    let coordination = match &config.redis {
        None => in_process(&store).await?,
        Some(redis) => {
            let epochs = store.clone();
            let locks = LockService::redis(redis, move |_run_id: String| {
                let store = epochs.clone();
                async move { store.next_lock_epoch().await.map_err(Into::into) }
            });
            // Who cannot be counted does not come in, so a login waits for Redis longer than a request, which has a fallback.
            let mut patient: RedisSettings = redis.clone();
            patient.limit_timeout = redis.lock_timeout;
            Coordination {
                locks: locks.map_err(|error| Failure::of(&error))?,
                requests: RateLimiter::redis_or_alone(redis, config.replicas).map_err(|error| Failure::of(&error))?,
                login_failures: RateLimiter::redis(&patient).map_err(|error| Failure::of(&error))?,
            }
        }
    };
    #[cfg(feature = "wrong-strategies")]
    let coordination = crate::wrong::spoil(coordination);
    let app = App::new(store, coordination, config.http.clone());
    if let Some(redis) = config.queue_redis() {
        app.watch_queue(worker::queue(redis, app.store())?);
    }
    for (of, redis) in [("locks and limits", config.redis.as_ref()), ("the queue", config.queue_redis.as_ref())] {
        if let Some(redis) = redis {
            tokio::spawn(tell_of_faults(of, redis.clone(), app.draining().clone()));
        }
    }
    tokio::spawn(sweep::keep_sweeping(app.store().clone(), app.draining().clone()));
    tokio::spawn(sweep::keep_expiring(app.store().clone(), app.draining().clone()));
    Ok(app)
}

/// Refuses a node of a cluster that would refuse some of the keys. A Redis that is away may be back soon, and is not waited for.
///
/// # Errors
/// A failure that says what to do.
pub async fn refuse_part_of_cluster(redis: &RedisSettings) -> Result<(), Failure> {
    match redis.check_cluster().await {
        Err(error @ CoordError::OfCluster { .. }) => {
            let failure = Failure::while_doing("checking Redis", &error);
            Err(if failure.has_hint() { failure } else { failure.hint("see docs/operations.md, Redis") })
        }
        Err(error) => {
            tracing::debug!(redis = %redis.address(), error = %chain(&error), "Redis does not say whether it is a cluster");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Warns of what the Redis is not fit for, as soon as it answers: the service starts without it too.
async fn tell_of_faults(of: &'static str, redis: RedisSettings, stop: CancellationToken) {
    const FIRST_PAUSE: Duration = Duration::from_secs(1);
    const LONGEST_PAUSE: Duration = Duration::from_mins(1);
    let look = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match redis.look_for_faults().await {
                Ok(faults) => {
                    for fault in faults {
                        tracing::warn!(redis = %redis.address(), of, "Redis is not fit: {fault}");
                    }
                    return;
                }
                Err(error) if error.is_unreachable() => tokio::time::sleep(pause).await,
                Err(error) => {
                    tracing::info!(redis = %redis.address(), of, error = %chain(&error), "Redis does not say how it is set up");
                    return;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    // Neither way is anybody waiting for it.
    stop.run_until_cancelled(look).await;
}

/// Opens the store, unless it would not be safe.
///
/// # Errors
/// A failure that names what is missing or unsafe.
async fn open_store(config: &ServiceConfig, store: &StoreConfig) -> Result<Store, Failure> {
    check_service(store).await?;
    admin::check_replicas(store).await.map_err(|error| Failure::while_doing("checking the replicas", &error))?;
    // A pooler has limits of its own, which it does not tell.
    if store.pooler == Pooler::None {
        let room = admin::connection_room(store).await;
        let room = room.map_err(|error| Failure::while_doing("checking the database", &error))?;
        config.fit_connections(store.connections(), room)?;
    }
    Store::open(store).map_err(|error| Failure::while_doing("opening the pool", &error))
}

/// Opens the store of a worker, unless it would not be safe.
///
/// # Errors
/// A failure that names what is missing or unsafe.
pub async fn open_worker_store(store: &StoreConfig) -> Result<Store, Failure> {
    check_service(store).await?;
    Store::open(store).map_err(|error| Failure::while_doing("opening the pool", &error))
}

async fn check_service(store: &StoreConfig) -> Result<(), Failure> {
    admin::check_service(store).await.map_err(|error| {
        let failure = Failure::while_doing("checking the database", &error);
        if failure.has_hint() {
            failure
        } else {
            failure.hint("is the server up, and are the URL and its password right?")
        }
    })
}

/// The worker of a process that also serves: its queue is in Redis, or without that in the process, which loses it with its life and
/// fills it again from PostgreSQL.
///
/// # Errors
/// A failure that names what is missing.
pub async fn worker_beside(app: &App, config: &ServiceConfig, work: WorkerConfig) -> Result<Worker, Failure> {
    let queue = if let Some(redis) = config.queue_redis() {
        worker::queue(redis, app.store())?
    } else {
        let queue = JobQueue::in_process(draw_epoch(app.store()).await?);
        app.watch_queue(queue.clone());
        queue
    };
    let worker = Worker::new(app.store().clone(), queue, work);
    app.works_with(worker.clone());
    Ok(worker)
}

async fn in_process(store: &Store) -> Result<Coordination, Failure> {
    Ok(Coordination::in_process(draw_epoch(store).await?))
}

async fn draw_epoch(store: &Store) -> Result<Epoch, Failure> {
    let drawn = store.next_lock_epoch().await.map_err(|error| Failure::while_doing("drawing a lock epoch", &error))?;
    Epoch::new(drawn).map_err(|error| {
        Failure::of(&error).hint("the sequence lock_epochs is used up; restart it and empty the table lock_fences")
    })
}

/// Tells the app at once that the process is stopping, and gives a token that is cancelled `delay` later: until then the service
/// still accepts, so that a load balancer can see that it is not ready before it is gone.
pub fn drain_with(app: &App, stop: &CancellationToken, delay: Duration) -> CancellationToken {
    let (draining, stop, closing) = (app.draining().clone(), stop.clone(), CancellationToken::new());
    let close = closing.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        draining.cancel();
        tokio::time::sleep(delay).await;
        close.cancel();
    });
    closing
}
