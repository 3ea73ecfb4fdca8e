//! What to run: program, arguments, environment, folder, log, and how it wants to be stopped. Plain data, nothing is started here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::user::UnixUser;

/// How long a program may take to end after its stop signal, unless told otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// The signal that asks a program to end in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StopSignal {
    /// SIGTERM: what most servers, Redis and kv-erp among them, take as "finish and end".
    #[default]
    Terminate,
    /// SIGINT: PostgreSQL's fast shutdown.
    Interrupt,
    /// SIGQUIT: PostgreSQL's immediate shutdown, recovered from at the next start.
    Quit,
}

impl StopSignal {
    pub(crate) const fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
            Self::Quit => Signal::QUIT,
        }
    }

    pub(crate) const fn shell_name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
        }
    }
}

/// What the program sees of this process's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Environment {
    /// All of it.
    #[default]
    Inherited,
    /// `PATH` and `TZ=UTC` only: a caller's `PGDATA` or locale must not reach a private server.
    Clean,
}

/// Where a program's standard output and error go when it has no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Output {
    /// Nowhere.
    #[default]
    Discarded,
    /// Where this process's own go. The program's standard input is empty all the same.
    Inherited,
}

/// A program to be started by [`crate::Supervised::spawn`].
#[derive(Clone, Debug)]
pub struct ProcessSpec {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) environment: Environment,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) log: Option<PathBuf>,
    pub(crate) output: Output,
    pub(crate) stop_signal: StopSignal,
    pub(crate) grace: Duration,
    pub(crate) user: Option<UnixUser>,
    pub(crate) orphaned_folders: Vec<PathBuf>,
}

impl ProcessSpec {
    /// A program by path, or by name to be looked up on `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            environment: Environment::Inherited,
            cwd: None,
            log: None,
            output: Output::default(),
            stop_signal: StopSignal::default(),
            grace: DEFAULT_GRACE,
            user: None,
            orphaned_folders: Vec::new(),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable for the program.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Chooses what the program sees of this process's environment.
    #[must_use]
    pub const fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The folder the program starts in; this process's own unless set.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    /// Appends the program's standard output and error to this file.
    #[must_use]
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.log = Some(file.into());
        self
    }

    /// Chooses where the program's standard output and error go when it has no log.
    #[must_use]
    pub const fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// The signal that asks the program to end.
    #[must_use]
    pub const fn stop_signal(mut self, signal: StopSignal) -> Self {
        self.stop_signal = signal;
        self
    }

    /// How long the program may take to end before it, and its process group, get SIGKILL.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Runs the program as this user; only root can ask for it.
    #[must_use]
    pub fn user(mut self, user: UnixUser) -> Self {
        self.user = Some(user);
        self
    }

    /// Temporary folders to be removed if this process dies and so cannot do it itself.
    #[must_use]
    pub(crate) fn remove_when_orphaned(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.orphaned_folders.extend(folders);
        self
    }

    /// The file the program's output goes to.
    pub fn log_file(&self) -> Option<&Path> {
        self.log.as_deref()
    }
}
