//! The service put together and run, the same for `up` and `api`.

use std::time::Duration;

use kv_coord::lock::Epoch;
use kv_coord::{LockService, RateLimiter, RedisSettings};
use kv_store::{Store, StoreConfig, admin};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Coordination};
use crate::config::ServiceConfig;
use crate::failure::Failure;
use crate::sweep;

/// Connects what the service needs, starts what it does by itself, and refuses a database that it would not be safe on.
///
/// # Errors
/// A failure that names what is missing or unsafe.
pub async fn assemble(config: &ServiceConfig, store: &StoreConfig) -> Result<App, Failure> {
    admin::check_role(&store.connection).await.map_err(|error| {
        let failure = Failure::while_doing("checking the database", &error);
        if failure.has_hint() {
            failure
        } else {
            failure.hint("is the server up, and are the URL and its password right?")
        }
    })?;
    let store = Store::open(store).map_err(|error| Failure::while_doing("opening the pool", &error))?;
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
    tokio::spawn(sweep::keep_sweeping(app.store().clone(), app.draining().clone()));
    tokio::spawn(sweep::keep_expiring(app.store().clone(), app.draining().clone()));
    Ok(app)
}

async fn in_process(store: &Store) -> Result<Coordination, Failure> {
    let drawn = store.next_lock_epoch().await.map_err(|error| Failure::while_doing("drawing a lock epoch", &error))?;
    let epoch = Epoch::new(drawn).map_err(|error| {
        Failure::of(&error).hint("the sequence lock_epochs is used up; restart it and empty the table lock_fences")
    })?;
    Ok(Coordination::in_process(epoch))
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
