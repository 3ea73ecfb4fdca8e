//! What is said on a cluster's control socket: one line of JSON each way, an ask and its answer.

use serde::{Deserialize, Serialize};
use stampede_model::chaos::{DatabaseStop, ProcessId, Rough};

use super::link::LinkState;

/// Longest line; a status of the largest cluster is a fraction of it.
pub(super) const LINE_MAX: u64 = 1 << 20;

/// What a cluster can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// How it is.
    Status,
    /// So many replicas of a service.
    Scale {
        /// Which.
        service: String,
        /// How many.
        replicas: u32,
    },
    /// SIGTERM and a new start, of a member, of all members of a service one after the other, or of a server.
    Restart {
        /// Which.
        on: String,
    },
    /// SIGTERM; the member stays down until it is asked to start.
    Stop {
        /// Which.
        on: String,
    },
    /// Runs, or will, without a pause.
    Start {
        /// Which.
        on: String,
    },
    /// Stops a PostgreSQL.
    StopPostgres {
        /// Which: `postgres` or `standby`.
        name: String,
        /// How.
        how: DatabaseStop,
    },
    /// Ends PostgreSQL's primary and has the standby take over.
    Promote {
        /// How the primary ends.
        how: DatabaseStop,
    },
    /// Sees to it that PostgreSQL has a primary, and a standby where one is wanted.
    MakeWhole,
    /// Stops Redis.
    StopRedis {
        /// How.
        how: Rough,
    },
    /// Starts a server that is down.
    StartServer {
        /// `postgres`, `standby` or `redis`.
        name: String,
    },
    /// Disturbs a link, or all of a sort.
    Disturb {
        /// Which.
        link: String,
        /// How.
        state: LinkState,
    },
    /// Makes a link calm.
    Heal {
        /// Which.
        link: String,
    },
    /// Stops everything and ends.
    Down,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// How it is.
    Status(Box<Status>),
    /// Not done.
    Failed {
        /// Why.
        why: String,
    },
}

/// How a cluster is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// The process that holds it.
    pub process: ProcessId,
    /// Where clients call it.
    pub url: String,
    /// The question about readiness.
    pub ready_path: String,
    /// The answer that means ready.
    pub ready_status: u16,
    /// How long it has run.
    pub up_ms: u64,
    /// Its services.
    pub services: Vec<ServiceStatus>,
    /// Its private servers.
    pub servers: Vec<ServerStatus>,
    /// Its links.
    pub links: Vec<LinkStatus>,
}

/// How a service is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Where its balancer listens.
    pub listen: Option<String>,
    /// Whether its balancer balances requests, and counts them.
    #[serde(default)]
    pub balances_requests: bool,
    /// How many replicas are wanted.
    pub replicas: u32,
    /// Each.
    pub members: Vec<MemberStatus>,
}

/// How a replica is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: MemberState,
    /// Its process, while it has one.
    pub process: Option<ProcessId>,
    /// Its port.
    pub port: Option<u16>,
    /// How often it ended by itself.
    pub ended: u32,
    /// How it ended last.
    pub last_end: Option<String>,
    /// Connections through the balancer.
    pub connections: usize,
    /// Requests that it answered through a balancer of requests.
    #[serde(default)]
    pub requests: u64,
    /// Requests that it has from such a balancer.
    #[serde(default)]
    pub under_way: usize,
    /// Its log.
    pub log: String,
}

/// The states of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// Not ready yet.
    Starting,
    /// Ready.
    Ready,
    /// It was ready and does not say so any more.
    Unready,
    /// It ended and will be started again.
    Waiting,
    /// It is down and stays so.
    Down,
    /// It gets no new connections and will be stopped.
    Leaving,
}

/// How a private server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    /// `postgres`, `standby` or `redis`: its place, which it keeps whatever its role.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// Its process, while it has one.
    pub process: Option<ProcessId>,
    /// Its URL, with the password: the socket is for its owner only.
    pub url: String,
    /// Its log.
    pub log: String,
    /// What it is to the other one, where there are two.
    #[serde(default)]
    pub role: Option<ServerRole>,
}

/// What a PostgreSQL is to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerRole {
    /// It takes writes.
    Primary,
    /// It follows.
    Standby,
    /// It was the primary, and another took over.
    Deposed,
}

/// How a link is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// The name of all of its sort.
    pub group: String,
    /// Where it begins.
    pub listen: String,
    /// Whether it accepts connections.
    pub listening: bool,
    /// Where it leads.
    pub to: String,
    /// What it does.
    pub state: LinkState,
    /// Open connections.
    pub connections: usize,
}

impl Status {
    /// All members.
    pub fn members(&self) -> impl Iterator<Item = &MemberStatus> {
        self.services.iter().flat_map(|service| &service.members)
    }

    /// The PostgreSQL that takes writes.
    pub fn primary(&self) -> Option<&ServerStatus> {
        let is_primary = |server: &&ServerStatus| server.role == Some(ServerRole::Primary);
        self.servers.iter().find(is_primary).or_else(|| self.server("postgres"))
    }

    /// A private server, by its place.
    pub fn server(&self, name: &str) -> Option<&ServerStatus> {
        self.servers.iter().find(|server| server.name == name)
    }
}
