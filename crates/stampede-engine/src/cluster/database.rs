//! The private PostgreSQL of a cluster: one server, or a primary and a standby that can take over from it.
//!
//! The two places keep their names and addresses, `postgres` and `standby`; which of them is the primary changes with a promotion.
//! Invariants: at most one place takes writes: a primary that was deposed is never started again on its own data, it becomes a new
//! copy of the one that took over; a change of roles goes on alone. With `synchronous` no commit is acknowledged that only the
//! primary has, unless it was promoted and has no standby yet.
//! Absent on purpose: deciding when to promote. That is a fault here, and somebody else's task where it is real.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox::{Listen, Postgres, PostgresOptions, Signal};
use stampede_model::chaos::DatabaseStop;
use stampede_model::target::{PrivateServer, Standby};
use tokio::time::{Instant, sleep};

use super::door::quiet_port;
use super::servers::end;
use super::wire::{ServerRole, ServerStatus};
use crate::chaos::processes::identity;
use crate::chaos::words;
use crate::cluster::ClusterError;
use crate::control::ControlError;

/// The place of the first primary, and that of its first standby.
pub(super) const NAMES: [&str; 2] = ["postgres", "standby"];
/// How long a new standby may take to follow.
const FOLLOWS_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A primary that nobody waits for.
const ALONE: &str = "ALTER SYSTEM RESET synchronous_standby_names";
/// A primary whose commits wait for its standby.
const TOGETHER: &str = "ALTER SYSTEM SET synchronous_standby_names = '*'";

/// The servers.
#[derive(Debug)]
pub(super) struct Database {
    servers: tokio::sync::Mutex<Servers>,
    seen: Mutex<Vec<ServerStatus>>,
    options: PostgresOptions,
    standby: Option<Standby>,
}

#[derive(Debug, Default)]
struct Servers {
    /// By place; `None` only while a place is made anew, and at the end.
    places: Vec<Option<Postgres>>,
    primary: usize,
    /// Whether the place that is not the primary was deposed: its data has a history of its own.
    is_stale: bool,
}

impl Database {
    /// Starts one, with its standby if one is wanted.
    pub(super) async fn start(private: &PrivateServer) -> Result<Self, ClusterError> {
        let mut options = PostgresOptions::default();
        for (name, value) in &private.settings {
            options = options.setting(name.as_str(), value.as_str());
        }
        let primary = Postgres::start(options.clone().listen(Listen::Port(free().await?))).await?;
        let mut servers = Servers { places: vec![Some(primary)], ..Servers::default() };
        let standby = private.standby.as_ref().map(|standby| *standby.as_ref());
        if standby.is_some()
            && let Some(Some(primary)) = servers.places.first()
        {
            let port = free().await?;
            let copy = primary.standby_with(options.clone().listen(Listen::Port(port))).await?;
            servers.places.push(Some(copy));
        }
        let seen = Mutex::new(Vec::new());
        let database = Self { servers: tokio::sync::Mutex::new(servers), seen, options, standby };
        database.look(&*database.servers.lock().await);
        Ok(database)
    }

    /// The URLs of the places, in the order of [`NAMES`].
    pub(super) fn urls(&self) -> Vec<String> {
        self.seen().iter().map(|server| server.url.clone()).collect()
    }

    pub(super) fn statuses(&self) -> Vec<ServerStatus> {
        self.seen().clone()
    }

    /// From now on commits wait for the standby, if that was wanted.
    pub(super) async fn hold_together(&self) -> Result<(), String> {
        let servers = self.servers.lock().await;
        self.follows(&servers).await
    }

    /// Stops a place, whatever its role.
    pub(super) async fn stop_place(&self, name: &str, how: DatabaseStop) -> Result<(), String> {
        let servers = self.servers.lock().await;
        let place = servers.place(name)?;
        let postgres = servers.places[place].as_ref().ok_or_else(|| format!("{name} is being made anew"))?;
        let ended = end(postgres.process(), signal(how)).await;
        self.look(&servers);
        ended
    }

