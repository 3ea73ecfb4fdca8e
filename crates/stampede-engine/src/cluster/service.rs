//! A service: its balancer, and its members as they come and go.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use sandbox::ProcessSpec;
use stampede_model::target::{self, Balance, MAX_REPLICAS, Target};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::backend::Backend;
use super::door::{Behind, Door};
use super::error::ClusterError;
use super::haproxy::HaProxy;
use super::member::{Member, Parts};
use super::members::Members;
use super::wire::{LinkStatus, MemberState, ServiceStatus};
use super::{Cluster, LOOK_EVERY, end_all, health, quiet_port};
use crate::control::ControlError;
use crate::control::place::Place;

/// How long a member without a question about readiness may take to run.
const RUNS_WITHIN: Duration = Duration::from_secs(30);
/// How long a member that leaves waits for its connections to end by themselves.
const DRAIN: Duration = Duration::from_secs(2);

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    described: target::Service,
    behind: Arc<Members>,
    door: OnceLock<(Arc<Door>, JoinHandle<()>)>,
    haproxy: OnceLock<HaProxy>,
    kept: Mutex<Vec<Kept>>,
    target: OnceLock<Arc<Target>>,
}

#[derive(Debug)]
struct Kept {
    member: Arc<Member>,
    asking: JoinHandle<()>,
}

impl Service {
    pub(super) fn new(described: target::Service) -> Self {
        Self {
            described,
            behind: Arc::default(),
            door: OnceLock::new(),
            haproxy: OnceLock::new(),
            kept: Mutex::new(Vec::new()),
            target: OnceLock::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.described.name.as_ref()
    }

    pub(super) fn first_replicas(&self) -> u32 {
        *self.described.replicas.as_ref()
    }

    /// Keeps the description for members that come later.
    pub(super) fn remember(&self, target: &Arc<Target>) {
        self.target.get_or_init(|| Arc::clone(target));
    }

    pub(super) fn target(&self) -> Option<Arc<Target>> {
        self.target.get().map(Arc::clone)
    }

    /// Opens the balancer, where the service has one.
    pub(super) async fn open(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        let Some(listen) = &self.described.listen else { return Ok(()) };
        let given = cluster.place.fill(listen.as_ref())?;
        let address = given.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback());
        let Some(address) = address else {
            return Err(ClusterError::Listen { service: self.name().to_owned(), given });
        };
        let name = format!("client-{}", self.name());
        let link = cluster.links.make(name.clone(), name);
        let (door, members) = (link, Arc::clone(&self.behind));
        let behind = match self.described.balance {
            Balance::Connections => Behind::Members { door, members },
            Balance::Requests => Behind::Requests { door, members },
            Balance::Haproxy => {
                let log = cluster.run_folder.join("log").join(format!("haproxy-{}.log", self.name()));
                let ready = self.described.ready.as_ref();
                let haproxy = HaProxy::start(self.name(), ready, (cluster.folder.path(), &log)).await?;
                let to = haproxy.address().to_string();
                // Opened once: nobody else has set it.
                self.haproxy.set(haproxy).ok();
                Behind::Place { to, link: door }
            }
        };
        let opened = Door::open(address, behind).await;
        let opened = opened.map_err(|source| ClusterError::Door { address: given, source })?;
        // Opened once: nobody else has set it.
        self.door.set(opened).ok();
        Ok(())
    }

    /// Makes it so many members, and returns once new ones are ready and old ones are gone.
    pub(super) async fn scale(
        &self,
        cluster: &Arc<Cluster>,
        target: &Target,
        replicas: u32,
    ) -> Result<(), ClusterError> {
        let mut made = Vec::new();
        while self.lock().len() < replicas.min(MAX_REPLICAS) as usize {
            made.push(self.add(cluster, target).await?);
        }
        self.lead_to_members().await?;
        for member in made {
            self.until_ready(&member).await?;
        }
        let leaving: Vec<Kept> = {
            let mut kept = self.lock();
            kept.sort_by_key(|one| one.member.number);
            let stay = kept.len().min(replicas as usize);
            kept.split_off(stay)
        };
        self.lead_to_members().await?;
        let drained = leaving.iter().map(|one| one.member.drain(self.described.balance, self.drains_within()));
        join_all(drained).await;
        self.part_with(cluster, leaving).await;
        Ok(())
    }

