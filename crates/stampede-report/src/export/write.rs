//! Putting bytes in their place, whole or not at all.
//!
//! Invariants: the new content is complete on the disk before it takes the old one's name; what is no regular file (a
//! pipe, a device) is written straight, because a rename would replace it; a link keeps pointing where it pointed.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::{ExportError, Format};

/// Whether `path` could be written now; nothing is changed.
///
/// # Errors
/// When its ending is unknown, or writing it would fail for a reason that can be seen beforehand.
pub fn check(path: &Path) -> Result<(), ExportError> {
    Format::of(path)?;
    check_as(path)
}

/// The same, whatever the ending.
///
/// # Errors
/// As [`check`], the ending excepted.
pub fn check_as(path: &Path) -> Result<(), ExportError> {
    match Place::of(path)? {
        Place::Special(path) => {
            let opened = OpenOptions::new().write(true).open(&path);
            opened.map(drop).map_err(|source| of_io(&path, source))
        }
        Place::Regular { path, folder } => beside(&path, &folder).map(drop),
    }
}

/// Writes `bytes` to `path`.
pub(crate) fn whole(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    match Place::of(path)? {
        Place::Special(path) => {
            let written = OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(bytes));
            written.map_err(|source| of_io(&path, source))
        }
        Place::Regular { path, folder } => {
            let mut file = beside(&path, &folder)?;
            let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
            written.map_err(|source| of_io(&path, source))?;
            file.persist(&path).map(drop).map_err(|failed| of_io(&path, failed.error))
        }
    }
}

enum Place {
    Regular { path: PathBuf, folder: PathBuf },
    Special(PathBuf),
}

impl Place {
    fn of(given: &Path) -> Result<Self, ExportError> {
        let path = match fs::canonicalize(given) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => given.to_owned(),
            Err(source) => return Err(of_io(given, source)),
        };
        match fs::metadata(&path) {
            Ok(there) if there.is_dir() => return Err(ExportError::IsFolder { path: given.to_owned() }),
            Ok(there) if !there.is_file() => return Ok(Self::Special(path)),
            Ok(there) if there.permissions().readonly() => {
                return Err(ExportError::ReadOnly { path: given.to_owned() });
            }
            Ok(_) | Err(_) => {}
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if folder.is_dir() {
            Ok(Self::Regular { path, folder })
        } else {
            Err(ExportError::Folder { path: given.to_owned(), folder })
        }
    }
}

/// A new file in the folder, with the rights of the file that it will replace.
fn beside(path: &Path, folder: &Path) -> Result<NamedTempFile, ExportError> {
    let rights = fs::metadata(path).map_or(0o666, |there| there.permissions().mode() & 0o777);
    let made = Builder::new().prefix(".stampede-").permissions(fs::Permissions::from_mode(rights)).tempfile_in(folder);
    made.map_err(|source| of_io(path, source))
}

fn of_io(path: &Path, source: io::Error) -> ExportError {
    let path = path.to_owned();
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ExportError::DiskFull { path },
        _ => ExportError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_rights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        fs::write(&path, "x".repeat(100_000)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_link_keeps_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        whole(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn a_full_disk_is_named() {
        let error = whole(Path::new("/dev/full"), b"much").unwrap_err();
        assert!(matches!(error, ExportError::DiskFull { .. }), "{error}");
        assert!(fs::metadata("/dev/full").is_ok_and(|there| !there.is_file()), "a device stays one");
        whole(Path::new("/dev/null"), b"much").unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_found_before() {
        let folder = tempfile::tempdir().unwrap();
        let message = |name: &str| check(&folder.path().join(name)).map_err(|error| error.to_string());
        assert_eq!(message("a.html"), Ok(()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "looking leaves nothing");
        assert!(message("a.pdf").unwrap_err().contains(".html, .json, .csv, .md, .xml, .hgrm, .hlog, .prom"));
        assert!(message("a").unwrap_err().contains("names no kind"));
        assert!(message("no/such/a.html").unwrap_err().contains("does not exist"));
        fs::create_dir(folder.path().join("b.html")).unwrap();
        assert!(message("b.html").unwrap_err().contains("is a folder"));
        let kept = folder.path().join("kept.md");
        fs::write(&kept, "").unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(message("kept.md").unwrap_err().contains("read-only"));
        assert!(whole(&kept, b"new").is_err());
    }
}
