//! What is to be done, once the arguments and the target file have been understood.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use stampede_engine::control::{Afterwards, environment_of};
use stampede_engine::http::Endpoint;
use stampede_model::target::{Effort, Row, Scope, Target};

use super::args::AcceptArgs;

/// An understood command.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) target: Target,
    pub(super) environment: Scope,
    /// The folder of this program: others that belong to it stand beside it.
    pub(super) bin: PathBuf,
    only: Vec<String>,
    pub(super) effort: Effort,
    pub(super) afterwards: Afterwards,
    pub(super) json: Option<PathBuf>,
    pub(super) markdown: Option<PathBuf>,
}

impl Order {
    pub(super) fn from_args(args: &AcceptArgs) -> anyhow::Result<Self> {
        let path = args.target.as_deref().unwrap_or(Path::new(""));
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            anyhow!("--target: cannot read {file}: {error}\nhint: name a target file such as targets/kv-erp.toml")
        })?;
        let mut target = Target::parse(&file, &text)?;
        if let Some(url) = &args.url {
            let endpoint = Endpoint::parse(url).context("--url")?;
            if endpoint.path().as_str() != "/" {
                bail!("--url: `{url}` has a path; the target file names the paths, give scheme, host and port only");
            }
            target = target.found_at(url);
        }
        crate::cluster::refuse(&target)?;
        let known: Vec<String> = target.rows().iter().map(|row| row.id().to_owned()).collect();
        if let Some(unknown) = args.only.iter().find(|only| !known.contains(only)) {
            bail!("--only: there is no row `{unknown}` in {file}\nhint: it has {}", known.join(", "));
        }
        if known.is_empty() {
            bail!(
                "{file} has no rows: there is nothing to check\nhint: add [[load]], [[stock]], [[rate_limit]] or another"
            );
        }
        let environment = environment_of(&target, &|name| env::var(name).ok())?;
        let program = env::current_exe().context("cannot find this program's own folder")?;
        Ok(Self {
            bin: program.parent().map(Path::to_path_buf).unwrap_or_default(),
            target,
            environment,
            only: args.only.clone(),
            effort: if args.quick { Effort::Quick } else { Effort::Full },
            afterwards: if args.keep { Afterwards::Leave } else { Afterwards::Stop },
            json: args.json.clone(),
            markdown: args.markdown.clone(),
        })
    }

    /// The chosen rows.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let chosen = |row: &Row<'_>| self.only.is_empty() || self.only.iter().any(|only| only == row.id());
        self.target.rows().into_iter().filter(chosen).collect()
    }

    /// The files to be written.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.json.iter().chain(&self.markdown).map(PathBuf::as_path)
    }
}
