//! Starting a cluster, in the foreground or detached.

use std::env;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use stampede_engine::cluster::{self, Cluster, Remote, leave_terminal};
use stampede_engine::control::environment_of;
use stampede_model::target::{Scope, Target};
use tokio::time::sleep;
use toml::Spanned;

use super::args::{UpArgs, Wanted};
use super::runtime;
use crate::exit::Exit;
use crate::watch::Stops;
use crate::{Failure, print};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much of a failed start's log is shown.
const LOG_LINES: usize = 40;

pub(super) fn command(args: &UpArgs) -> Result<Exit, Failure> {
    let (target, environment) = read(args).map_err(Failure::usage)?;
    if args.detach {
        return detach(args);
    }
    if args.detached {
        leave_terminal();
    }
    let runtime = runtime()?;
    let exit = runtime.block_on(hold(args, target, &environment));
    // Whatever is left of it ends with the runtime.
    drop(runtime);
    exit
}

fn read(args: &UpArgs) -> anyhow::Result<(Target, Scope)> {
    let file = args.target.display().to_string();
    let text = fs::read_to_string(&args.target).map_err(|error| {
        anyhow!("cannot read {file}: {error}\nhint: name a target file such as targets/kv-erp-cluster.toml")
    })?;
    let mut target = Target::parse(&file, &text)?;
    let Some(cluster) = &mut target.cluster else {
        bail!("{file} describes no cluster\nhint: add [[cluster.service]]; targets/kv-erp-cluster.toml is an example");
    };
    for Wanted { service, replicas } in &args.replicas {
        match cluster.service.iter_mut().find(|described| described.name.as_ref() == service) {
            Some(described) => described.replicas = Spanned::new(described.replicas.span(), *replicas),
            None => bail!("--replicas: no service is called `{service}` in {file}"),
        }
    }
    let environment = environment_of(&target, &|name| env::var(name).ok())?;
    Ok((target, environment))
}

async fn hold(args: &UpArgs, target: Target, environment: &Scope) -> Result<Exit, Failure> {
    let mut stops = Stops::new().context("cannot listen for signals").map_err(Failure::tool)?;
    let program = env::current_exe().context("cannot find this program's own folder").map_err(Failure::tool)?;
    let bin = program.parent().unwrap_or(Path::new(""));
    print::remark(format_args!("starting {}", target.start.name));
    let remote = if args.allow_remote { Remote::Allowed } else { Remote::Refused };
    let starting = Cluster::up(&target, bin, environment, (&args.folder.dir, remote));
    let cluster = tokio::select! {
        cluster = starting => cluster.map_err(Failure::tool)?,
        () = stops.next() => {
            return Err(Failure { exit: Exit::Interrupted, error: anyhow!("stopped while the cluster was starting") });
        }
    };
    let served = cluster.serve(&Arc::new(target)).map_err(Failure::tool)?;
    print::result(&format!("{}\n", cluster.url()));
    print::remark(format_args!(
        "ready; Ctrl-C or `stampede cluster down --dir {}` stops it",
        args.folder.dir.display()
    ));
    tokio::select! {
        () = cluster.until_asked_down() => {}
        () = stops.next() => {}
    }
    print::remark("stopping");
    cluster.down().await;
    drop(served);
    Ok(Exit::Pass)
}

/// Starts this program once more, without a terminal, and waits until it holds a cluster that is ready.
fn detach(args: &UpArgs) -> Result<Exit, Failure> {
    let dir = &args.folder.dir;
    if let Ok(card) = cluster::find(dir) {
        let error = anyhow!("a cluster runs in {} already (process {})", dir.display(), card.process.pid);
        return Err(Failure::tool(error));
    }
    let log = dir.join("up.log");
    let mut child = spawn(args, &log).map_err(Failure::tool)?;
    let ended = runtime()?.block_on(async {
        let mut stops = Stops::new()?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok::<_, std::io::Error>(Some(Some(status)));
            }
            if cluster::find(dir).is_ok_and(|card| card.process.pid == child.id()) {
                return Ok(None);
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = stops.next() => return Ok(Some(None)),
            }
        }
    });
    match ended.map_err(Failure::tool)? {
        None => {
            let card = super::find(dir)?;
            print::result(&format!("{}\n", card.url));
            print::remark(format_args!(
                "ready, held by process {}; `stampede cluster down --dir {}` stops it",
                card.process.pid,
                dir.display()
            ));
            Ok(Exit::Pass)
        }
        Some(Some(status)) => {
            let said = stampede_engine::cluster::log_tail(&log, LOG_LINES);
            Err(Failure::tool(anyhow!("the cluster did not start ({status}); it said:\n{said}")))
        }
        Some(None) => {
            // What it started ends with it.
            child.kill().map_err(Failure::tool)?;
            child.wait().map_err(Failure::tool)?;
            Err(Failure { exit: Exit::Interrupted, error: anyhow!("stopped while the cluster was starting") })
        }
    }
}

fn spawn(args: &UpArgs, log: &Path) -> anyhow::Result<Child> {
    let dir = &args.folder.dir;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let open = OpenOptions::new().create(true).write(true).truncate(true).open(log);
    let open = open.with_context(|| format!("cannot write {}", log.display()))?;
    let program = env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.args(["cluster", "up"]).arg(&args.target).arg("--dir").arg(dir).arg("--detached");
    for Wanted { service, replicas } in &args.replicas {
        command.arg("--replicas").arg(format!("{service}={replicas}"));
    }
    if args.allow_remote {
        command.arg("--allow-remote");
    }
    command.stdin(Stdio::null()).stdout(open.try_clone()?).stderr(open);
    command.spawn().context("cannot start this program once more")
}
