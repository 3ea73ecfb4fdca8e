//! Which user a private server runs as. PostgreSQL refuses to run as root, so a root caller's servers drop to `postgres` or `nobody`.
//!
//! Invariant: a caller who is not root runs everything as himself. `/etc/passwd` is read as text: the C library's lookup needs unsafe
//! code, and a private server has no use for users that only a directory service knows.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::SandboxError;

/// The users tried, in this order, when the caller is root.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// An unprivileged user that a root caller's servers run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixUser {
    name: String,
    uid: u32,
    gid: u32,
}

impl UnixUser {
    /// The user's name, or its number when it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes a command run as this user, without any supplementary group of the caller.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or folder to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<(), SandboxError> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(SandboxError::io(format!(
            "give {} to user {}",
            path.display(),
            self.name
        )))
    }
}

/// The user for servers in `folder`: nobody special unless the caller is root; then the folder's owner when the folder holds an earlier
/// server's data, else the first of `postgres` and `nobody` that exists.
pub(crate) fn for_servers_in(data: Option<&Path>) -> Result<Option<UnixUser>, SandboxError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(SandboxError::io("read /etc/passwd"))?;
    if let Some(owner) = data.and_then(|data| fs::metadata(data).ok()).filter(|owner| owner.uid() != 0) {
        let user = by(&passwd, |user| user.uid == owner.uid());
        return Ok(Some(user.unwrap_or_else(|| UnixUser {
            name: owner.uid().to_string(),
            uid: owner.uid(),
            gid: owner.gid(),
        })));
    }
    let found = UNPRIVILEGED.iter().find_map(|name| by(&passwd, |user| user.name == *name));
    found.map(Some).ok_or_else(|| SandboxError::Unusable {
        what: "a root account".into(),
        reason: "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as; \
                 hint: useradd --system postgres"
            .into(),
    })
}

fn by(passwd: &str, wanted: impl Fn(&UnixUser) -> bool) -> Option<UnixUser> {
    passwd.lines().filter_map(parse).find(wanted)
}

fn parse(line: &str) -> Option<UnixUser> {
    let mut fields = line.split(':');
    let (name, _password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(UnixUser { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()? })
}

/// Asks the system, as the user, whether every folder down to `folder` can be entered.
pub(crate) fn require_traversable(folder: &Path, user: &UnixUser) -> Result<(), SandboxError> {
    let mut folders: Vec<PathBuf> = folder.ancestors().map(Path::to_path_buf).collect();
    folders.reverse();
    let script = r#"for folder do cd -- "$folder" 2>/dev/null || { printf %s "$folder"; exit 1; }; done"#;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "sandbox-probe"]).args(&folders);
    command.current_dir("/").stdin(Stdio::null()).stderr(Stdio::null());
    user.apply(&mut command);
    let answer =
        command.output().map_err(SandboxError::io(format!("look at {} as user {}", folder.display(), user.name)))?;
    if answer.status.success() {
        return Ok(());
    }
    let blocked = PathBuf::from(String::from_utf8_lossy(&answer.stdout).into_owned());
    Err(SandboxError::NotTraversable { folder: folder.to_path_buf(), blocked, user: user.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_are_read_and_broken_ones_skipped() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\n+::::::\nshort:x\npostgres:x:101:104:PG,,,:/var/lib/postgresql:/bin/bash\n";
        let user = by(passwd, |user| user.name == "postgres").unwrap();
        assert_eq!(user, UnixUser { name: "postgres".into(), uid: 101, gid: 104 });
        assert!(by(passwd, |user| user.name == "short").is_none());
    }
}
