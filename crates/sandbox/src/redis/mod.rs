//! A private Redis: started, asked, stopped.
//!
//! Invariants: it listens on 127.0.0.1, on a Unix socket, or both; it wants a password, random and kept in a 0600 file; it never
//! outlives this process. Absent on purpose: snapshots (`save`); what must survive is in the append-only file.

mod options;
mod ping;

use std::fmt;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::SandboxError;
use crate::folder::{ServerFolder, SocketFolder, first_line, works_in};
use crate::ports;
use crate::postgres::Listen;
use crate::supervise::{Environment, ProcessSpec, StopSignal, Supervised};
pub use options::{Persistence, RedisOptions};
use ping::{Door, ping};

const DATA: &str = "data";
const PID_FILE: &str = "redis.pid";
const SOCKET: &str = "redis.sock";
const LOG_LINES: usize = 12;
/// A large append-only file may take this long to load.
const READY_WITHIN: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A running private Redis. Dropping it stops the server, waits for that, and removes a temporary folder.
pub struct Redis {
    // The order matters: fields are dropped from first to last, and the server must be gone before its folders go.
    process: Supervised,
    port: Option<u16>,
    plan: Plan,
}

struct Plan {
    options: RedisOptions,
    socket: SocketFolder,
    folder: ServerFolder,
    password: String,
}

impl Redis {
    /// Starts a server and returns once it answers `PING`; a few hundredths of a second.
    ///
    /// # Errors
    /// See [`SandboxError`]; each variant names what to do.
    /// # Cancel safety
    /// Dropping the future stops what was started.
    pub async fn start(options: RedisOptions) -> Result<Self, SandboxError> {
        let folder = ServerFolder::open(options.folder.as_deref(), DATA)?;
        folder.make(DATA)?;
        let socket = folder.socket_folder(SOCKET)?;
        let password = folder.password()?;
        let plan = Plan { options, socket, folder, password };
        let attempts = if plan.options.listen == Listen::AnyPort { ports::ATTEMPTS } else { 1 };
        let mut attempt = 1;
        loop {
            let port = plan.choose_port()?;
            match plan.launch(port).await {
                Ok(process) => return Ok(Self { process, port, plan }),
                Err(SandboxError::Died { .. }) if attempt < attempts && port.is_some_and(ports::is_taken) => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The URL of database 0, with the password.
    pub fn url(&self) -> String {
        self.url_for(0)
    }

    /// The URL of a numbered database: `redis://` by TCP, `redis+unix://` when the server has a socket only.
    pub fn url_for(&self, database: u8) -> String {
        let password = &self.plan.password;
        match self.port {
            Some(port) => format!("redis://default:{password}@127.0.0.1:{port}/{database}"),
            None => format!("redis+unix://{}?db={database}&pass={password}", self.socket().display()),
        }
    }

    /// The Unix socket, which is there whether or not the server also listens on TCP.
    pub fn socket(&self) -> PathBuf {
        self.plan.socket.path().join(SOCKET)
    }

    /// The port of 127.0.0.1, if the server listens on one.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the server has not ended.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The server's folder.
    pub fn folder(&self) -> &Path {
        self.plan.folder.path()
    }

    /// The server as a supervised process, to be signalled or waited for.
    pub const fn process(&self) -> &Supervised {
        &self.process
    }

    /// Stops the server in good order; the folder stays until the handle is dropped.
    pub async fn stop(&self) {
        self.process.terminate().await;
    }

    /// SIGKILL to the server, as a crash.
    pub async fn kill(&self) {
        self.process.kill().await;
    }

    /// Starts the server again on the same folder and the same address, stopping it first if it still runs.
    ///
    /// # Errors
    /// As for [`Redis::start`]; the handle then stays without a running server and can be restarted later.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        self.stop().await;
        self.process = self.plan.launch(self.port).await?;
        Ok(())
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The plan is left out: it holds the password.
        f.debug_struct("Redis").field("pid", &self.pid()).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Plan {
    fn choose_port(&self) -> Result<Option<u16>, SandboxError> {
        match self.options.listen {
            Listen::Socket => Ok(None),
            Listen::AnyPort => ports::free_port().map(Some).map_err(SandboxError::io("find a free port on 127.0.0.1")),
            Listen::Port(port) if ports::is_taken(port) => Err(SandboxError::PortTaken { port }),
            Listen::Port(port) => Ok(Some(port)),
        }
    }

    async fn launch(&self, port: Option<u16>) -> Result<Supervised, SandboxError> {
        let log = self.folder.lock(|| self.living()).await?;
        let config = self.folder.write_private("redis.conf", &self.config(port)?)?;
        let mut spec = ProcessSpec::new("redis-server")
            .arg(config)
            .environment(Environment::Clean)
            .cwd(self.folder.path())
            .log(self.folder.log())
            .stop_signal(StopSignal::Terminate)
            .remove_when_orphaned(self.folder.temporary_folders(&self.socket));
        if let Some(user) = self.folder.user() {
            spec = spec.user(user.clone());
        }
        let process = Supervised::spawn_with_log(spec, Some(log))?;
        self.until_it_answers(&process, port).await?;
        Ok(process)
    }

    /// The process of an earlier server that still works in the folder.
    fn living(&self) -> Option<u32> {
        let pid: u32 = first_line(&self.folder.join(PID_FILE))?.parse().ok()?;
        works_in(Path::new("/proc"), pid, &self.folder.join(DATA), &["redis-server"]).then_some(pid)
    }

    fn config(&self, port: Option<u16>) -> Result<String, SandboxError> {
        let appendonly = match self.options.persistence {
            Persistence::Memory => "no",
            Persistence::AppendOnly => "yes",
        };
        let path = |path: PathBuf| path.display().to_string();
        let own = [
            ("bind", "127.0.0.1".to_owned()),
            ("port", port.unwrap_or(0).to_string()),
            ("unixsocket", path(self.socket.path().join(SOCKET))),
            ("unixsocketperm", "700".to_owned()),
            ("requirepass", self.password.clone()),
            ("dir", path(self.folder.join(DATA))),
            ("pidfile", path(self.folder.join(PID_FILE))),
            ("appendonly", appendonly.to_owned()),
            ("save", String::new()),
            ("daemonize", "no".to_owned()),
            ("logfile", String::new()),
        ];
        let given = self.options.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let mut text = String::new();
        for (name, value) in own.into_iter().chain(given) {
            if name.is_empty() || format!("{name}{value}").contains(['\n', '\r', '"', '\\']) {
                let reason = "neither may hold a line break, a quote or a backslash".to_owned();
                return Err(SandboxError::Unusable { what: format!("the Redis setting {name:?}"), reason });
            }
            // Writing to a String cannot fail.
            writeln!(text, "{name} \"{value}\"").ok();
        }
        Ok(text)
    }

    async fn until_it_answers(&self, process: &Supervised, port: Option<u16>) -> Result<(), SandboxError> {
        let server = "Redis".to_owned();
        let socket = self.socket.path().join(SOCKET);
        let door = port.map_or(Door::Socket(&socket), Door::Port);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let answer: io::Result<()> = ping(door, &self.password).await;
            let log = || process.log_tail(LOG_LINES);
            match (answer, process.exit_status()) {
                (_, Some(status)) => return Err(SandboxError::Died { server, status, log: log() }),
                (Ok(()), None) => return Ok(()),
                (Err(error), None) if Instant::now() > deadline => {
                    let last = error.to_string();
                    return Err(SandboxError::NotReady { server, within: READY_WITHIN, last, log: log() });
                }
                (Err(_), None) => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }
}
