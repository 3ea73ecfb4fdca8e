//! The two small shell programs that make a child end with its parent, however the parent ends.
//!
//! `PR_SET_PDEATHSIG` is not used: it follows the *thread* that forked, and a runtime's threads come and go. A pipe does not care.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::process::{Pid, RawPid};

use super::spec::ProcessSpec;

/// Waits for one line, then becomes the program, keeping its process id. If the parent dies first there is no line and no program.
///
/// Without it a parent killed between the two spawns would leave a program that nobody watches.
pub(super) const GATE: &str = r#"IFS= read -r go || exit 0; exec "$@" </dev/null"#;

/// Blocks on a pipe whose only write end is in the parent. A line means the program has ended and been waited for; the end of
/// the file means that the parent died, and then the program is asked to end, given `$3` tenths of a second, and killed with its group;
/// temporary folders named after that are removed.
const WATCHER: &str = r#"
trap '' HUP INT TERM QUIT
pid=$1 stop=$2 tenths=$3
shift 3
IFS= read -r ended && exit 0
kill -s CONT "$pid" 2>/dev/null
kill -s "$stop" "$pid" 2>/dev/null
while kill -s 0 "$pid" 2>/dev/null; do
  [ "$tenths" -gt 0 ] || break
  tenths=$((tenths - 1))
  sleep 0.1
done
kill -s KILL -- "-$pid" 2>/dev/null
[ $# -eq 0 ] || rm -rf -- "$@"
"#;

/// The process that outlives its parent just long enough to stop the program.
#[derive(Debug)]
pub(super) struct Watcher {
    shell: Child,
    line: ChildStdin,
}

impl Watcher {
    pub(super) fn spawn(spec: &ProcessSpec, pid: Pid) -> io::Result<Self> {
        let tenths = spec.grace.as_millis().div_ceil(100);
        let mut command = shell(WATCHER, "sandbox-watcher");
        command.arg(raw(pid).to_string()).arg(spec.stop_signal.shell_name()).arg(tenths.to_string());
        command.args(&spec.orphaned_folders);
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(user) = &spec.user {
            user.apply(&mut command);
        }
        let mut shell = command.spawn()?;
        let line = shell.stdin.take().ok_or_else(|| io::Error::other("the watcher's pipe is missing"))?;
        Ok(Self { shell, line })
    }

    /// Sends the watcher home: its program has been waited for, so its process id may soon belong to somebody else.
    pub(super) fn dismiss(mut self) {
        // A watcher that is gone already (killed by hand) is as good as one that is told.
        if self.line.write_all(b"ended\n").is_err() {
            tracing::warn!("the watcher of a supervised process was gone");
        }
        drop(self.line);
        if let Err(error) = self.shell.wait() {
            tracing::warn!(%error, "cannot wait for a watcher");
        }
    }
}

/// `sh -c` with its own process group, so that Ctrl-C in a terminal reaches the parent alone, which then decides.
pub(super) fn shell(script: &str, name: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).arg(name).stdin(Stdio::piped()).process_group(0);
    command
}

/// A process id as the number people know.
pub(super) fn raw(pid: Pid) -> RawPid {
    pid.as_raw_nonzero().get()
}
