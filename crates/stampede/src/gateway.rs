//! `stampede gateway`: an HTTP face for Redis and PostgreSQL, to be started by a target file.

use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use clap::Args;
use stampede_engine::gateway::{self, Behind};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, print};

/// Give Redis and PostgreSQL an HTTP face, so that locks, limits and queues made of them can be checked.
#[derive(Debug, Args)]
#[command(after_help = "A target file starts it: see targets/redis-lock.toml and targets/postgres-queue.toml")]
pub(crate) struct GatewayArgs {
    /// Where to listen; on the loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The Redis behind POST /redis
    #[arg(long, value_name = "URL", env = "STAMPEDE_REDIS_URL", hide_env_values = true)]
    redis: Option<String>,
    /// The PostgreSQL behind POST /sql
    #[arg(long, value_name = "URL", env = "STAMPEDE_POSTGRES_URL", hide_env_values = true)]
    postgres: Option<String>,
}

/// Carries out the subcommand: serves until it is told to stop.
pub(crate) fn command(args: &GatewayArgs) -> Result<Exit, Failure> {
    if !args.listen.ip().is_loopback() {
        let hint = "whoever reaches it may do anything to the servers behind it";
        return Err(Failure::usage(anyhow!("--listen: {} is not on the loopback\nhint: {hint}", args.listen)));
    }
    let behind = Behind::parse(args.redis.as_deref(), args.postgres.as_deref()).map_err(Failure::usage)?;
    if behind.is_empty() {
        return Err(Failure::usage(anyhow!(
            "nothing is behind the gateway\nhint: give --redis URL, --postgres URL or both"
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot set up the gateway").map_err(Failure::tool)?;
    LocalSet::new().block_on(&runtime, async {
        let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
        let listener = TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("--listen: {}", args.listen)).map_err(Failure::tool)?;
        let address = listener.local_addr().context("cannot listen").map_err(Failure::tool)?;
        print::result(&format!("http://{address}\n"));
        tokio::select! {
            served = gateway::serve(listener, behind) => served.context("the gateway").map_err(Failure::tool)?,
            () = stops.next() => {}
        }
        Ok(Exit::Pass)
    })
}
