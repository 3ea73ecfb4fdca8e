//! Finds the installed programs: on `PATH`, then where versions of PostgreSQL lie side by side. Nothing is ever downloaded.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::SandboxError;

/// Folders whose children `*/bin` hold one PostgreSQL each; Debian does not put `initdb` on `PATH`.
const POSTGRES_ROOTS: [&str; 3] = ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/postgresql"];

/// The two programs of one PostgreSQL installation; never mixed from two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PostgresPrograms {
    pub(crate) initdb: PathBuf,
    pub(crate) postgres: PathBuf,
    /// `15`, as `PG_VERSION` of a data folder says it.
    pub(crate) major: String,
}

/// The installation of version `wanted` if there is one, else the first on `PATH`, else the newest.
pub(crate) fn postgres(wanted: Option<&str>) -> Result<PostgresPrograms, SandboxError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = postgres_folders(&path, &POSTGRES_ROOTS.map(PathBuf::from));
    choose(folders.iter().filter_map(|folder| installation(folder)).collect(), wanted)
}

fn choose(mut found: Vec<PostgresPrograms>, wanted: Option<&str>) -> Result<PostgresPrograms, SandboxError> {
    // The sort is stable, so that without a wish the order of the search decides.
    found.sort_by_key(|programs| wanted.is_some_and(|wanted| programs.major != wanted));
    found.into_iter().next().ok_or_else(|| SandboxError::MissingProgram {
        program: "PostgreSQL (initdb and postgres)".into(),
        searched: format!("PATH and {}/*/bin", POSTGRES_ROOTS.join("/*/bin, ")),
        hint: "apt-get install postgresql, or put the folder of initdb on PATH".into(),
    })
}

/// A program given by path, or by a name to look up on `PATH`, as an absolute path: it may be started in another folder.
pub(crate) fn resolve(program: &Path) -> Result<PathBuf, SandboxError> {
    let missing = |searched: String, hint: String| SandboxError::MissingProgram {
        program: program.display().to_string(),
        searched,
        hint,
    };
    if program.components().count() > 1 {
        let hint = "check the path; it must be an executable file".to_owned();
        if !is_executable(program) {
            return Err(missing("the file system".into(), hint));
        }
        return std::path::absolute(program).map_err(SandboxError::io(format!("find {}", program.display())));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    on_path(&path, program).ok_or_else(|| missing("PATH".into(), install_hint(program)))
}

fn install_hint(program: &Path) -> String {
    match program.to_str() {
        Some("redis-server") => "apt-get install redis-server".to_owned(),
        _ => "install it, or give its full path".to_owned(),
    }
}

fn on_path(path: &OsStr, program: &Path) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn postgres_folders(path: &OsStr, roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let mut versions: Vec<(u32, PathBuf)> = roots
        .iter()
        .filter_map(|root| fs::read_dir(root).ok())
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.extend(versions.into_iter().map(|(_, folder)| folder));
    folders.retain(|folder| is_executable(&folder.join("initdb")) && is_executable(&folder.join("postgres")));
    folders
}

fn installation(folder: &Path) -> Option<PostgresPrograms> {
    let postgres = folder.join("postgres");
    let answer = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major_of(std::str::from_utf8(&answer.stdout).ok()?)?;
    Some(PostgresPrograms { initdb: folder.join("initdb"), postgres, major })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` is `15`; so is `15beta1`.
fn major_of(version_line: &str) -> Option<String> {
    let (_, version) = version_line.split_once("(PostgreSQL) ")?;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    (!major.is_empty()).then_some(major)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretend_installed(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        for name in ["initdb", "postgres"] {
            fs::write(folder.join(name), "#!/bin/sh\n").unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn the_path_comes_first_then_the_newest_version() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("postgresql");
        for version in ["9", "15", "14"] {
            pretend_installed(&root.join(version).join("bin"));
        }
        fs::create_dir_all(root.join("16/bin")).unwrap(); // libraries only, no programs
        pretend_installed(&place.path().join("mine"));
        let found = postgres_folders(place.path().join("mine").as_os_str(), std::slice::from_ref(&root));
        let expected = [place.path().join("mine"), root.join("15/bin"), root.join("14/bin"), root.join("9/bin")];
        assert_eq!(found, expected);
    }

    #[test]
    fn nothing_installed_is_an_empty_list() {
        assert_eq!(postgres_folders(OsStr::new("/nonexistent"), &["/nonexistent".into()]), Vec::<PathBuf>::new());
    }

    #[test]
    fn the_wanted_version_wins_and_none_at_all_is_an_error_with_a_hint() {
        let installed = |major: &str| PostgresPrograms {
            initdb: format!("/{major}/initdb").into(),
            postgres: format!("/{major}/postgres").into(),
            major: major.to_owned(),
        };
        let found = || ["16", "15"].map(installed).to_vec();
        assert_eq!(choose(found(), None).unwrap().major, "16");
        assert_eq!(choose(found(), Some("15")).unwrap().major, "15");
        assert_eq!(choose(found(), Some("14")).unwrap().major, "16");
        let error = choose(Vec::new(), None).unwrap_err();
        assert!(matches!(error, SandboxError::MissingProgram { .. }));
        assert!(error.to_string().contains("hint: apt-get install postgresql"), "{error}");
    }

    #[test]
    fn majors_are_read_from_the_version_line() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n").as_deref(), Some("15"));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1").as_deref(), Some("18"));
        assert_eq!(major_of("psql 15"), None);
    }

    #[test]
    fn a_missing_program_names_itself_and_a_hint() {
        let error = resolve(Path::new("/nonexistent/kv-erp")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/kv-erp") && error.contains("hint:"), "{error}");
        let error = resolve(Path::new("no-such-program-anywhere")).unwrap_err().to_string();
        assert!(error.contains("no-such-program-anywhere") && error.contains("PATH"), "{error}");
    }
}
