//! The built programs, asked.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use clap::CommandFactory;
use deploy_check::{ConfigAnswer, Programs};

/// What stands in a folder.
pub(super) struct Built {
    folder: PathBuf,
    /// A help is asked for once.
    helps: Mutex<HashMap<String, String>>,
}

impl Built {
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), helps: Mutex::default() }
    }

    fn run(&self, program: &str, args: &[&str], variables: &BTreeMap<String, String>) -> Result<Output, String> {
        let mut command = Command::new(self.folder.join(program));
        command.args(args);
        // What happens to be set on this machine is not what a pod has.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KV_") || name.to_string_lossy().starts_with("STAMPEDE_") {
                command.env_remove(name);
            }
        }
        command.envs(variables).output().map_err(|error| error.to_string())
    }

    fn text(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output = self.run(program, args, &BTreeMap::new())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned());
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }
}

impl Programs for Built {
    fn help(&self, command: &[&str]) -> Result<String, String> {
        let mut helps = self.helps.lock().unwrap_or_else(PoisonError::into_inner);
        let key = command.join(" ");
        if let Some(help) = helps.get(&key) {
            return Ok(help.clone());
        }
        let help = match command {
            ["xtask", below @ ..] => own_help(below)?,
            [program, below @ ..] => self.text(program, &[below, &["--help"]].concat())?,
            [] => return Err("nothing is called".to_owned()),
        };
        helps.insert(key, help.clone());
        Ok(help)
    }

    fn settings(&self) -> Result<String, String> {
        self.text("kv-erp", &["config", "--format", "reference"])
    }

    fn configured(&self, args: &[String], variables: &BTreeMap<String, String>) -> Result<ConfigAnswer, String> {
        let words: Vec<&str> =
            ["config", "--format", "json"].into_iter().chain(args.iter().map(String::as_str)).collect();
        let output = self.run("kv-erp", &words, variables)?;
        if output.status.success() {
            return Ok(ConfigAnswer::Fits);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let faults: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Ok(ConfigAnswer::Refused(faults.join("; ")))
    }
}

/// The help of this very program.
fn own_help(below: &[&str]) -> Result<String, String> {
    let mut command = crate::Cli::command();
    command.build();
    let mut at = &mut command;
    for word in below {
        at = at.find_subcommand_mut(word).ok_or_else(|| format!("cargo xtask has no {word}"))?;
    }
    Ok(at.render_long_help().to_string())
}
