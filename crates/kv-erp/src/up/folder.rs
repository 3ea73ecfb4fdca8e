//! The data folder of `up`: the private PostgreSQL's own folder, and the password of the service's role.
//!
//! Invariant: a folder with other people's files in it is refused before anything is written.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::failure::Failure;

const POSTGRES: &str = "postgres";
const APP_PASSWORD: &str = "kv_app.password";

/// A folder that is there and ours.
#[derive(Debug)]
pub(super) struct DataFolder(PathBuf);

impl DataFolder {
    /// Opens the folder, or the usual one of this user, and makes it when it is not there.
    pub(super) fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        let path = match wanted {
            Some(path) => path.to_path_buf(),
            None => usual_folder(rustix::process::geteuid().is_root())?,
        };
        let unusable = |error: &io::Error| {
            Failure::while_doing(&format!("the data folder {} cannot be used", path.display()), error)
                .hint("name a folder of your own with --data-dir")
        };
        fs::create_dir_all(&path).map_err(|error| unusable(&error))?;
        let path = path.canonicalize().map_err(|error| unusable(&error))?;
        let strange = first_strange_entry(&path).map_err(|error| unusable(&error))?;
        if let Some(strange) = strange {
            let text = format!("the data folder {} holds other files, such as {strange}", path.display());
            return Err(Failure::failed(text).hint("name an empty folder with --data-dir"));
        }
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.0.join(POSTGRES)
    }

    /// The password of the service's role; made at the first start and readable by this user only.
    pub(super) fn app_password(&self) -> Result<String, Failure> {
        let file = self.0.join(APP_PASSWORD);
        read_or_make(&file).map_err(|error| {
            Failure::while_doing(&format!("the password file {} cannot be used", file.display()), &error)
        })
    }
}

fn usual_folder(is_root: bool) -> Result<PathBuf, Failure> {
    if is_root {
        return Ok(PathBuf::from("/var/lib/kv-erp"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    base.map(|base| base.join("kv-erp")).ok_or_else(|| {
        Failure::failed("this user has no home folder to keep data in").hint("name a folder with --data-dir")
    })
}

/// Anything in a folder that was never ours.
fn first_strange_entry(path: &Path) -> io::Result<Option<String>> {
    if path.join(POSTGRES).is_dir() {
        return Ok(None);
    }
    let entry = fs::read_dir(path)?.next().transpose()?;
    Ok(entry.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name != APP_PASSWORD))
}

fn read_or_make(file: &Path) -> io::Result<String> {
    match fs::read_to_string(file) {
        Ok(password) if !password.trim().is_empty() => return Ok(password.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let password = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let mut made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    made.write_all(password.as_bytes())?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_password_is_made_once_and_private() {
        let place = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(Some(&place.path().join("new"))).unwrap();
        let first = folder.app_password().unwrap();
        assert_eq!(first.len(), 43);
        assert_eq!(folder.app_password().unwrap(), first);
        let mode = fs::metadata(folder.path().join(APP_PASSWORD)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A start that got no further than the password may be repeated.
        assert!(DataFolder::open(Some(folder.path())).is_ok());
    }

    #[test]
    fn other_peoples_files_are_left_alone() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis.txt"), "x").unwrap();
        let error = DataFolder::open(Some(place.path())).unwrap_err().to_string();
        assert!(error.contains("thesis.txt") && error.contains("hint: "), "{error}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_no_folder() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = DataFolder::open(Some(&file)).unwrap_err().to_string();
        assert!(error.contains("cannot be used") && error.contains("hint: "), "{error}");
    }
}
