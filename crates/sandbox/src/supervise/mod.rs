//! Starts a program that cannot outlive this process: not when the handle is dropped, not when this process is killed with SIGKILL.
//!
//! Invariants: the process id handed out is the program's own, not a wrapper's; no signal is ever sent to an id that has been waited
//! for (it may belong to somebody else by then); when the program ends, what is left of its process group is killed.
//! Absent on purpose: programs that put themselves into the background; run them in the foreground.

mod scripts;
mod spec;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use tokio::sync::watch;

use crate::error::SandboxError;
use crate::programs;
use scripts::Watcher;
pub use spec::{DEFAULT_GRACE, Environment, Output, ProcessSpec, StopSignal};

/// A running program, or one that has ended. Dropping it stops the program and waits for that.
#[derive(Debug)]
pub struct Supervised {
    shared: Arc<Shared>,
    spec: ProcessSpec,
}

#[derive(Debug)]
struct Shared {
    pid: Pid,
    state: Mutex<State>,
    ended: Condvar,
    announced: watch::Sender<Option<ExitStatus>>,
}

#[derive(Debug)]
enum State {
    Running(Child),
    Ended,
}

impl Supervised {
    /// Starts the program. Blocks for the few milliseconds of two `fork`s.
    ///
    /// # Errors
    /// [`SandboxError::MissingProgram`] when there is no such program; [`SandboxError::Io`] when the log cannot be opened or no
    /// process can be made.
    pub fn spawn(spec: ProcessSpec) -> Result<Self, SandboxError> {
        let log = spec.log.as_deref().map(open_log).transpose()?;
        Self::spawn_with_log(spec, log)
    }

    /// As [`Supervised::spawn`], with a log that is open already (and perhaps locked).
    pub(crate) fn spawn_with_log(mut spec: ProcessSpec, log: Option<File>) -> Result<Self, SandboxError> {
        spec.program = programs::resolve(&spec.program)?;
        let action = format!("start {}", spec.program.display());
        let shared = start(&spec, log).map_err(SandboxError::io(action))?;
        Ok(Self { shared, spec })
    }

    /// The program's own process id. Meaningful only while [`Supervised::is_running`].
    pub fn pid(&self) -> u32 {
        scripts::raw(self.shared.pid).unsigned_abs()
    }

    /// Whether the program has not ended yet.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// How the program ended, once it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        *self.shared.announced.borrow()
    }

    /// What was started.
    pub const fn spec(&self) -> &ProcessSpec {
        &self.spec
    }

    /// Sends any signal to the program itself; nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        self.shared.signal(signal);
    }

    /// Waits for the program to end by itself.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait(&self) -> ExitStatus {
        let mut announced = self.shared.announced.subscribe();
        let ended = announced.wait_for(Option::is_some).await.map(|status| *status);
        match ended {
            Ok(Some(status)) => status,
            // `self` keeps the sender alive and the closure asks for `Some`.
            Ok(None) | Err(_) => unreachable!("the sender lives as long as this handle"),
        }
    }

    /// Asks the program to end, and kills it and its process group when it has not done so within its grace.
    ///
    /// # Cancel safety
    /// Once the signal is sent, dropping the future only skips the wait; the program may then run on past its grace.
    pub async fn terminate(&self) -> ExitStatus {
        self.shared.ask_to_end(self.spec.stop_signal);
        match tokio::time::timeout(self.spec.grace, self.wait()).await {
            Ok(status) => status,
            Err(_late) => self.kill().await,
        }
    }

    /// SIGKILL to the program itself, as a crash; what is left of its process group follows as soon as it is gone.
    ///
    /// # Cancel safety
    /// The signal is sent before the first wait; dropping the future only skips the wait.
    pub async fn kill(&self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait().await
    }

    /// The last lines of the program's log; empty when it has none.
    pub fn log_tail(&self, lines: usize) -> String {
        self.spec.log.as_deref().map(|file| log_tail(file, lines)).unwrap_or_default()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.shared.ask_to_end(self.spec.stop_signal);
        if self.shared.ended_within(self.spec.grace) {
            return;
        }
        self.shared.signal(Signal::KILL);
        if !self.shared.ended_within(self.spec.grace) {
            tracing::error!(program = %self.spec.program.display(), "a killed process does not end");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        let state = self.lock();
        if matches!(*state, State::Running(_)) {
            // The id cannot have been given to another process: the reaper needs this lock to wait for it.
            match kill_process(self.pid, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => tracing::warn!(%error, pid = ?self.pid, "cannot signal a supervised process"),
            }
        }
    }

    /// A stopped program (SIGSTOP) must be continued to see its stop signal.
    fn ask_to_end(&self, stop: StopSignal) {
        self.signal(stop.signal());
        self.signal(Signal::CONT);
    }

    fn ended_within(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        while matches!(*state, State::Running(_)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (state, _) = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Runs on its own thread: sees the end without collecting it, sweeps the group while its id is still taken, then collects.
    fn reap(&self, watcher: Watcher) {
        while let Err(error) = waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                tracing::error!(%error, "cannot wait for a supervised process");
                break;
            }
        }
        let mut state = self.lock();
        let State::Running(child) = &mut *state else { return };
        // Answers ESRCH when the program left nobody behind, which is the common case.
        kill_process_group(self.pid, Signal::KILL).ok();
        let status = match child.wait() {
            Ok(status) => status,
            Err(error) => {
                tracing::error!(%error, "cannot collect a supervised process");
                ExitStatus::default()
            }
        };
        *state = State::Ended;
        drop(state);
        watcher.dismiss();
        self.announced.send_replace(Some(status));
        self.ended.notify_all();
    }
}