    /// Tells `HAProxy`, where it is asked for, which members there are.
    async fn lead_to_members(&self) -> Result<(), ClusterError> {
        let Some(haproxy) = self.haproxy.get() else { return Ok(()) };
        let members = self.members();
        let by_its_door = |member: &Arc<Member>| {
            let link = &member.backend.as_ref()?.link;
            let (door, _) = member.doors.iter().find(|(door, _)| Arc::ptr_eq(door.link(), link))?;
            Some((member.name.clone(), door.address()))
        };
        haproxy.lead_to(&members.iter().filter_map(by_its_door).collect::<Vec<_>>()).await
    }

    async fn add(&self, cluster: &Arc<Cluster>, target: &Target) -> Result<Arc<Member>, ClusterError> {
        let number = {
            let kept = self.lock();
            (1..=MAX_REPLICAS)
                .find(|number| kept.iter().all(|one| one.member.number != *number))
                .unwrap_or(MAX_REPLICAS)
        };
        let name = format!("{}-{number}", self.name());
        let mut place = cluster.place.clone();
        let port = self.has_port().then_some(quiet_port().await?);
        place.set("self.name", &name);
        place.set("self.number", &number);
        if let Some(port) = port {
            place.set("self.port", &port);
        }
        let mut doors = self.doors(cluster, target, (&name, &mut place)).await?;
        let backend = port.filter(|_| self.described.listen.is_some()).map(|port| {
            let group = format!("client-{}", self.name());
            let link = cluster.links.make(format!("{group}-{number}"), group);
            Arc::new(Backend::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), link))
        });
        if let Some(backend) = backend.as_ref().filter(|_| self.described.balance == Balance::Haproxy) {
            let (to, link) = (backend.address.to_string(), Arc::clone(&backend.link));
            let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let opened = Door::open(anywhere, Behind::Place { to, link }).await;
            doors.push(opened.map_err(|source| ClusterError::Door { address: anywhere.to_string(), source })?);
        }
        let log = cluster.run_folder.join("log").join(format!("{name}.log"));
        let spec = self.spec(&place)?.log(&log);
        let member = Arc::new(Member::new(Parts { name, number, port, log, backend, doors }));
        if let Some(backend) = &member.backend {
            self.behind.add(Arc::clone(backend));
        }
        tokio::spawn(Arc::clone(&member).keep(spec, self.described.restart));
        let asking =
            tokio::spawn(health::watch(Arc::clone(&member), Arc::clone(&self.behind), self.described.ready.clone()));
        self.lock().push(Kept { member: Arc::clone(&member), asking });
        Ok(member)
    }

    /// A door on each of its ways, and their addresses in the slots.
    async fn doors(
        &self,
        cluster: &Cluster,
        target: &Target,
        (name, place): (&str, &mut Place),
    ) -> Result<Vec<(Arc<Door>, JoinHandle<()>)>, ClusterError> {
        let urls = cluster.servers.urls();
        let mut doors = Vec::new();
        let mut seen = urls.clone();
        for link_name in self.described.links() {
            let named = target.cluster.iter().flat_map(|cluster| &cluster.link).find(|(name, _)| **name == link_name);
            let to = match (link_name.as_str(), named) {
                ("postgres", _) => authority(urls.postgres.as_deref()),
                ("standby", _) => authority(urls.standby.as_deref()),
                ("redis", _) => authority(urls.redis.as_deref()),
                (_, Some((_, place_of))) => cluster.place.fill(place_of.to.as_ref())?,
                // The target's check has found every link.
                (_, None) => continue,
            };
            let link = cluster.links.make(format!("{name}-{link_name}"), format!("{}-{link_name}", self.name()));
            let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let opened = Door::open(anywhere, Behind::Place { to: to.clone(), link }).await;
            let (door, serving) =
                opened.map_err(|source| ClusterError::Door { address: anywhere.to_string(), source })?;
            let address = door.address().to_string();
            match link_name.as_str() {
                "postgres" => seen.postgres = seen.postgres.map(|url| url.replacen(&to, &address, 1)),
                "standby" => seen.standby = seen.standby.map(|url| url.replacen(&to, &address, 1)),
                "redis" => seen.redis = seen.redis.map(|url| url.replacen(&to, &address, 1)),
                other => place.set(&format!("link.{other}"), &address),
            }
            doors.push((door, serving));
        }
        place.urls(seen.postgres, seen.redis);
        place.standby(seen.standby);
        Ok(doors)
    }

    fn spec(&self, place: &Place) -> Result<ProcessSpec, ControlError> {
        let words = self.described.command.as_ref().iter().map(|argument| place.fill(argument.as_ref()));
        let words: Vec<String> = words.collect::<Result<_, _>>()?;
        // The target's check refuses an empty command.
        let (program, args) = words.split_first().map(|(program, args)| (program.clone(), args)).unwrap_or_default();
        let mut spec = ProcessSpec::new(program).args(args).grace(self.described.grace);
        for (name, value) in &self.described.env {
            spec = spec.env(name, place.fill(value.as_ref())?);
        }
        Ok(spec)
    }

    fn has_port(&self) -> bool {
        self.described.templates().any(|template| template.as_ref().slots().any(|slot| slot == "self.port"))
    }

    /// Starts a member anew and returns once the new one is ready.
    pub(super) async fn restart(&self, member: &Arc<Member>) -> Result<(), ClusterError> {
        let before = member.status().process;
        if self.described.balance == Balance::Requests {
            member.stand_aside(Balance::Requests, self.drains_within()).await;
        }
        member.restart();
        let deadline = Instant::now() + self.within();
        while member.status().process == before && before.is_some() && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
        let ready = self.until_ready(member).await;
        member.return_to_work();
        ready
    }

    /// How long a member that leaves may go on with what it has. Requests end by themselves; kept connections need not.
    fn drains_within(&self) -> Duration {
        match self.described.balance {
            Balance::Connections | Balance::Haproxy => DRAIN,
            Balance::Requests => self.described.grace.max(DRAIN),
        }
    }

    async fn until_ready(&self, member: &Arc<Member>) -> Result<(), ClusterError> {
        let deadline = Instant::now() + self.within();
        while member.state() != MemberState::Ready {
            let status = member.status();
            if Instant::now() >= deadline || status.state == MemberState::Down {
                let last = status.last_end.map_or("it never said so".to_owned(), |end| format!("it ended ({end})"));
                let (name, within, log) = (member.name.clone(), self.within(), member.log_tail());
                return Err(ClusterError::NotReady { name, within, last, log });
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn within(&self) -> Duration {
        self.described.ready.as_ref().map_or(RUNS_WITHIN, |ready| ready.within)
    }

    /// Stops everything of it.
    pub(super) async fn end(&self, cluster: &Cluster) {
        let all = std::mem::take(&mut *self.lock());
        self.part_with(cluster, all).await;
        if let Some((_, serving)) = self.door.get() {
            serving.abort();
        }
    }

    async fn part_with(&self, cluster: &Cluster, leaving: Vec<Kept>) {
        let members: Vec<Arc<Member>> = leaving.iter().map(|kept| Arc::clone(&kept.member)).collect();
        end_all(&members).await;
        for Kept { member, asking } in leaving {
            asking.abort();
            if let Some(backend) = &member.backend {
                self.behind.remove(backend);
                cluster.links.forget(&backend.link);
            }
            for (door, _) in &member.doors {
                cluster.links.forget(door.link());
            }
        }
    }

    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        let mut members: Vec<Arc<Member>> = self.lock().iter().map(|kept| Arc::clone(&kept.member)).collect();
        members.sort_by_key(|member| member.number);
        members
    }

    pub(super) fn has(&self, member: &Arc<Member>) -> bool {
        self.lock().iter().any(|kept| Arc::ptr_eq(&kept.member, member))
    }

    pub(super) fn status(&self) -> ServiceStatus {
        let members = self.members();
        ServiceStatus {
            name: self.name().to_owned(),
            listen: self.door.get().map(|(door, _)| door.address().to_string()),
            balances_requests: self.described.balance == Balance::Requests,
            replicas: u32::try_from(members.len()).unwrap_or(u32::MAX),
            members: members.iter().map(|member| member.status()).collect(),
        }
    }

    pub(super) fn links(&self) -> Vec<LinkStatus> {
        let of_door = |door: &Arc<Door>| LinkStatus {
            name: door.link().name.clone(),
            group: door.link().group.clone(),
            listen: door.address().to_string(),
            listening: door.is_listening(),
            to: door.leads_to(),
            state: door.link().state(),
            connections: door.link().open(),
        };
        let front = self.door.get().map(|(door, _)| of_door(door));
        let mut links: Vec<LinkStatus> = front.into_iter().collect();
        for member in self.members() {
            // HAProxy reaches it by a door of its own, which is among the others.
            if let Some(backend) = member.backend.as_ref().filter(|_| self.haproxy.get().is_none()) {
                links.push(LinkStatus {
                    name: backend.link.name.clone(),
                    group: backend.link.group.clone(),
                    listen: "balancer".to_owned(),
                    listening: true,
                    to: backend.address.to_string(),
                    state: backend.link.state(),
                    connections: backend.link.open(),
                });
            }
            links.extend(member.doors.iter().map(|(door, _)| of_door(door)));
        }
        links
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `host:port` of a URL.
fn authority(url: Option<&str>) -> String {
    let rest = url.and_then(|url| url.rsplit_once('@')).map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}
