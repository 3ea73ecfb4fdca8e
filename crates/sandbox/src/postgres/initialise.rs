//! `initdb`, so that a half-made data folder can never be taken for a whole one: it is made under another name and renamed.

use std::fs::{self, File};
use std::io;

use crate::error::SandboxError;
use crate::folder::ServerFolder;
use crate::programs::PostgresPrograms;
use crate::supervise::{Environment, ProcessSpec, StopSignal, Supervised};

use super::options::Durability;
use super::{DATA, LOG_LINES, SUPERUSER};

const UNFINISHED: &str = "data.unfinished";

/// Makes the data folder if there is none. `log` carries the folder's lock.
pub(super) async fn initialise(
    folder: &ServerFolder,
    programs: &PostgresPrograms,
    durability: Durability,
    log: &File,
) -> Result<(), SandboxError> {
    if folder.join(DATA).exists() {
        return Ok(());
    }
    let unfinished = folder.join(UNFINISHED);
    match fs::remove_dir_all(&unfinished) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(SandboxError::io(format!("remove the unfinished {}", unfinished.display()))(error)),
    }
    folder.password()?;
    let mut spec = ProcessSpec::new(&programs.initdb)
        .arg("--pgdata")
        .arg(&unfinished)
        .arg("--pwfile")
        .arg(folder.join("password"))
        .args(["--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8"])
        // Texts compare by code point, the same on every machine; letters of other scripts still have upper and lower case.
        .args(["--locale", "C", "--lc-ctype", "C.UTF-8", "--no-instructions"])
        .environment(Environment::Clean)
        .cwd(folder.path())
        .log(folder.log())
        .stop_signal(StopSignal::Terminate);
    if durability == Durability::Ephemeral {
        spec = spec.arg("--no-sync");
    }
    if let Some(user) = folder.user() {
        spec = spec.user(user.clone());
    }
    if folder.is_temporary() {
        spec = spec.remove_when_orphaned([folder.path().to_path_buf()]);
    }
    let log = log.try_clone().map_err(SandboxError::io("share the log"))?;
    let initdb = Supervised::spawn_with_log(spec, Some(log))?;
    let status = initdb.wait().await;
    if !status.success() {
        return Err(SandboxError::Died { server: "initdb".into(), status, log: initdb.log_tail(LOG_LINES) });
    }
    fs::rename(&unfinished, folder.join(DATA)).map_err(SandboxError::io(format!("rename {}", unfinished.display())))
}