fn start(spec: &ProcessSpec, log: Option<File>) -> io::Result<Arc<Shared>> {
    let mut child = gated(spec, log)?.spawn()?;
    let line = child.stdin.take();
    let pid = Pid::from_child(&child);
    let watched = Watcher::spawn(spec, pid).and_then(|watcher| {
        let shared = Shared {
            pid,
            state: Mutex::new(State::Running(child)),
            ended: Condvar::new(),
            announced: watch::Sender::new(None),
        };
        let shared = Arc::new(shared);
        let reaper = Arc::clone(&shared);
        std::thread::Builder::new().name("sandbox-reaper".into()).spawn(move || reaper.reap(watcher))?;
        Ok(shared)
    });
    // Up to here any failure closes the gate's pipe, and the gate ends without becoming the program.
    let shared = watched?;
    line.ok_or_else(|| io::Error::other("the gate's pipe is missing"))?.write_all(b"go\n")?;
    Ok(shared)
}

fn gated(spec: &ProcessSpec, log: Option<File>) -> io::Result<Command> {
    let mut command = scripts::shell(scripts::GATE, "sandbox-gate");
    command.arg(&spec.program).args(&spec.args);
    if spec.environment == Environment::Clean {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TZ", "UTC");
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = &spec.cwd {
        command.current_dir(folder);
    }
    match (log, spec.output) {
        (Some(file), _) => command.stdout(file.try_clone()?).stderr(file),
        (None, Output::Discarded) => command.stdout(Stdio::null()).stderr(Stdio::null()),
        (None, Output::Inherited) => command.stdout(Stdio::inherit()).stderr(Stdio::inherit()),
    };
    if let Some(user) = &spec.user {
        user.apply(&mut command);
    }
    Ok(command)
}

/// Opens a log to append to, for its owner's eyes only: servers print statements and settings.
fn open_log(file: &Path) -> Result<File, SandboxError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)
        .map_err(SandboxError::io(format!("open the log {}", file.display())))
}

/// The last lines of a log, for an error's text. Reads at most the last 64 KiB.
pub fn log_tail(file: &Path, lines: usize) -> String {
    const WINDOW_BYTES: u64 = 64 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(WINDOW_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(WINDOW_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => return format!("(the log {} cannot be read: {error})", file.display()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
