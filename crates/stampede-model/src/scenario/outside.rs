//! What a scenario needs from outside: files, the environment, and what the command line changes.

use std::path::Path;
use std::time::Duration;

/// Files and the environment, handed in so that compiling stays a function of its input.
pub trait Outside {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// A variable of the environment.
    fn env(&self, name: &str) -> Option<String>;
}

/// What the command line changes; `None` and empty leave the file's word.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The target's URL.
    pub host: Option<String>,
    /// The seed.
    pub seed: Option<u64>,
    /// Users of all closed scenarios together, shared out in the file's proportion.
    pub users: Option<u32>,
    /// Users per second at the start of closed scenarios.
    pub spawn_per_s: Option<f64>,
    /// How long every scenario issues.
    pub duration: Option<Duration>,
    /// By what the rates of open scenarios are multiplied.
    pub rate_factor: Option<f64>,
    /// Values of `[vars]`, by name.
    pub vars: Vec<(String, String)>,
}
