//! A private PostgreSQL: found, initialised, started, asked, stopped.
//!
//! Invariants: it listens on a Unix socket in a folder that only its user can enter, and on 127.0.0.1 only when asked; everybody needs
//! a password (SCRAM), the superuser's is random and kept in a 0600 file; the server never outlives this process.
//! Absent on purpose: `pg_ctl`, which puts the server out of our sight.

mod address;
mod initialise;
mod leftover;
mod options;
mod session;
mod standby;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::deadlocks::{LOG_LINE_PREFIX, Witness};
use crate::error::SandboxError;
use crate::folder::{ServerFolder, SocketFolder};
use crate::ports;
use crate::programs::{self, PostgresPrograms};
use crate::supervise::{Environment, ProcessSpec, StopSignal, Supervised};
pub(crate) use address::Place;
pub use address::{Login, PostgresAddress};
pub use options::{Durability, Listen, PostgresOptions};
pub use session::Session;

const DATA: &str = "data";
const SUPERUSER: &str = "postgres";
/// How much of a server's log an error shows.
const LOG_LINES: usize = 12;
/// A crash recovery may take this long before the server answers.
const READY_WITHIN: Duration = Duration::from_mins(2);
const ASK_EVERY: Duration = Duration::from_millis(20);
/// The port in a socket's name; each server has its socket folder for itself, so any number serves.
const SOCKET_PORT: u16 = 5432;

/// A running private PostgreSQL. Dropping it stops the server, waits for that, and removes a temporary folder.
pub struct Postgres {
    // The order matters: fields are dropped from first to last, and the server must be gone before its folders go.
    process: Supervised,
    address: PostgresAddress,
    // Reads the log of the server that has stopped, for whoever wants to know.
    _witness: Option<Witness>,
    plan: Plan,
}

/// All that a start, and a restart, needs to know.
struct Plan {
    options: PostgresOptions,
    programs: PostgresPrograms,
    socket: SocketFolder,
    folder: ServerFolder,
    password: String,
}

impl Postgres {
    /// Starts a server and returns once it answers `SELECT 1`. A new folder takes one to two seconds, an old one a tenth.
    ///
    /// # Errors
    /// See [`SandboxError`]; each variant names what to do.
    /// # Cancel safety
    /// Dropping the future stops what was started; a named folder stays, whole or recognisably unfinished.
    pub async fn start(options: PostgresOptions) -> Result<Self, SandboxError> {
        options.check()?;
        let folder = ServerFolder::open(options.folder.as_deref(), DATA)?;
        let data = folder.join(DATA);
        let found = leftover::version(&data);
        let programs = programs::postgres(found.as_deref())?;
        if let Some(found) = found.filter(|found| *found != programs.major) {
            return Err(SandboxError::WrongVersion { folder: data, found, installed: programs.major });
        }
        let log = folder.lock(|| leftover::postmaster(&data)).await?;
        initialise::initialise(&folder, &programs, options.durability, &log).await?;
        drop(log);
        Self::on(folder, options, programs).await
    }

