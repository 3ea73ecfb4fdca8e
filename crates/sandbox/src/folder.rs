//! The folder of one private server: whose it is, its password, its log, and the lock that says whether a server still works on it.
//!
//! Invariant: the lock is an `flock` on the log's open file, which the server and all its children inherit as their standard error.
//! It is therefore held exactly as long as any of them lives, whatever process ids the files in the folder speak of.
//! Absent on purpose: folders with other people's files in them; they are refused, since a root caller would give them away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::RngExt;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::error::SandboxError;
use crate::user::{self, UnixUser};

/// Temporary folders stand here and not in `TMPDIR`: a socket's path is limited to 107 bytes, and the unprivileged user of a root
/// caller must be able to reach it.
pub(crate) const TEMPORARY: &str = "/tmp";

/// How long the last processes of a killed server may take to notice and end.
const LAST_PROCESSES: Duration = Duration::from_secs(10);
/// A log longer than this starts anew with the next server.
const LOG_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// The longest socket path the kernel takes, without its final zero.
const SOCKET_PATH_MAX_BYTES: usize = 107;
const LOG: &str = "server.log";

/// The folder of one server; removed on drop when it was made for the occasion.
#[derive(Debug)]
pub(crate) struct ServerFolder {
    path: PathBuf,
    temporary: Option<TempDir>,
    user: Option<UnixUser>,
}

impl ServerFolder {
    /// Makes or reopens a folder; `None` makes a temporary one. `data` is the name of the part that shows an earlier server.
    pub(crate) fn open(folder: Option<&Path>, data: &str) -> Result<Self, SandboxError> {
        let (path, temporary) = if let Some(folder) = folder {
            (create(folder)?, None)
        } else {
            let made = temporary_folder("sandbox-")?;
            (made.path().to_path_buf(), Some(made))
        };
        refuse_foreign(&path, data)?;
        let user = user::for_servers_in(folder.map(|_| path.join(data)).as_deref())?;
        let opened = Self { path, temporary, user };
        opened.give(&opened.path)?;
        if let Some(user) = &opened.user {
            user::require_traversable(&opened.path, user)?;
        }
        Ok(opened)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    pub(crate) const fn user(&self) -> Option<&UnixUser> {
        self.user.as_ref()
    }

    pub(crate) const fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Gives a file or folder to the user the server runs as.
    pub(crate) fn give(&self, path: &Path) -> Result<(), SandboxError> {
        self.user.as_ref().map_or(Ok(()), |user| user.own(path))
    }

    /// Makes a folder inside, if it is not there, that only the server's user can enter.
    pub(crate) fn make(&self, name: &str) -> Result<PathBuf, SandboxError> {
        let path = self.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(SandboxError::io(format!("make the folder {}", path.display())))?;
        self.give(&path)?;
        Ok(path)
    }

    /// The folder's password: read if there is one, drawn if not. 128 random bits as hexadecimal digits.
    pub(crate) fn password(&self) -> Result<String, SandboxError> {
        let path = self.join("password");
        let action = || SandboxError::io(format!("keep the password in {}", path.display()));
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => fs::remove_file(&path).map_err(action())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(action()(error)),
        }
        let password = format!("{:032x}", rand::rng().random::<u128>());
        self.write_private("password", &format!("{password}\n"))?;
        Ok(password)
    }

    /// Writes a file that only the server's user can read, replacing an earlier one.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> Result<PathBuf, SandboxError> {
        let path = self.join(name);
        let write = || {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().map_err(SandboxError::io(format!("write {}", path.display())))?;
        self.give(&path)?;
        Ok(path)
    }

    /// The folder for a socket of this name, inside unless the path would be too long.
    pub(crate) fn socket_folder(&self, socket: &str) -> Result<SocketFolder, SandboxError> {
        if self.join("run").join(socket).as_os_str().len() <= SOCKET_PATH_MAX_BYTES {
            return self.make("run").map(SocketFolder::Inside);
        }
        let elsewhere = temporary_folder("sandbox-run-")?;
        self.give(elsewhere.path())?;
        Ok(SocketFolder::Elsewhere(elsewhere))
    }

    /// What must be removed by somebody else if this process dies.
    pub(crate) fn temporary_folders(&self, socket: &SocketFolder) -> Vec<PathBuf> {
        let own = self.is_temporary().then(|| self.path.clone());
        let elsewhere = match socket {
            SocketFolder::Inside(_) => None,
            SocketFolder::Elsewhere(folder) => Some(folder.path().to_path_buf()),
        };
        own.into_iter().chain(elsewhere).collect()
    }

    /// Opens the log with the lock held, for a server that is about to start. `alive` says at once when the holder is a healthy
    /// server; otherwise the last processes of a killed one are given a moment to end.
    ///
    /// # Errors
    /// [`SandboxError::Live`] when a server works on the folder.
    pub(crate) async fn lock(&self, alive: impl Fn() -> Option<u32>) -> Result<File, SandboxError> {
        let path = self.log();
        let action = || SandboxError::io(format!("open the log {}", path.display()));
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(action())?;
        let live = |pid| SandboxError::Live { folder: self.path.clone(), pid };
        let deadline = Instant::now() + LAST_PROCESSES;
        loop {
            let holder = alive();
            if holder.is_some() {
                return Err(live(holder));
            }
            match flock(&log, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(live(None)),
                Err(error) => return Err(action()(error.into())),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.give(&path)?;
        if log.metadata().map_err(action())?.len() > LOG_MAX_BYTES {
            log.set_len(0).map_err(action())?;
        }
        Ok(log)
    }
}

/// Where a server's Unix socket is.
pub(crate) enum SocketFolder {
    /// In the server's own folder.
    Inside(PathBuf),
    /// In a temporary folder, since the server's own path is too long for a socket.
    Elsewhere(TempDir),
}

impl SocketFolder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Inside(path) => path,
            Self::Elsewhere(folder) => folder.path(),
        }
    }
}

/// Whether process `pid` works in `folder`: servers make their data folder their current one. Where that may not be read (a root
/// without ptrace rights in a container) the process's name decides: refusing a start is the smaller harm.
pub(crate) fn works_in(proc: &Path, pid: u32, folder: &Path, names: &[&str]) -> bool {
    let process = proc.join(pid.to_string());
    match fs::read_link(process.join("cwd")) {
        Ok(current) => current == folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(_) => first_line(&process.join("comm")).is_some_and(|name| names.contains(&name.as_str())),
    }
}

/// A fresh folder of this process's user below [`TEMPORARY`].
pub(crate) fn temporary_folder(prefix: &str) -> Result<TempDir, SandboxError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(TEMPORARY)
        .map_err(SandboxError::io(format!("make a temporary folder in {TEMPORARY}")))
}

/// The first line of a small file, trimmed; `None` when there is no such file.
pub(crate) fn first_line(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

fn create(folder: &Path) -> Result<PathBuf, SandboxError> {
    let action = || SandboxError::io(format!("make the folder {}", folder.display()));
    if !folder.exists() {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(action())?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(action())?;
    }
    folder.canonicalize().map_err(action())
}

fn refuse_foreign(path: &Path, data: &str) -> Result<(), SandboxError> {
    let list = || -> io::Result<Vec<_>> { fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect() };
    let names = list().map_err(SandboxError::io(format!("read the folder {}", path.display())))?;
    let ours = names.iter().any(|name| name == LOG || name == data);
    if names.is_empty() || ours {
        return Ok(());
    }
    Err(SandboxError::Unusable {
        what: format!("the folder {}", path.display()),
        reason: "it holds files, but none of an earlier server; hint: name an empty or a new folder".into(),
    })
}
