//! `stampede cluster`: a described system in several replicas on this machine, held by one process and steered by the others.
//!
//! Invariants: `up` returns, or says so, only when all of it is ready; whatever ends the process that holds it, all of it ends;
//! the other commands speak to that process by its control socket and never to what it started.

mod args;
mod logs;
mod show;
mod up;

use std::path::Path;
use std::time::Duration;

use stampede_engine::chaos::processes::is_alive;
use stampede_engine::cluster::{self, Ask, AskError, Card};
use stampede_model::target::Target;
use tokio::time::{Instant, sleep};

pub(crate) use args::{ClusterArgs, FolderArgs};

use crate::exit::Exit;
use crate::{Failure, print};
use args::ClusterCommand;

/// How long the end of a cluster may take: its programs have their grace.
const DOWN_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Carries out the subcommand.
pub(crate) fn command(args: &ClusterArgs) -> Result<Exit, Failure> {
    match &args.command {
        ClusterCommand::Up(args) => up::command(args),
        ClusterCommand::Down { folder } => down(&folder.dir),
        ClusterCommand::Status { folder, json } => {
            let status = runtime()?.block_on(cluster::status(&find(&folder.dir)?.socket)).map_err(Failure::tool)?;
            print::result(&if *json { show::json(&status).map_err(Failure::tool)? } else { show::text(&status) });
            Ok(Exit::Pass)
        }
        ClusterCommand::Scale { services, folder } => {
            let card = find(&folder.dir)?;
            for args::Wanted { service, replicas } in services {
                ask(&card, &Ask::Scale { service: service.clone(), replicas: *replicas })?;
                print::remark(format_args!("{service} has {replicas} replicas"));
            }
            Ok(Exit::Pass)
        }
        ClusterCommand::Restart { on, folder } => {
            let card = find(&folder.dir)?;
            for one in on {
                ask(&card, &Ask::Restart { on: one.clone() })?;
                print::remark(format_args!("{one} was started anew and is ready"));
            }
            Ok(Exit::Pass)
        }
        ClusterCommand::Logs(args) => logs::command(args),
    }
}

fn down(folder: &Path) -> Result<Exit, Failure> {
    let card = find(folder)?;
    ask(&card, &Ask::Down)?;
    let gone = runtime()?.block_on(async {
        let deadline = Instant::now() + DOWN_WITHIN;
        while is_alive(card.process) && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
        !is_alive(card.process)
    });
    if !gone {
        let error = anyhow::anyhow!("process {} has not ended within {} s", card.process.pid, DOWN_WITHIN.as_secs());
        return Err(Failure::tool(error));
    }
    print::remark("the cluster is down");
    Ok(Exit::Pass)
}

/// Says so when a target would have to be started as a cluster, which other commands do not do.
pub(crate) fn refuse(target: &Target) -> anyhow::Result<()> {
    if target.cluster.is_none() {
        return Ok(());
    }
    anyhow::bail!(
        "{} is a cluster, and a cluster is held by a process of its own\n\
         hint: `stampede cluster up FILE --detach` prints its address; give that with --url",
        target.start.name
    )
}

/// The cluster of a folder.
pub(crate) fn find(folder: &Path) -> Result<Card, Failure> {
    cluster::find(folder).map_err(|error: AskError| Failure::tool(error))
}

fn ask(card: &Card, ask: &Ask) -> Result<(), Failure> {
    runtime()?.block_on(cluster::ask(&card.socket, ask)).map(drop).map_err(Failure::tool)
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::tool)
}