    /// Starts a place that does not run; nothing happens when it does. One that was deposed becomes a standby.
    pub(super) async fn start_place(&self, name: &str) -> Result<(), String> {
        let mut servers = self.servers.lock().await;
        let place = servers.place(name)?;
        if servers.is_stale && place != servers.primary {
            return self.make_standby(&mut servers).await;
        }
        self.run(&mut servers, place).await
    }

    /// Ends the primary and has its standby take over.
    pub(super) async fn promote(&self, how: DatabaseStop) -> Result<(), String> {
        let mut servers = self.servers.lock().await;
        let Some(other) = servers.other() else {
            return Err("there is no standby\nhint: add standby = \"synchronous\" to [target.postgres]".to_owned());
        };
        let primary = servers.primary;
        if servers.is_stale || !servers.runs(other) {
            return Err(format!("{} follows nobody now", NAMES[other]));
        }
        if let Some(postgres) = &servers.places[primary]
            && postgres.is_running()
        {
            end(postgres.process(), signal(how)).await?;
        }
        self.look(&servers);
        let promoted = match &servers.places[other] {
            Some(postgres) => postgres.promote().await.map_err(|error| words(&error)),
            None => Err("it is gone".to_owned()),
        };
        // A promotion that was begun cannot be taken back, whatever became of the answer.
        if promoted.is_ok() || servers.is_in_recovery(other).await == Ok(false) {
            (servers.primary, servers.is_stale) = (other, true);
        }
        self.look(&servers);
        promoted
    }

    /// Sees to it that there is a primary and, where one is wanted, a standby that follows it.
    pub(super) async fn make_whole(&self) -> Result<(), String> {
        let mut servers = self.servers.lock().await;
        let primary = servers.primary;
        if let Some(other) = servers.other()
            && !servers.is_stale
            && servers.runs(other)
            && servers.is_in_recovery(other).await == Ok(false)
        {
            (servers.primary, servers.is_stale) = (other, true);
        } else {
            self.run(&mut servers, primary).await?;
        }
        let Some(other) = servers.other() else { return Ok(()) };
        if servers.is_stale {
            return self.make_standby(&mut servers).await;
        }
        self.run(&mut servers, other).await?;
        self.follows(&servers).await
    }

    /// Stops all of it, for good.
    pub(super) async fn stop(&self) {
        let places = std::mem::take(&mut self.servers.lock().await.places);
        for postgres in places.into_iter().flatten() {
            postgres.stop().await;
        }
    }

    async fn run(&self, servers: &mut Servers, place: usize) -> Result<(), String> {
        let Some(postgres) = servers.places.get_mut(place).and_then(Option::as_mut) else {
            return Err(format!("{} is gone", NAMES[place]));
        };
        let started = if postgres.is_running() { Ok(()) } else { postgres.restart().await };
        self.look(servers);
        started.map_err(|error| words(&error))
    }

    /// Makes the place that is not the primary a copy of it, at the address that it had.
    async fn make_standby(&self, servers: &mut Servers) -> Result<(), String> {
        let Some(other) = servers.other() else { return Ok(()) };
        let port = servers.places[other].as_ref().map(Postgres::port).or_else(|| self.port(other));
        let port = port.ok_or_else(|| format!("nobody knows the address of {}", NAMES[other]))?;
        // Its old data goes with it: a deposed primary must not come back.
        if let Some(old) = servers.places[other].take() {
            old.stop().await;
        }
        let primary = servers.places[servers.primary].as_ref().ok_or("there is no primary")?;
        let options = self.options.clone().listen(Listen::Port(port));
        let copy = primary.standby_with(options).await.map_err(|error| words(&error))?;
        servers.places[other] = Some(copy);
        servers.is_stale = false;
        self.look(servers);
        self.follows(servers).await
    }

    /// Waits until the standby follows, then has commits wait for it if that is wanted.
    async fn follows(&self, servers: &Servers) -> Result<(), String> {
        let (Some(other), Some(standby)) = (servers.other(), self.standby) else { return Ok(()) };
        let deadline = Instant::now() + FOLLOWS_WITHIN;
        loop {
            match servers.is_followed().await {
                Ok(true) => break,
                Ok(false) if Instant::now() >= deadline => return Err(format!("{} does not follow", NAMES[other])),
                Err(why) if Instant::now() >= deadline => return Err(why),
                Ok(false) | Err(_) => sleep(LOOK_EVERY).await,
            }
        }
        // Should it be promoted, it has nobody to wait for at first. Its settings are its own.
        servers.set(other, ALONE).await?;
        let wanted = if standby == Standby::Synchronous { TOGETHER } else { ALONE };
        servers.set(servers.primary, wanted).await
    }

