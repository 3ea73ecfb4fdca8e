//! Scales a service of a running cluster: looks at it once in an interval, decides as Kubernetes would, and asks for the replicas.
//!
//! Invariants: what is decided is the model's [`Autoscaler`] alone; a change that takes its time does not keep the controller from
//! looking; changes are carried out one after the other, always towards the newest wish; all moments are on the load's clock.
//! Absent on purpose: a memory of its own between runs.

mod measure;
mod queue;

use std::path::{Path, PathBuf};
use std::time::Duration;

use stampede_model::autoscale::{Autoscaler, Memory, Moment, ScaleChange, ScalePlan, Seen};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::cluster::{Ask, AskError, MemberState, ServiceStatus, ask, status};
use measure::Gauges;

/// Looks that may fail in a row before the run is given up: a cluster may be busy, but not for long.
const MISSED_MAX: u32 = 5;

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum AutoscaleError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] AskError),
    /// The service.
    #[error("no service is called `{service}`\nhint: there are {known}")]
    NoService {
        /// What was named.
        service: String,
        /// What there is.
        known: String,
    },
    /// A balancer that does not count what is asked for.
    #[error(
        "service `{service}` balances connections, and nobody counts their requests\nhint: add balance = \"requests\" to it"
    )]
    Uncounted {
        /// Which.
        service: String,
    },
    /// The queue.
    #[error("the queue cannot be looked at: {why}")]
    Queue {
        /// Why.
        why: String,
    },
}

/// Whoever scales.
#[derive(Debug)]
pub struct Controller {
    socket: PathBuf,
    service: String,
    scaler: Autoscaler,
    every: Duration,
    gauges: Gauges,
}

/// What it saw and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// Each look.
    pub moments: Vec<Moment>,
    /// Each change.
    pub changes: Vec<ScaleChange>,
}

impl Controller {
    /// Makes one for a running cluster.
    ///
    /// # Errors
    /// When the plan names what the cluster does not have.
    pub async fn new(plan: &ScalePlan, socket: &Path) -> Result<Self, AutoscaleError> {
        let cluster = status(socket).await?;
        let service = find(&cluster.services, &plan.service)?;
        if plan.requests.is_some() && !service.balances_requests {
            return Err(AutoscaleError::Uncounted { service: plan.service.clone() });
        }
        let redis = cluster.server("redis").map(|server| server.url.clone());
        Ok(Self {
            socket: socket.to_path_buf(),
            service: plan.service.clone(),
            scaler: plan.compressed(),
            every: plan.run_interval(),
            gauges: Gauges::new(plan, redis.as_deref())?,
        })
    }

    /// Brings the service to so many replicas before anything is measured.
    ///
    /// # Errors
    /// When the cluster cannot do it.
    pub async fn begin_with(&self, replicas: u32) -> Result<(), AutoscaleError> {
        let scale = Ask::Scale { service: self.service.clone(), replicas };
        Ok(ask(&self.socket, &scale).await.map(drop)?)
    }

    /// Looks and scales from `start`, the load's beginning, until `over`; then waits for a change that is under way.
    ///
    /// # Errors
    /// When the cluster is gone.
    /// # Cancel safety
    /// Dropping the future ends the looking; a change that was asked for is carried out.
    pub async fn run(mut self, start: Instant, mut over: watch::Receiver<bool>) -> Result<Track, AutoscaleError> {
        let cluster = status(&self.socket).await?;
        let mut wanted = find(&cluster.services, &self.service)?.replicas;
        let (wish, wishes) = watch::channel(Wish { replicas: wanted, at_ns: 0 });
        let changing = tokio::spawn(change(self.socket.clone(), self.service.clone(), wishes, start));
        let mut ticks = interval_at(start, self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut memory, mut moments, mut missed) = (Memory::default(), Vec::new(), 0);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = over.wait_for(|over| *over) => break,
            }
            let moment = match self.look(&mut memory, wanted, start).await {
                Ok(moment) => moment,
                Err(error) if missed + 1 >= MISSED_MAX => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "a look was missed");
                    missed += 1;
                    continue;
                }
            };
            missed = 0;
            if moment.wanted != wanted {
                wanted = moment.wanted;
                wish.send_replace(Wish { replicas: wanted, at_ns: moment.at_ns });
            }
            moments.push(moment);
        }
        drop(wish);
        Ok(Track { moments, changes: joined(changing).await })
    }

    async fn look(&mut self, memory: &mut Memory, wanted: u32, start: Instant) -> Result<Moment, AutoscaleError> {
        let cluster = status(&self.socket).await?;
        let service = find(&cluster.services, &self.service)?;
        let at_ns = ns(start.elapsed());
        let readings = self.gauges.read(service, &self.scaler, at_ns).await;
        let decision = self.scaler.decide(memory, &Seen { current: wanted, readings }, at_ns);
        Ok(Moment {
            at_ns,
            wanted: decision.desired,
            ready: ready(service),
            recommended: decision.recommended,
            values: decision.values,
            reason: decision.reason,
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    replicas: u32,
    at_ns: u64,
}

/// Carries out the newest wish until nobody wishes any more.
async fn change(
    socket: PathBuf,
    service: String,
    mut wishes: watch::Receiver<Wish>,
    start: Instant,
) -> Vec<ScaleChange> {
    let mut changes = Vec::new();
    let mut from = wishes.borrow_and_update().replicas;
    while wishes.changed().await.is_ok() {
        let Wish { replicas: to, at_ns } = *wishes.borrow_and_update();
        let asked = ask(&socket, &Ask::Scale { service: service.clone(), replicas: to }).await;
        let failed = asked.err().map(|error| error.to_string());
        changes.push(ScaleChange { at_ns, done_ns: ns(start.elapsed()), from, to, failed });
        from = to;
    }
    changes
}

async fn joined(changing: JoinHandle<Vec<ScaleChange>>) -> Vec<ScaleChange> {
    changing.await.unwrap_or_else(|panic| {
        tracing::error!(%panic, "the changes are lost");
        Vec::new()
    })
}

fn find<'a>(services: &'a [ServiceStatus], name: &str) -> Result<&'a ServiceStatus, AutoscaleError> {
    services.iter().find(|service| service.name == name).ok_or_else(|| {
        let known: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        AutoscaleError::NoService { service: name.to_owned(), known: known.join(", ") }
    })
}

fn ready(service: &ServiceStatus) -> u32 {
    let ready = service.members.iter().filter(|member| member.state == MemberState::Ready).count();
    u32::try_from(ready).unwrap_or(u32::MAX)
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
