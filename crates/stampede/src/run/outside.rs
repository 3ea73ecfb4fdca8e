//! Files and environment of this process, for the compiler of scenarios.

use std::path::Path;

use stampede_model::scenario::Outside;

/// The disk and the environment.
pub(crate) struct Disk;

impl Outside for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
