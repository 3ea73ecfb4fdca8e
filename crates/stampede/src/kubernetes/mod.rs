//! `stampede kubernetes`: faults in a namespace that is named twice, and what is to be seen of it meanwhile.
//!
//! Invariants: without the same namespace in the file and in `--namespace` nothing is sent; every fault ends, also when this program
//! is killed in the middle of it; an undo that was not seen to have worked ends with exit code 6.

mod args;
mod looking;
mod rounds;
mod show;
mod under_load;

use std::fs;
use std::path::PathBuf;

use anyhow::anyhow;
use stampede_engine::chaos::ChaosError;
use stampede_engine::chaos::kubernetes::{KubernetesTarget, Scope, autoscalers, logs, pods, sweep};
use stampede_model::chaos::{KubernetesFile, KubernetesKind};

pub(crate) use args::KubernetesArgs;

use crate::exit::Exit;
use crate::print::Append;
use crate::{Failure, cluster, print};
use args::{KubernetesCommand, PlaceArgs};

/// Carries out the subcommand.
pub(crate) fn command(args: &KubernetesArgs) -> Result<Exit, Failure> {
    match &args.command {
        KubernetesCommand::Chaos(args) => rounds::command(args),
        KubernetesCommand::List => {
            print::result(&list());
            Ok(Exit::Pass)
        }
        KubernetesCommand::Sweep { place, all } => swept(place, if *all { Scope::All } else { Scope::Expired }),
        KubernetesCommand::Pods { place, service } => {
            let target = target(place)?;
            let rows = cluster::runtime()?.block_on(pods(&target, &service.on)).map_err(unreached)?;
            print::result(&show::pods(&rows));
            Ok(Exit::Pass)
        }
        KubernetesCommand::Hpa { place } => {
            let target = target(place)?;
            let rows = cluster::runtime()?.block_on(autoscalers(&target)).map_err(unreached)?;
            print::result(&show::autoscalers(&rows));
            Ok(Exit::Pass)
        }
        KubernetesCommand::Logs { place, service, tail, grep } => {
            let target = target(place)?;
            let lines = cluster::runtime()?.block_on(logs(&target, &service.on, (*tail, grep.as_deref())));
            let mut text = String::new();
            for line in lines.map_err(unreached)? {
                text.append(format_args!("{line}\n"));
            }
            print::result(&text);
            Ok(Exit::Pass)
        }
    }
}

fn list() -> String {
    let mut text = String::new();
    for kind in KubernetesKind::ALL {
        text.append(format_args!("{:<14} {}\n", kind.word(), kind.about()));
    }
    text
}

/// Reads the file and holds its namespace against the command line's.
fn target(place: &PlaceArgs) -> Result<KubernetesTarget, Failure> {
    let file = place.target.display().to_string();
    let text = fs::read_to_string(&place.target).map_err(|error| {
        Failure::usage(anyhow!("cannot read {file}: {error}\nhint: docs/kubernetes.md has a file to begin with"))
    })?;
    let read = KubernetesFile::parse(&file, &text).map_err(Failure::usage)?;
    // The journal keeps it, and may be read elsewhere.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
    let kubeconfig = place.kubeconfig.as_ref().map(absolute);
    KubernetesTarget::new(read, &place.namespace, kubeconfig).map_err(failure)
}

fn swept(place: &PlaceArgs, scope: Scope) -> Result<Exit, Failure> {
    let target = target(place)?;
    let swept = cluster::runtime()?.block_on(sweep(target.reach(), scope)).map_err(unreached)?;
    if swept.is_empty() {
        print::remark("nothing of ours is there");
    }
    for one in swept {
        print::result(&format!("{} {}\n", one.done, one.path));
    }
    Ok(Exit::Pass)
}

fn unreached(why: String) -> Failure {
    Failure::tool(anyhow!(why))
}

/// What is open in a journal is a fault that was not undone, whatever else is to be done.
fn failure(error: ChaosError) -> Failure {
    match error {
        ChaosError::Open { .. } | ChaosError::BadJournal { .. } => {
            Failure { exit: Exit::FaultNotUndone, error: error.into() }
        }
        ChaosError::Aim(_) => Failure::usage(error),
        other => Failure::tool(other),
    }
}
