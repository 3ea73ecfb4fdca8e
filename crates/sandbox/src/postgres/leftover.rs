//! What an earlier server left in the data folder: its version, its process, its stale files.
//!
//! PostgreSQL itself refuses to start when the process id in `postmaster.pid` belongs to *any* process of the same user, which after a
//! crash happens by chance. Here the process is asked where it works instead.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::SandboxError;
use crate::folder::{first_line, works_in};

/// The major version that wrote the data, if there is any.
pub(super) fn version(data: &Path) -> Option<String> {
    first_line(&data.join("PG_VERSION"))
}

/// The living postmaster of this data folder, if there is one.
pub(super) fn postmaster(data: &Path) -> Option<u32> {
    let pid: u32 = first_line(&data.join("postmaster.pid"))?.parse().ok()?;
    works_in(Path::new("/proc"), pid, data, &["postgres", "postmaster"]).then_some(pid)
}

/// Removes what a dead server left behind. Only for a caller who holds the folder's lock and found no postmaster.
pub(super) fn clear(data: &Path, socket_dir: &Path) -> Result<(), SandboxError> {
    remove(&data.join("postmaster.pid"))?;
    let sockets = fs::read_dir(socket_dir).map_err(SandboxError::io(format!("read {}", socket_dir.display())))?;
    for entry in sockets.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), SandboxError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(SandboxError::io(format!("remove the stale {}", path.display()))(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_belongs_to_somebody_else_is_stale() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("postmaster.pid"), format!("{}\n/somewhere\n", std::process::id())).unwrap();
        assert_eq!(postmaster(place.path()), None);
    }

    #[test]
    fn a_process_that_works_in_the_folder_is_alive() {
        let place = tempfile::tempdir().unwrap();
        let (proc, data) = (place.path().join("proc"), place.path().join("data"));
        fs::create_dir_all(proc.join("77")).unwrap();
        std::os::unix::fs::symlink(&data, proc.join("77/cwd")).unwrap();
        assert!(works_in(&proc, 77, &data, &[]));
        assert!(!works_in(&proc, 77, &place.path().join("other"), &[]));
        assert!(!works_in(&proc, 78, &data, &[]));
    }

    #[test]
    fn stale_files_go_and_others_stay() {
        let place = tempfile::tempdir().unwrap();
        for name in ["postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock", "PG_VERSION"] {
            fs::write(place.path().join(name), "15\n").unwrap();
        }
        clear(place.path(), place.path()).unwrap();
        let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["PG_VERSION"]);
        clear(place.path(), place.path()).unwrap();
    }
}
