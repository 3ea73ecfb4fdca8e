//! `cargo xtask check-deploy`: the manifests and workflows held against the programs as they are built, against Kustomize where there
//! is one, and the alert rules against promtool with their tests.
//!
//! Builds nothing: the programs are those of `cargo build --bin stampede --bin kv-erp`.

mod ask;
mod promtool;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use deploy_check::{check, difference, render};

use crate::say;
use ask::Built;

/// Check deploy/ and .github/workflows.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the alert rules to somebody who has promtool.
    #[arg(long)]
    without_promtool: bool,
    /// The folder of the built programs [default: target/debug]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
    let (root, target) = (metadata.workspace_root.as_std_path(), metadata.target_directory.as_std_path());
    let programs = args.programs.clone().unwrap_or_else(|| target.join("debug"));
    let rules = if args.without_promtool { Rules::LeftOut } else { Rules::Checked };
    let found = everything(root, target, &programs, rules)?;
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is done with the alert rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    Checked,
    LeftOut,
}

/// Checks all; how many things were found.
pub(crate) fn everything(root: &Path, target: &Path, programs: &Path, rules: Rules) -> Result<usize> {
    for program in ["kv-erp", "stampede"] {
        let file = programs.join(program);
        ensure!(file.is_file(), "{} is not built; hint: cargo build --bin kv-erp --bin stampede", file.display());
    }
    let checked = check(root, &Built::at(programs))?;
    for finding in &checked.findings {
        say(&format!("deploy: {finding}"))?;
    }
    let mut found = checked.findings.len();
    found += against_kustomize(root, &checked.overlays)?;
    match rules {
        Rules::Checked => promtool::check(root, target)?,
        Rules::LeftOut => say("deploy: the alert rules were not given to promtool")?,
    }
    let (overlays, objects) = (checked.overlays.len(), checked.objects);
    let (workflows, metrics) = (checked.workflows, checked.metrics);
    say(&format!(
        "deploy: {overlays} overlays with {objects} objects, {workflows} workflows, {metrics} metrics: {found} findings"
    ))?;
    Ok(found)
}

/// Every overlay as Kustomize renders it, where this machine has one.
fn against_kustomize(root: &Path, overlays: &[String]) -> Result<usize> {
    let Some(kustomize) = kustomize() else {
        say("deploy: neither kubectl nor kustomize is here; the overlays were rendered by our own renderer alone")?;
        return Ok(0);
    };
    let mut found = 0;
    for overlay in overlays {
        let output = Command::new(kustomize[0]).args(&kustomize[1..]).arg(overlay).current_dir(root).output()?;
        if !output.status.success() {
            bail!("{} {overlay}: {}", kustomize.join(" "), String::from_utf8_lossy(&output.stderr).trim_end());
        }
        let ours = render(root, overlay)?;
        for line in difference(&ours, &String::from_utf8_lossy(&output.stdout)).map_err(anyhow::Error::msg)? {
            say(&format!("deploy: {overlay} is not what {} renders: {line}", kustomize.join(" ")))?;
            found += 1;
        }
    }
    Ok(found)
}

/// A Kustomize with components, which kubectl has since 1.21.
fn kustomize() -> Option<&'static [&'static str]> {
    let choices: [(&[&str], &[&str]); 2] =
        [(&["kubectl", "kustomize"], &["--help"]), (&["kustomize", "build"], &["--help"])];
    let works = |command: &[&str], args: &[&str]| {
        Command::new(command[0]).args(&command[1..]).args(args).output().is_ok_and(|output| output.status.success())
    };
    choices.into_iter().find(|(command, args)| works(command, args)).map(|(command, _)| command)
}
