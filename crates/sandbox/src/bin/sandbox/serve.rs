//! `sandbox serve`: both servers until Ctrl-C, SIGTERM, or the end of this process by any other way.

use std::io::Write;
use std::path::Path;

use sandbox::{Postgres, PostgresOptions, Redis, RedisOptions};
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// Starts both servers, in `folder/postgres` and `folder/redis` or in temporary folders, and waits to be told to stop.
pub(crate) async fn serve(folder: Option<&str>) -> Result<(), Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let inside = |name| folder.map(|folder| Path::new(folder).join(name));
    let work = async {
        let postgres =
            Postgres::start(PostgresOptions { folder: inside("postgres"), ..PostgresOptions::default() }).await?;
        let redis = Redis::start(RedisOptions { folder: inside("redis"), ..RedisOptions::default() }).await?;
        let mut out = std::io::stdout();
        writeln!(out, "postgres {} {}", postgres.pid(), postgres.url())?;
        writeln!(out, "redis {} {}", redis.pid(), redis.url())?;
        out.flush()?;
        tokio::select! {
            status = postgres.process().wait() => Err(format!("PostgreSQL ended: {status}").into()),
            status = redis.process().wait() => Err(format!("Redis ended: {status}").into()),
        }
    };
    tokio::select! {
        outcome = work => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
