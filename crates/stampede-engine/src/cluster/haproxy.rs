//! `HAProxy` before a service, where the file asks for it: what stands before it in production too, with checks of its own.
//!
//! Invariants: clients come by the service's own door and each replica is reached by its own, so faults of links are what they are
//! with the balancer of the house; a replica that leaves is out of the configuration before it is told to end; nothing of it lies
//! outside the cluster's own folder, and it ends with the cluster.
//! Absent on purpose: settings of its own. Whoever wants those starts it as a service.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sandbox::{ProcessSpec, Signal, Supervised, log_tail};
use stampede_model::target::Ready;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::door::quiet_port;
use super::error::ClusterError;

/// Where Debian has it, for those whose path lacks the folder.
const PLACES: [&str; 2] = ["haproxy", "/usr/sbin/haproxy"];
/// How long a new configuration may take to be in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
const LOG_LINES: usize = 10;

/// A running `HAProxy`.
#[derive(Debug)]
pub(super) struct HaProxy {
    service: String,
    process: Supervised,
    address: SocketAddr,
    file: PathBuf,
    socket: PathBuf,
    ready: Option<Ready>,
    /// Of the newest configuration.
    number: AtomicU64,
}

impl HaProxy {
    /// Starts it before no replica yet; `folder` is the cluster's own, `log` where it writes to.
    ///
    /// # Errors
    /// [`ClusterError::HaProxy`] when it is not installed, or does not start.
    /// # Cancel safety
    /// Dropping the future stops it.
    pub(super) async fn start(
        service: &str,
        ready: Option<&Ready>,
        (folder, log): (&Path, &Path),
    ) -> Result<Self, ClusterError> {
        let wrong = |why: String| ClusterError::HaProxy { service: service.to_owned(), why };
        let port = quiet_port().await.map_err(|error| wrong(error.to_string()))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let file = folder.join(format!("haproxy-{service}.cfg"));
        let socket = folder.join(format!("haproxy-{service}.sock"));
        fs::write(&file, configuration((address, &socket, 0), ready, &[])).map_err(|error| wrong(error.to_string()))?;
        let spec = |program: &str| ProcessSpec::new(program).args(["-W", "-db", "-f"]).arg(&file).log(log);
        let started = PLACES.iter().map(|program| Supervised::spawn(spec(program)));
        let process = started.reduce(Result::or).and_then(Result::ok).ok_or_else(|| {
            wrong("it is not installed\nhint: apt-get install haproxy, or leave `balance` out for the balancer of the house".to_owned())
        })?;
        let (service, ready) = (service.to_owned(), ready.cloned());
        let number = AtomicU64::new(0);
        let proxy = Self { service, process, address, file, socket, ready, number };
        proxy.in_force(0).await?;
        Ok(proxy)
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it lead to these and to no others; returns when it does. Connections that others have go on for a moment.
    pub(super) async fn lead_to(&self, replicas: &[(String, SocketAddr)]) -> Result<(), ClusterError> {
        let number = self.number.fetch_add(1, Ordering::SeqCst) + 1;
        let text = configuration((self.address, &self.socket, number), self.ready.as_ref(), replicas);
        fs::write(&self.file, text).map_err(|error| self.wrong(&error.to_string()))?;
        self.in_force(number).await
    }

    /// Waits until the worker that answers has this configuration.
    async fn in_force(&self, number: u64) -> Result<(), ClusterError> {
        let deadline = Instant::now() + IN_FORCE_WITHIN;
        let mut ask_again = Instant::now();
        loop {
            let seen = timeout(IN_FORCE_WITHIN, self.seen()).await.ok().and_then(Result::ok).flatten();
            if seen == Some(number) {
                return Ok(());
            }
            if Instant::now() >= deadline || !self.process.is_running() {
                let said = self.process.spec().log_file().map(|log| log_tail(log, LOG_LINES)).unwrap_or_default();
                return Err(self.wrong(&format!("its configuration is not in force\n{said}")));
            }
            // The master reads the file anew and starts a worker; the one before stops accepting. In the middle of that it is deaf.
            if number > 0 && Instant::now() >= ask_again {
                self.process.signal(Signal::USR2);
                ask_again = Instant::now() + ASK_AGAIN_AFTER;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// The number of the configuration that is in force.
    async fn seen(&self) -> std::io::Result<Option<u64>> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(b"show info\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let line = text.lines().find_map(|line| line.strip_prefix("description: stampede "));
        Ok(line.and_then(|number| number.trim().parse().ok()))
    }

    fn wrong(&self, why: &str) -> ClusterError {
        ClusterError::HaProxy { service: self.service.clone(), why: why.to_owned() }
    }
}

/// The whole configuration.
fn configuration(
    (address, socket, number): (SocketAddr, &Path, u64),
    ready: Option<&Ready>,
    replicas: &[(String, SocketAddr)],
) -> String {
    let check = ready.map_or(String::new(), |ready| {
        format!("    option httpchk GET {}\n    http-check expect status {}\n", ready.path, ready.status.code())
    });
    let mut text = format!(
        "global\n    description stampede {number}\n    stats socket {} mode 600 level admin expose-fd listeners\n    maxconn 4096\n    hard-stop-after 10s\n\
         defaults\n    mode http\n    timeout connect 2s\n    timeout client 60s\n    timeout server 60s\n    timeout check 1s\n\
         \x20   retries 2\n    option redispatch\n\
         frontend clients\n    bind {address}\n    default_backend replicas\n\
         backend replicas\n    balance leastconn\n{check}    default-server check inter 250ms fastinter 50ms fall 2 rise 1\n",
        socket.display()
    );
    for (name, address) in replicas {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "    server {name} {address}");
    }
    text
}