    /// Starts a server on a folder with data in it.
    async fn on(
        folder: ServerFolder,
        options: PostgresOptions,
        programs: PostgresPrograms,
    ) -> Result<Self, SandboxError> {
        let socket = folder.socket_folder(&format!(".s.PGSQL.{SOCKET_PORT}.lock"))?;
        let password = folder.password()?;
        let plan = Plan { options, programs, socket, folder, password };
        let attempts = if plan.options.listen == Listen::AnyPort { ports::ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            let port = plan.choose_port()?;
            match plan.launch(port).await {
                Ok(process) => {
                    let witness = Witness::of_log(plan.folder.log());
                    return Ok(Self { process, address: plan.address(port), _witness: witness, plan });
                }
                Err(SandboxError::Died { .. }) if attempt < attempts && port.is_some_and(ports::is_taken) => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The superuser's URL of the database `postgres`.
    pub fn url(&self) -> String {
        self.url_for("postgres", Login::Superuser)
    }

    /// The URL of a database for the superuser or for a role; tokio-postgres, psql and pgbench take it.
    pub fn url_for(&self, database: &str, login: Login<'_>) -> String {
        self.address.url_for(database, login)
    }

    /// Where the server is.
    pub const fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// The folder of the Unix socket, which is there whether or not the server also listens on TCP.
    pub fn socket_dir(&self) -> &Path {
        self.plan.socket.path()
    }

    /// The port: of 127.0.0.1, or the one in the socket's name.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// The postmaster's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the postmaster has not ended.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The server's folder: `data`, `server.log`, `password`.
    pub fn folder(&self) -> &Path {
        self.plan.folder.path()
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }

    /// The server as a supervised process, to be signalled or waited for.
    pub const fn process(&self) -> &Supervised {
        &self.process
    }

    /// Connects as superuser.
    pub async fn connect(&self, database: &str) -> Result<Session, SandboxError> {
        let action = format!("connect to database {database}");
        Session::connect(&self.url_for(database, Login::Superuser)).await.map_err(SandboxError::query(action))
    }

    /// A server that follows this one and answers reads: a copy of it in a temporary folder, with the same settings.
    ///
    /// # Errors
    /// As for [`Postgres::start`], and when the copy could not be made.
    /// # Cancel safety
    /// Dropping the future stops what was started.
    pub async fn standby(&self) -> Result<Self, SandboxError> {
        self.standby_with(PostgresOptions { folder: None, ..self.plan.options.clone() }).await
    }

    /// The same with other options. What the server listens to may differ; `max_connections` must not be less.
    ///
    /// # Errors
    /// As for [`Postgres::standby`].
    /// # Cancel safety
    /// As for [`Postgres::standby`].
    pub async fn standby_with(&self, options: PostgresOptions) -> Result<Self, SandboxError> {
        options.check()?;
        let folder = ServerFolder::open(options.folder.as_deref(), DATA)?;
        standby::copy(self, &folder).await?;
        Self::on(folder, options, self.plan.programs.clone()).await
    }

    /// Has a standby follow nobody any more and take writes; returns when it does.
    ///
    /// # Errors
    /// When it does not answer or is no standby.
    pub async fn promote(&self) -> Result<(), SandboxError> {
        standby::promote(self).await
    }

    /// Stops the server in good order; the folder stays until the handle is dropped.
    pub async fn stop(&self) {
        self.process.terminate().await;
    }

    /// SIGKILL to the postmaster, as a crash. Its other processes notice and end by themselves.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts the server again on the same folder and the same address, stopping it first if it still runs.
    ///
    /// # Errors
    /// As for [`Postgres::start`]; the handle then stays without a running server and can be restarted later.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.stop().await;
        let port = self.plan.tcp_port(&self.address);
        self.process = self.plan.launch(port).await?;
        Ok(())
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The plan is left out: it holds the password.
        f.debug_struct("Postgres").field("pid", &self.pid()).field("address", &self.address).finish_non_exhaustive()
    }
}

impl Plan {
    fn data(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// The TCP port to listen on, if any.
    fn choose_port(&self) -> Result<Option<u16>, SandboxError> {
        match self.options.listen {
            Listen::Socket => Ok(None),
            Listen::AnyPort => ports::free_port().map(Some).map_err(SandboxError::io("find a free port on 127.0.0.1")),
            Listen::Port(port) if ports::is_taken(port) => Err(SandboxError::PortTaken { port }),
            Listen::Port(port) => Ok(Some(port)),
        }
    }

    fn tcp_port(&self, address: &PostgresAddress) -> Option<u16> {
        (self.options.listen != Listen::Socket).then_some(address.port())
    }

    fn address(&self, tcp: Option<u16>) -> PostgresAddress {
        let (place, port) = match tcp {
            Some(port) => (Place::Tcp("127.0.0.1".into()), port),
            None => (Place::SocketFolder(self.socket.path().to_path_buf()), SOCKET_PORT),
        };
        PostgresAddress::new(place, port, SUPERUSER.into(), self.password.clone())
    }

    /// Starts the server on a folder that nobody else works on and waits until it answers.
    async fn launch(&self, tcp: Option<u16>) -> Result<Supervised, SandboxError> {
        let data = self.data();
        let log = self.folder.lock(|| leftover::postmaster(&data)).await?;
        leftover::clear(&data, self.socket.path())?;
        let process = Supervised::spawn_with_log(self.spec(tcp), Some(log))?;
        let url = self.address(tcp).url_for("postgres", Login::Superuser);
        until_it_answers(&process, &url).await?;
        Ok(process)
    }

    fn spec(&self, tcp: Option<u16>) -> ProcessSpec {
        let sockets = format!("\"{}\"", self.socket.path().display().to_string().replace('"', "\"\""));
        let mut settings: Vec<(&str, String)> = vec![
            ("unix_socket_directories", sockets),
            ("unix_socket_permissions", "0700".into()),
            ("listen_addresses", if tcp.is_some() { "127.0.0.1".into() } else { String::new() }),
            ("port", tcp.unwrap_or(SOCKET_PORT).to_string()),
            // The log must stay on standard error: the folder's lock lives there.
            ("logging_collector", "off".into()),
            ("timezone", "UTC".into()),
            ("log_timezone", "UTC".into()),
            ("log_line_prefix", LOG_LINE_PREFIX.into()),
        ];
        if self.options.durability == Durability::Ephemeral {
            settings.extend(["fsync", "synchronous_commit", "full_page_writes"].map(|name| (name, "off".to_owned())));
        }
        let given = self.options.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let mut spec = ProcessSpec::new(&self.programs.postgres).arg("-D").arg(self.data());
        for (name, value) in settings.into_iter().chain(given) {
            spec = spec.arg("-c").arg(format!("{name}={value}"));
        }
        spec = spec
            .environment(Environment::Clean)
            .cwd(self.folder.path())
            .log(self.folder.log())
            // Nothing in a temporary folder is worth a checkpoint.
            .stop_signal(if self.folder.is_temporary() { StopSignal::Quit } else { StopSignal::Interrupt });
        if let Some(user) = self.folder.user() {
            spec = spec.user(user.clone());
        }
        spec.remove_when_orphaned(self.folder.temporary_folders(&self.socket))
    }
}

async fn until_it_answers(process: &Supervised, url: &str) -> Result<(), SandboxError> {
    let server = "PostgreSQL".to_owned();
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let answer = match Session::connect(url).await {
            Ok(session) => session.simple_query("SELECT 1").await.map(drop),
            Err(error) => Err(error),
        };
        let log = || process.log_tail(LOG_LINES);
        match (answer, process.exit_status()) {
            (_, Some(status)) => return Err(SandboxError::Died { server, status, log: log() }),
            (Ok(()), None) => return Ok(()),
            (Err(error), None) if Instant::now() > deadline => {
                return Err(SandboxError::NotReady {
                    server,
                    within: READY_WITHIN,
                    last: with_causes(&error),
                    log: log(),
                });
            }
            (Err(_), None) => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
