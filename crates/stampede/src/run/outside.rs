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

/// The variable that stands for the value of header `place` of the command line: variables are secrets to the compiler, so
/// the value appears in no output.
pub(super) fn header_variable(place: usize) -> String {
    format!("STAMPEDE_HEADER_{place}")
}

/// The disk, the environment, and the values of the command line's headers.
pub(super) struct WithHeaders {
    pub(super) values: Vec<String>,
}

impl Outside for WithHeaders {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        Disk.read(path)
    }

    fn env(&self, name: &str) -> Option<String> {
        let given = self.values.iter().enumerate().find(|(place, _)| header_variable(*place) == name);
        given.map(|(_, value)| value.clone()).or_else(|| Disk.env(name))
    }
}
