//! The cluster of a run: the one that runs in the folder, or one that is started for it.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};
use stampede_engine::cluster::{self, Card};

use crate::{Failure, print};

/// A cluster, ended when it was started for this run.
pub(super) struct ClusterPlace<'a> {
    pub(super) card: Card,
    started_in: Option<&'a Path>,
}

impl<'a> ClusterPlace<'a> {
    /// Finds the cluster of `dir`, or starts `target` there.
    pub(super) fn take(dir: &'a Path, target: Option<&Path>) -> Result<Self, Failure> {
        match (cluster::find(dir), target) {
            (Ok(card), _) => Ok(Self { card, started_in: None }),
            (Err(error), None) => Err(Failure::tool(error)),
            (Err(_), Some(target)) => start(dir, target),
        }
    }
}

fn start<'a>(dir: &'a Path, target: &Path) -> Result<ClusterPlace<'a>, Failure> {
    print::remark(format_args!("starting {}", target.display()));
    let mut command = cluster_command().map_err(Failure::tool)?;
    command.arg("up").arg(target).arg("--detach").arg("--dir").arg(dir).stdout(Stdio::null());
    let status = command.status().context("cannot start this program once more").map_err(Failure::tool)?;
    if !status.success() {
        return Err(Failure::tool(anyhow!("the cluster of {} did not start", target.display())));
    }
    let card = cluster::find(dir).map_err(Failure::tool)?;
    Ok(ClusterPlace { card, started_in: Some(dir) })
}

fn cluster_command() -> anyhow::Result<Command> {
    let program = env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.arg("cluster").stdin(Stdio::null());
    Ok(command)
}

impl Drop for ClusterPlace<'_> {
    fn drop(&mut self) {
        let Some(dir) = self.started_in else { return };
        let ended = cluster_command().and_then(|mut command| Ok(command.arg("down").arg("--dir").arg(dir).status()?));
        if !ended.is_ok_and(|status| status.success()) {
            print::remark(format_args!(
                "the cluster in {} did not end; it ends with process {}",
                dir.display(),
                self.card.process.pid
            ));
        }
    }
}
