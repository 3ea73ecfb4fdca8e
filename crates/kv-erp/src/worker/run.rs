//! `kv-erp worker`: a worker by itself, against servers that are there already.

use std::io::Write as _;

use kv_coord::{JobQueue, RedisSettings};
use kv_store::{Store, StoreConfig};
use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::cli::WorkerArgs;
use crate::config;
use crate::failure::Failure;
use crate::{http, serve, service, signals};

/// Runs until a signal comes.
///
/// # Errors
/// A failure of the start; afterwards there is none.
pub async fn run(args: &WorkerArgs) -> Result<(), Failure> {
    let (config, redis) = config::worker(args)?;
    service::refuse_part_of_cluster(&redis).await?;
    let connection = config::database("--database-url", &args.database_url)?;
    let listener = serve::bind(args.listen)?;
    let stop = CancellationToken::new();
    signals::watch(stop.clone()).map_err(|error| Failure::while_doing("watching for signals", &error))?;
    let mut store = StoreConfig::new(connection);
    store.pool_size = args.pool_size;
    let store = service::open_worker_store(&store).await?;
    let worker = Worker::new(store.clone(), queue(&redis, &store)?, config);
    let address = listener.local_addr().map_err(|error| Failure::while_doing("listening", &error))?;
    writeln!(std::io::stdout(), "kv-erp works; it is asked at http://{address}").ok();
    tracing::info!(%address, queues = %worker.0.config.queues, concurrency = worker.0.config.concurrency, "working");
    let face = tokio::spawn(http::worker::answer(listener, worker.clone(), stop.clone()));
    worker.run(&stop).await;
    face.abort();
    tracing::info!("stopped");
    Ok(())
}

/// The queue in Redis, whose fences are drawn from PostgreSQL.
///
/// # Errors
/// When the settings cannot be used.
pub fn queue(redis: &RedisSettings, store: &Store) -> Result<JobQueue, Failure> {
    let epochs = store.clone();
    let queue = JobQueue::redis(redis, move |_run_id: String| {
        let store = epochs.clone();
        async move { store.next_lock_epoch().await.map_err(Into::into) }
    });
    queue.map_err(|error| Failure::of(&error))
}
