//! Stand-ins for the programs: their settings from the document that a test of the service holds to them, their help from what the
//! tree calls. `cargo xtask check-deploy` asks the programs themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deploy_check::{ConfigAnswer, Programs};

/// The root of this repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) struct Documents;

impl Programs for Documents {
    fn help(&self, command: &[&str]) -> Result<String, String> {
        let text = match command {
            ["stampede"] => {
                "Commands:\n  accept  Row by row\n  baseline  Keep\n  compare  Hold\n  run  Carry out\n\nOptions:\n  -V, --version\n"
            }
            ["stampede", "baseline"] => "Commands:\n  save  Keep\n",
            ["stampede", "baseline", "save"] => "Arguments:\n  <NAME>\nOptions:\n  --force\n",
            ["stampede", "run"] => {
                "Arguments:\n  [FILE]\nOptions:\n  --host <URL>\n  -u, --users <N>\n  --spawn-rate <R>\n  -d, --duration <T>\n  --var <V>\n  --no-tui\n  --quiet\n  -o, --output <FILE>\n  --summary <KIND>\n"
            }
            ["stampede", "compare"] => "Arguments:\n  <A>\nOptions:\n  --allow-different\n  --markdown <FILE>\n",
            ["stampede", "accept"] => "Options:\n  --target <FILE>\n  --json <FILE>\n  --markdown <FILE>\n",
            ["kv-erp"] => "Commands:\n  up  Run\n\nOptions:\n  -V, --version\n",
            ["kv-erp", "up"] => "Options:\n  --demo\n  --listen <A>\n  --data-dir <D>\n",
            other => return Err(format!("{} is called nowhere", other.join(" "))),
        };
        Ok(text.to_owned())
    }

    fn settings(&self) -> Result<String, String> {
        std::fs::read_to_string(root().join("docs/configuration.md")).map_err(|error| error.to_string())
    }

    /// The one rule that a planted mistake breaks; the program itself knows many.
    fn configured(&self, _args: &[String], variables: &BTreeMap<String, String>) -> Result<ConfigAnswer, String> {
        let pool = variables.get("KV_POOL_SIZE").map(|value| value.parse::<u32>());
        Ok(match pool {
            Some(Ok(0) | Err(_)) => ConfigAnswer::Refused("KV_POOL_SIZE".to_owned()),
            _ => ConfigAnswer::Fits,
        })
    }
}
