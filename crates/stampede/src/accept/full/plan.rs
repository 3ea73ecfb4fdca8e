//! What is to be done, once the arguments, the acceptance file and its target have been understood.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use stampede_engine::control::environment_of;
use stampede_model::acceptance::{Acceptance, Extra};
use stampede_model::target::{Effort, Row, Scope, Target};

use crate::accept::AcceptArgs;
use crate::print::Append;

/// An understood acceptance.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) acceptance: Acceptance,
    /// The target with the cluster that is started.
    pub(super) target: Target,
    pub(super) environment: Scope,
    /// The folder of this program: others that belong to it stand beside it.
    pub(super) bin: PathBuf,
    /// The folder of the acceptance file.
    pub(super) here: PathBuf,
    only: Vec<String>,
    pub(super) effort: Effort,
    /// The cluster's run folder.
    pub(super) dir: PathBuf,
}

impl Plan {
    pub(super) fn from_args(args: &AcceptArgs, file: &Path) -> anyhow::Result<Self> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            anyhow!("cannot read {name}: {error}\nhint: name an acceptance file such as acceptance.toml")
        })?;
        let acceptance = Acceptance::parse(&name, &text)?;
        let here = file.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut target = read(&here, acceptance.of.target.as_ref()).context("acceptance.target")?;
        if let Some(start) = &acceptance.of.start {
            let start = read(&here, start.as_ref()).context("acceptance.start")?;
            (target.start, target.cluster) = (start.start, start.cluster);
        }
        acceptance.check(&target)?;
        let environment = environment_of(&target, &|name| env::var(name).ok())?;
        let program = env::current_exe().context("cannot find this program's own folder")?;
        let plan = Self {
            acceptance,
            target,
            environment,
            bin: program.parent().map(Path::to_path_buf).unwrap_or_default(),
            here,
            only: args.only.clone(),
            effort: if args.quick { Effort::Quick } else { Effort::Full },
            dir: args.dir.clone(),
        };
        plan.check_only(&name)?;
        Ok(plan)
    }

    fn check_only(&self, file: &str) -> anyhow::Result<()> {
        let mut known: Vec<String> = self.all_target_rows().map(|row| row.id().to_owned()).collect();
        known.extend(self.acceptance.extras().iter().map(Extra::id));
        match self.only.iter().find(|only| !known.contains(only)) {
            Some(unknown) => bail!("--only: there is no row `{unknown}` in {file}\nhint: it has {}", known.join(", ")),
            None => Ok(()),
        }
    }

    /// Whether a row was chosen.
    pub(super) fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == id)
    }

    fn all_target_rows(&self) -> impl Iterator<Item = Row<'_>> {
        let without = &self.acceptance.of.without;
        self.target.rows().into_iter().filter(move |row| without.iter().all(|name| name.as_ref() != row.id()))
    }

    /// The target's rows that are to be run; a load row also for the sake of what is read from its measurement.
    pub(super) fn target_rows(&self) -> Vec<Row<'_>> {
        let measured = |row: &Row<'_>| {
            let mut of = self.acceptance.measured.iter().filter(|measured| measured.of.as_ref() == row.id());
            of.any(|measured| self.wants(measured.id.as_ref()))
        };
        self.all_target_rows().filter(|row| self.wants(row.id()) || measured(row)).collect()
    }

    /// The rows of the acceptance file that are chosen.
    pub(super) fn extras(&self) -> Vec<Extra<'_>> {
        self.acceptance.extras().into_iter().filter(|row| self.wants(&row.id())).collect()
    }

    /// The rows, what each does and what it demands.
    pub(super) fn list(&self) -> String {
        let mut rows: Vec<[String; 4]> = Vec::new();
        for row in self.target_rows().iter().filter(|row| self.wants(row.id())) {
            let metric = row.metric(&self.target, self.effort);
            rows.push([row.id().to_owned(), row.test().to_owned(), metric, row.demand()]);
        }
        for row in self.extras() {
            let metric = row.metric(&self.acceptance, &self.target, self.effort);
            rows.push([row.id(), row.test().to_owned(), metric, row.demand(self.effort)]);
        }
        let width = rows.iter().map(|[id, ..]| id.len()).max().unwrap_or(0);
        let mut text = String::new();
        for [id, test, metric, demand] in rows {
            text.append(format_args!("{id:<width$}  {test}: {metric} -> {demand}\n"));
        }
        text
    }
}

fn read(here: &Path, file: &str) -> anyhow::Result<Target> {
    let path = here.join(file);
    let name = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|error| anyhow!("cannot read {name}: {error}\nhint: the path is relative to the acceptance file"))?;
    Ok(Target::parse(&name, &text)?)
}
