//! A cluster on this machine: services in several replicas behind a balancer, private servers, and a link on every way between
//! them, described by the `[cluster]` of a target file.
//!
//! Invariants: nothing listens beyond 127.0.0.1; nothing that was started outlives the process that holds the cluster, however that
//! ends; one change of replicas goes on at a time. Absent on purpose: several machines, and limits of CPU or memory.

mod backend;
mod database;
mod door;
mod error;
mod haproxy;
mod health;
mod held;
mod http;
mod link;
mod links;
mod member;
mod members;
mod remote;
mod requests;
mod servers;
mod service;
mod socket;
mod wire;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use stampede_model::chaos::ProcessId;
use stampede_model::target::{Ready, Scope, Target, Template};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

pub use error::{AskError, ClusterError};
pub use health::{status as ask_status, status_within as ask_status_within};
pub use held::Held;
pub use link::{Gate, LinkState};
pub use remote::Remote;
pub use sandbox::log_tail;
pub use socket::{ask, status};
pub use wire::{Answer, Ask, LinkStatus, MemberState, MemberStatus, ServerRole, ServerStatus, ServiceStatus, Status};

use crate::chaos::processes::identity;
use crate::control::place::{self, Place};
use crate::control::{Afterwards, ControlError, launch};
use links::Links;
use servers::Servers;
use service::Service;

/// The file in the run folder that says where the cluster is.
const CARD: &str = "cluster.json";
const SOCKET: &str = "control.sock";
/// The longest socket path the kernel takes, without its final zero.
const SOCKET_PATH_MAX_BYTES: usize = 107;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the run folder says of the cluster in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    /// The process that holds it.
    pub process: ProcessId,
    /// Its control socket.
    pub socket: PathBuf,
    /// Where clients call it.
    pub url: String,
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    url: String,
    ready: Ready,
    began: Instant,
    process: ProcessId,
    services: Vec<Service>,
    servers: Servers,
    links: Links,
    place: Place,
    run_folder: PathBuf,
    down: watch::Sender<bool>,
    changing: tokio::sync::Mutex<()>,
    // Removed when the cluster is gone.
    folder: TempDir,
}

