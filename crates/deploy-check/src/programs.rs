//! The programs that the manifests start, as far as they can be asked.

use std::collections::BTreeMap;

/// Whoever can ask the programs.
pub trait Programs {
    /// The long help of a command: the program and its subcommands, as `["stampede", "compare"]`, or `["xtask", "deps"]`.
    ///
    /// # Errors
    /// When the program could not be asked.
    fn help(&self, command: &[&str]) -> Result<String, String>;

    /// The table of all settings of `kv-erp`, as `kv-erp config --format reference` prints it.
    ///
    /// # Errors
    /// When the program could not be asked.
    fn settings(&self) -> Result<String, String>;

    /// Whether `kv-erp` would start with these arguments and variables.
    ///
    /// # Errors
    /// When the program could not be asked.
    fn configured(&self, args: &[String], variables: &BTreeMap<String, String>) -> Result<ConfigAnswer, String>;
}

/// What `kv-erp config` said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigAnswer {
    /// It would start.
    Fits,
    /// It would not, for these reasons.
    Refused(String),
}