    /// Where a place answered before it was made anew.
    fn port(&self, place: usize) -> Option<u16> {
        let seen = self.seen();
        let address = seen.get(place)?.url.rsplit_once('@')?.1.split('/').next()?;
        address.rsplit_once(':')?.1.parse().ok()
    }

    /// Writes down how the places are. One that is being made anew keeps its address.
    fn look(&self, servers: &Servers) {
        let mut seen = self.seen();
        for (place, server) in servers.places.iter().enumerate() {
            let name = NAMES[place];
            let before = seen.get(place).cloned();
            let mut status = match (server, before) {
                (Some(postgres), _) => ServerStatus {
                    name: name.to_owned(),
                    running: postgres.is_running(),
                    process: identity(postgres.pid()).filter(|_| postgres.is_running()),
                    url: postgres.url(),
                    log: postgres.folder().join("server.log").display().to_string(),
                    role: None,
                },
                (None, Some(before)) => ServerStatus { running: false, process: None, ..before },
                (None, None) => continue,
            };
            status.role = match (servers.other().is_some(), place == servers.primary) {
                (false, _) => None,
                (true, true) => Some(ServerRole::Primary),
                (true, false) if servers.is_stale => Some(ServerRole::Deposed),
                (true, false) => Some(ServerRole::Standby),
            };
            if place < seen.len() { seen[place] = status } else { seen.push(status) }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Vec<ServerStatus>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Servers {
    fn place(&self, name: &str) -> Result<usize, String> {
        let place = NAMES.iter().position(|known| *known == name).filter(|place| *place < self.places.len());
        place.ok_or_else(|| format!("the cluster has no server `{name}`"))
    }

    /// The place that is not the primary, where there are two.
    fn other(&self) -> Option<usize> {
        (self.places.len() == NAMES.len()).then_some(1 - self.primary)
    }

    fn runs(&self, place: usize) -> bool {
        self.places[place].as_ref().is_some_and(Postgres::is_running)
    }

    async fn is_in_recovery(&self, place: usize) -> Result<bool, String> {
        let postgres = self.places[place].as_ref().ok_or_else(|| format!("{} is gone", NAMES[place]))?;
        let session = postgres.connect("postgres").await.map_err(|error| words(&error))?;
        let row = session.query_one("SELECT pg_is_in_recovery()", &[]).await.map_err(|error| words(&error))?;
        Ok(row.get(0))
    }

    async fn is_followed(&self) -> Result<bool, String> {
        let postgres = self.places[self.primary].as_ref().ok_or("there is no primary")?;
        let session = postgres.connect("postgres").await.map_err(|error| words(&error))?;
        let sql = "SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'";
        let row = session.query_one(sql, &[]).await.map_err(|error| words(&error))?;
        Ok(row.get(0))
    }

    async fn set(&self, place: usize, sql: &str) -> Result<(), String> {
        let postgres = self.places[place].as_ref().ok_or_else(|| format!("{} is gone", NAMES[place]))?;
        let session = postgres.connect("postgres").await.map_err(|error| words(&error))?;
        session.batch_execute(sql).await.map_err(|error| format!("`{sql}`: {}", words(&error)))?;
        session.batch_execute("SELECT pg_reload_conf()").await.map_err(|error| words(&error))
    }
}

const fn signal(how: DatabaseStop) -> Signal {
    match how {
        DatabaseStop::Smart => Signal::TERM,
        DatabaseStop::Fast => Signal::INT,
        DatabaseStop::Immediate => Signal::QUIT,
        DatabaseStop::Kill => Signal::KILL,
    }
}

/// A port that no outgoing connection gets while the server is down.
async fn free() -> Result<u16, ClusterError> {
    quiet_port().await.map_err(|source| ClusterError::Control(ControlError::Port { source }))
}