impl Cluster {
    /// Starts what `target` describes, in order, and returns once all of it is ready. Nothing beyond this machine is led to unless
    /// `remote` says so, and the file too. `run_folder` gets the logs, the control socket
    /// and the card by which others find the cluster.
    ///
    /// # Errors
    /// See [`ClusterError`]; what was started by then is stopped.
    /// # Cancel safety
    /// Dropping the future stops what was started when the runtime ends.
    pub async fn up(
        target: &Target,
        bin: &Path,
        environment: &Scope,
        (run_folder, remote): (&Path, Remote),
    ) -> Result<Arc<Self>, ClusterError> {
        let Some(described) = &target.cluster else {
            return Err(ClusterError::NoCluster { target: target.start.name.clone() });
        };
        let run_folder = prepare(run_folder)?;
        let folder = place::folder()?;
        let mut place = Place::new(bin, Some(folder.path()), environment);
        choose_ports(&mut place, target).await?;
        remote::check(target, &place, remote)?;
        let servers = Servers::start(&target.start).await?;
        let urls = servers.urls();
        place.urls(urls.postgres, urls.redis);
        place.standby(urls.standby);
        let logs = run_folder.join("log");
        for process in &target.start.process {
            launch::launch(process, &place, Some(&logs), Afterwards::Stop)?.finish().await?;
        }
        servers.hold_together().await.map_err(|why| ClusterError::Standby { why })?;
        let me = std::process::id();
        let cluster = Arc::new(Self {
            name: target.start.name.clone(),
            url: place.fill(target.start.url.as_ref())?,
            ready: target.start.ready.clone(),
            began: Instant::now(),
            process: identity(me).unwrap_or(ProcessId { pid: me, started: 0 }),
            services: described.service.iter().map(|service| Service::new(service.clone())).collect(),
            servers,
            links: Links::default(),
            place,
            run_folder,
            down: watch::Sender::new(false),
            changing: tokio::sync::Mutex::new(()),
            folder,
        });
        match cluster.start_services(target).await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.down().await;
                Err(error)
            }
        }
    }

    async fn start_services(self: &Arc<Self>, target: &Target) -> Result<(), ClusterError> {
        for service in &self.services {
            service.open(self).await?;
            service.scale(self, target, service.first_replicas()).await?;
        }
        self.until_url_answers().await
    }

    async fn until_url_answers(&self) -> Result<(), ClusterError> {
        let authority = self.url.trim_start_matches("http://").trim_end_matches('/');
        let Ok(address) = authority.parse::<SocketAddr>() else {
            return Err(ClusterError::Listen { service: "target.url".to_owned(), given: self.url.clone() });
        };
        let deadline = Instant::now() + self.ready.within;
        loop {
            let last = match health::status(address, &self.ready.path).await {
                Ok(status) if status == self.ready.status.code() => return Ok(()),
                Ok(status) => format!("the last answer was {status}"),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                let (name, within) = (self.url.clone(), self.ready.within);
                return Err(ClusterError::NotReady { name, within, last, log: String::new() });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Where clients call it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves the control socket and leaves the card that leads to it, until the returned guard is dropped.
    ///
    /// # Errors
    /// When the socket or the card cannot be made.
    pub fn serve(self: &Arc<Self>, target: &Arc<Target>) -> Result<Served, ClusterError> {
        let failed = |source| ClusterError::Folder { folder: self.run_folder.clone(), source };
        let inside = self.run_folder.join(SOCKET);
        // A socket's path is short by law; where the folder is deep it lies in the cluster's own.
        let socket =
            if inside.as_os_str().len() <= SOCKET_PATH_MAX_BYTES { inside } else { self.folder.path().join(SOCKET) };
        let listener = socket::listen(&socket).map_err(failed)?;
        let served = Arc::clone(self);
        served.services.iter().for_each(|service| service.remember(target));
        let serving = tokio::spawn(socket::serve(listener, served));
        let card = Card { process: self.process, socket: socket.clone(), url: self.url.clone() };
        let text = serde_json::to_string_pretty(&card).unwrap_or_default() + "\n";
        let card = self.run_folder.join(CARD);
        // Whoever finds the card finds the whole of it.
        let half = self.run_folder.join("cluster.json.new");
        fs::write(&half, text).and_then(|()| fs::rename(&half, &card)).map_err(failed)?;
        Ok(Served { serving, socket, card })
    }

    /// Waits until somebody asks it to end.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn until_asked_down(&self) {
        // The sender lives as long as `self`.
        self.down.subscribe().wait_for(|down| *down).await.map(drop).ok();
    }

    /// Stops everything, last started first.
    pub async fn down(&self) {
        let _alone = self.changing.lock().await;
        for service in self.services.iter().rev() {
            service.end(self).await;
        }
        self.servers.stop().await;
    }

    /// Does what was asked.
    pub(super) async fn carry_out(self: &Arc<Self>, ask: Ask) -> Answer {
        let done = match ask {
            Ask::Status => return Answer::Status(Box::new(self.status())),
            Ask::Scale { service, replicas } => self.scale(&service, replicas).await,
            Ask::Restart { on } => self.restart(&on).await,
            Ask::Stop { on } => self.stop(&on).await,
            Ask::Start { on } => self.member(&on).map(|member| member.start()),
            Ask::StopPostgres { name, how } => self.servers.stop_postgres(&name, how).await,
            Ask::Promote { how } => self.servers.promote(how).await,
            Ask::MakeWhole => self.servers.make_whole().await,
            Ask::StopRedis { how } => self.servers.stop_redis(how).await,
            Ask::StartServer { name } => self.servers.start_again(&name).await,
            Ask::Disturb { link, state } => self.links.disturb(&link, state),
            Ask::Heal { link } => {
                self.links.heal(&link);
                Ok(())
            }
            Ask::Down => {
                self.down.send_replace(true);
                Ok(())
            }
        };
        done.map_or_else(|why| Answer::Failed { why }, |()| Answer::Done)
    }

    async fn scale(self: &Arc<Self>, name: &str, replicas: u32) -> Result<(), String> {
        let _alone = self.changing.lock().await;
        let service = self.service(name)?;
        let target = service.target().ok_or("the cluster is not up yet")?;
        service.scale(self, &target, replicas).await.map_err(|error| crate::chaos::words(&error))
    }

    async fn restart(self: &Arc<Self>, on: &str) -> Result<(), String> {
        match on {
            "postgres" | "standby" => {
                self.servers.stop_postgres(on, stampede_model::chaos::DatabaseStop::Fast).await?;
                return self.servers.start_again(on).await;
            }
            "redis" => {
                self.servers.stop_redis(stampede_model::chaos::Rough::Term).await?;
                return self.servers.start_again(on).await;
            }
            _ => {}
        }
        let _alone = self.changing.lock().await;
        if let Ok(service) = self.service(on) {
            // One after the other, as a rolling update: somebody is always there.
            for member in service.members() {
                service.restart(&member).await.map_err(|error| crate::chaos::words(&error))?;
            }
            return Ok(());
        }
        let member = self.member(on)?;
        let service = self.services.iter().find(|service| service.has(&member)).ok_or("the member has left")?;
        service.restart(&member).await.map_err(|error| crate::chaos::words(&error))
    }

    /// Returns when it is down, so that a start that follows is a start.
    async fn stop(&self, on: &str) -> Result<(), String> {
        let member = self.member(on)?;
        member.stop();
        while member.has_process() && member.is_unwanted() {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn service(&self, name: &str) -> Result<&Service, String> {
        let names = || self.services.iter().map(Service::name).collect::<Vec<_>>().join(", ");
        let found = self.services.iter().find(|service| service.name() == name);
        found.ok_or_else(|| format!("no service is called `{name}`\nhint: there are {}", names()))
    }

    fn member(&self, name: &str) -> Result<Arc<member::Member>, String> {
        let mut all = self.services.iter().flat_map(Service::members);
        all.find(|member| member.name == name).ok_or_else(|| {
            let all = self.services.iter().flat_map(Service::members);
            let names: Vec<String> = all.map(|member| member.name.clone()).collect();
            format!("no replica is called `{name}`\nhint: there are {}", names.join(", "))
        })
    }

    fn status(&self) -> Status {
        Status {
            name: self.name.clone(),
            process: self.process,
            url: self.url.clone(),
            ready_path: self.ready.path.clone(),
            ready_status: self.ready.status.code(),
            up_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            services: self.services.iter().map(Service::status).collect(),
            servers: self.servers.statuses(),
            links: self.services.iter().flat_map(Service::links).collect(),
        }
    }
}

/// A served control socket; dropping it removes socket and card.
#[derive(Debug)]
pub struct Served {
    serving: tokio::task::JoinHandle<()>,
    socket: PathBuf,
    card: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
        // Both fail only when somebody removed them before.
        fs::remove_file(&self.card).ok();
        fs::remove_file(&self.socket).ok();
    }
}

/// The cluster that runs in a folder.
///
/// # Errors
/// [`AskError::NotRunning`] when none does, or when the one that did was killed.
pub fn find(run_folder: &Path) -> Result<Card, AskError> {
    let none = || AskError::NotRunning { folder: run_folder.to_path_buf() };
    let text = fs::read_to_string(run_folder.join(CARD)).map_err(|_| none())?;
    let card: Card = serde_json::from_str(&text).map_err(|_| none())?;
    if identity(card.process.pid) == Some(card.process) { Ok(card) } else { Err(none()) }
}

/// Makes the run folder, unless a cluster runs there.
fn prepare(run_folder: &Path) -> Result<PathBuf, ClusterError> {
    let failed = |source| ClusterError::Folder { folder: run_folder.to_path_buf(), source };
    if let Ok(card) = find(run_folder) {
        return Err(ClusterError::Running { folder: run_folder.to_path_buf(), pid: card.process.pid });
    }
    fs::create_dir_all(run_folder.join("log")).map_err(failed)?;
    fs::canonicalize(run_folder).map_err(failed)
}

/// Gives every `{port}` and `{port.NAME}` a port that stays free while nobody listens: doors close and open again.
async fn choose_ports(place: &mut Place, target: &Target) -> Result<(), ClusterError> {
    let mut slots: Vec<&str> = place::templates(&target.start)
        .chain(place::cluster_templates(target))
        .flat_map(Template::slots)
        .filter(|slot| place::is_port(slot))
        .collect();
    slots.sort_unstable();
    slots.dedup();
    let mut chosen = Vec::new();
    for slot in slots {
        let mut port = quiet_port().await?;
        while chosen.contains(&port) {
            port = quiet_port().await?;
        }
        chosen.push(port);
        place.set(slot, &port);
    }
    Ok(())
}

async fn quiet_port() -> Result<u16, ClusterError> {
    door::quiet_port().await.map_err(|source| ClusterError::Control(ControlError::Port { source }))
}

/// Ends members together: each may take its grace.
async fn end_all(members: &[Arc<member::Member>]) {
    join_all(members.iter().map(|member| member.end())).await;
}

/// Leaves the terminal's session, so that its end and its Ctrl-C do not reach this process.
pub fn leave_terminal() {
    // Fails for a process that leads a group already: then it has left.
    rustix::process::setsid().ok();
}
