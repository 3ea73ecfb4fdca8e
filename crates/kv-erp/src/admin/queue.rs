//! `kv-erp admin queue`: how the workers' queue is, and what an operator does to it.

use kv_coord::queue::Priority;
use kv_coord::{JobQueue, RedisSettings};
use kv_store::access::operate::DeadJobs;
use kv_store::{Store, StoreConfig};
use secrecy::ExposeSecret as _;

use super::{FLAG, connect, print, reached, refused};
use crate::cli::{AdminConnection, QueueCommand, QueueConnection};
use crate::config;
use crate::failure::Failure;

/// Looks at the queue or steers it.
pub(super) async fn run(command: &QueueCommand) -> Result<(), Failure> {
    match command {
        QueueCommand::Status { queue, connection } => status(&open(queue)?, connection).await,
        QueueCommand::Pause { queue, name } => open(queue)?.pause(named(name)?).await.map_err(|error| away(&error)),
        QueueCommand::Resume { queue, name } => open(queue)?.resume(named(name)?).await.map_err(|error| away(&error)),
        QueueCommand::Replay { connection, tenant, kind, id } => {
            let which = DeadJobs { tenant: tenant.as_deref(), kind: kind.as_deref(), id: *id };
            let replayed = connect(connection).await?.replay_jobs(&which).await.map_err(|error| refused(&error))?;
            print(&format!("{replayed} dead jobs begin anew"))
        }
    }
}

/// The queue, which is looked at and not claimed from: no fence is ever drawn for it.
fn open(connection: &QueueConnection) -> Result<JobQueue, Failure> {
    let settings = RedisSettings::parse(connection.redis_url.expose_secret());
    let settings = settings.map_err(|error| Failure::while_doing("--redis-url", &error))?;
    let nobody = |_run_id: String| async { Err::<u64, _>("an administrator claims no jobs".into()) };
    JobQueue::redis(&settings, nobody).map_err(|error| Failure::of(&error))
}

fn named(name: &str) -> Result<Priority, Failure> {
    Priority::from_name(name)
        .ok_or_else(|| Failure::usage(format!("there is no queue {name}; use high, default or low")))
}

fn away(error: &kv_coord::CoordError) -> Failure {
    Failure::while_doing("asking the queue", error).hint("is Redis up, and is --redis-url the workers'?")
}

async fn status(queue: &JobQueue, connection: &AdminConnection) -> Result<(), Failure> {
    let counts = queue.counts().await.map_err(|error| away(&error))?;
    for priority in Priority::ALL {
        let ready = counts.ready(priority);
        let age = ready.oldest_age.map_or_else(|| "-".to_owned(), |age| format!("{:.1}", age.as_secs_f64()));
        let flow = if ready.is_paused { "paused" } else { "open" };
        print(&format!("queue:{} ready={} oldest_s={age} {flow}", priority.as_str(), ready.depth))?;
    }
    print(&format!("delayed={} leased={} dead={}", counts.delayed, counts.leased, counts.dead))?;
    let config = config::database(FLAG, &connection.database_url)?;
    let store =
        Store::open(&StoreConfig::new(config)).map_err(|error| reached(&error, "connecting to the database"))?;
    let jobs = store.count_jobs().await.map_err(|error| reached(&error, "counting jobs"))?;
    jobs.iter().try_for_each(|job| print(&format!("database kind={} {}={}", job.kind, job.state, job.jobs)))
}
