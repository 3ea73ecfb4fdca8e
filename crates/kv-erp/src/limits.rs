//! What the system allows this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of open files to what the system allows at most: each connection is one, and the usual 1,024 is soon used.
pub fn raise_open_files() {
    let allowed = getrlimit(Resource::Nofile);
    if allowed.current == allowed.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed }) {
        tracing::warn!(%error, current = ?allowed.current, "the number of open files stays as it is");
    }
}
