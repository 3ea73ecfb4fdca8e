//! A standby: a copy of a running server that follows it (`pg_basebackup`), and its promotion.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::SandboxError;
use crate::folder::ServerFolder;
use crate::programs;
use crate::supervise::{Environment, ProcessSpec, StopSignal, Supervised};

use super::{DATA, LOG_LINES, Login, Postgres};

const PROGRAM: &str = "pg_basebackup";
const UNFINISHED: &str = "data.unfinished";
/// How long a promotion may take, in seconds.
const PROMOTED_WITHIN_S: i32 = 60;

/// Copies the primary into the folder, which then holds a server that follows it. The name by which the primary knows it is the
/// folder's own.
pub(super) async fn copy(primary: &Postgres, folder: &ServerFolder) -> Result<(), SandboxError> {
    let pg_basebackup = program(&primary.plan.programs.initdb)?;
    // The copy has the primary's roles, and with them its superuser's password.
    folder.write_private("password", &format!("{}\n", primary.plan.password))?;
    let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let separator = if primary.url().contains('?') { '&' } else { '?' };
    let source = format!("{}{separator}application_name={name}", primary.url_for("postgres", Login::Superuser));
    let unfinished = folder.join(UNFINISHED);
    let mut spec = ProcessSpec::new(&pg_basebackup)
        .arg("--pgdata")
        .arg(&unfinished)
        .args(["--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"])
        // An environment of its own: as an argument the password would be seen by everybody.
        .arg("--dbname")
        .arg(without_password(&source, &primary.plan.password))
        .env("PGPASSWORD", &primary.plan.password)
        .environment(Environment::Clean)
        .cwd(folder.path())
        .log(folder.log())
        .stop_signal(StopSignal::Terminate);
    if let Some(user) = folder.user() {
        spec = spec.user(user.clone());
    }
    if folder.is_temporary() {
        spec = spec.remove_when_orphaned([folder.path().to_path_buf()]);
    }
    let log = folder.lock(|| None).await?;
    let copying = Supervised::spawn_with_log(spec, Some(log))?;
    let status = copying.wait().await;
    if !status.success() {
        let server = "pg_basebackup".into();
        return Err(SandboxError::Died { server, status, log: copying.log_tail(LOG_LINES) });
    }
    let action = || SandboxError::io(format!("rename {}", unfinished.display()));
    fs::rename(&unfinished, folder.join(DATA)).map_err(action())
}

/// The one of the server's own version: beside `initdb`, where that is a link beside what it leads to, or on `PATH`.
fn program(initdb: &Path) -> Result<PathBuf, SandboxError> {
    let own = fs::canonicalize(initdb).unwrap_or_else(|_| initdb.to_path_buf());
    let beside = [initdb, &own].map(|place| place.with_file_name(PROGRAM));
    match beside.into_iter().find(|place| place.is_file()) {
        Some(found) => Ok(found),
        None => programs::resolve(Path::new(PROGRAM)),
    }
}

/// The password is 32 hexadecimal digits and stands nowhere else in the URL.
fn without_password(url: &str, password: &str) -> String {
    url.replacen(&format!(":{password}@"), "@", 1)
}

pub(super) async fn promote(standby: &Postgres) -> Result<(), SandboxError> {
    let action = || SandboxError::query("promote the standby");
    let session = standby.connect("postgres").await?;
    let row = session.query_one("select pg_promote(true, $1)", &[&PROMOTED_WITHIN_S]).await.map_err(action())?;
    if row.get::<_, bool>(0) {
        return Ok(());
    }
    Err(SandboxError::Unusable {
        what: "the standby".into(),
        reason: format!("it was not promoted within {PROMOTED_WITHIN_S} s; hint: see its log"),
    })
}
