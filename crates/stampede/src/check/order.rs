//! What is to be checked, once the arguments and the target file have been understood.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use stampede_engine::control::environment_of;
use stampede_engine::http::Endpoint;
use stampede_model::target::{Scope, Target, Workload};

use super::args::CheckArgs;

/// An understood command.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) target: Target,
    /// The target file as it was named.
    pub(crate) file: String,
    pub(crate) environment: Scope,
    /// The folder of this program: others that belong to it stand beside it.
    pub(crate) bin: PathBuf,
    pub(crate) workloads: Vec<Workload>,
    /// Addresses given by hand.
    pub(crate) urls: Vec<String>,
    /// The gateway's address given by hand.
    pub(crate) gateway: Option<String>,
    pub(crate) seed: u64,
    pub(crate) keep: Option<PathBuf>,
    pub(crate) edn: bool,
    pub(crate) search_steps: u64,
}

impl Order {
    pub(super) fn from_args(args: &CheckArgs, file: &Path) -> anyhow::Result<Self> {
        let name = file.display().to_string();
        let mut target = read(file)?;
        if let Some(start) = &args.start {
            let read = read(start).context("--start")?;
            (target.start, target.cluster) = (read.start, read.cluster);
        }
        for url in &args.url {
            let endpoint = Endpoint::parse(url).context("--url")?;
            if endpoint.path().as_str() != "/" {
                bail!("--url: `{url}` has a path; the target file names the paths, give scheme, host and port only");
            }
        }
        if let Some(first) = args.url.first() {
            target = target.found_at(first);
        }
        crate::cluster::refuse(&target)?;
        let environment = environment_of(&target, &|name| env::var(name).ok())?;
        let program = env::current_exe().context("cannot find this program's own folder")?;
        let workloads = chosen(args, &target, &name)?;
        Ok(Self {
            bin: program.parent().map(Path::to_path_buf).unwrap_or_default(),
            target,
            file: name,
            environment,
            workloads,
            urls: args.url.clone(),
            gateway: args.gateway.clone(),
            seed: args.seed,
            keep: args.keep.clone(),
            edn: args.edn,
            search_steps: args.search_steps,
        })
    }
}

fn read(file: &Path) -> anyhow::Result<Target> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| {
        anyhow!("cannot read {name}: {error}\nhint: name a target file such as targets/kv-erp.toml")
    })?;
    Ok(Target::parse(&name, &text)?)
}

/// The chosen workloads with the numbers of the command line.
fn chosen(args: &CheckArgs, target: &Target, file: &str) -> anyhow::Result<Vec<Workload>> {
    let known: Vec<&str> = target.workload.iter().map(|workload| workload.id.as_ref().as_str()).collect();
    if known.is_empty() {
        bail!("{file} has no workloads: there is nothing to check\nhint: docs/checking.md shows how to bind one");
    }
    if let Some(unknown) = args.only.iter().find(|only| !known.contains(&only.as_str())) {
        bail!("--only: there is no workload `{unknown}` in {file}\nhint: it has {}", known.join(", "));
    }
    let is_chosen = |workload: &&Workload| args.only.is_empty() || args.only.contains(workload.id.as_ref());
    let with_numbers = |workload: &Workload| {
        let mut workload = workload.clone();
        workload.clients = args.clients.unwrap_or(workload.clients);
        if let Some(duration) = args.duration {
            (workload.lasts, workload.operations) = (duration, u32::MAX);
        }
        workload.operations = args.operations.unwrap_or(workload.operations);
        workload
    };
    Ok(target.workload.iter().filter(is_chosen).map(with_numbers).collect())
}
