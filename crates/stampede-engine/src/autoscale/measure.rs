//! What an autoscaler's metrics are at one look: requests of each replica by the balancer, CPU of each by the system, a queue.
//!
//! Invariant: a replica has a value only when it was ready, as the same process, at this look and the one before: a rate over a time
//! in which it could not work says nothing of its load.

use std::collections::BTreeMap;

use stampede_model::autoscale::{Autoscaler, Metric, Reading, ReplicaReading, ScalePlan};
use stampede_model::chaos::ProcessId;

use super::queue::Queue;
use super::{AutoscaleError, ready};
use crate::chaos::processes::Everybody;
use crate::cluster::{MemberState, MemberStatus, ServiceStatus};

/// Measures.
#[derive(Debug)]
pub(super) struct Gauges {
    cpu_request: Option<f64>,
    queue: Option<Queue>,
    before: BTreeMap<String, Look>,
}

/// One replica at one look.
#[derive(Clone, Copy, Debug)]
struct Look {
    at_ns: u64,
    process: ProcessId,
    requests: u64,
    cpu_s: f64,
}

/// What a replica did between two looks.
#[derive(Clone, Copy, Debug)]
struct Did {
    requests_per_s: f64,
    cores: f64,
}

impl Gauges {
    pub(super) fn new(plan: &ScalePlan, redis: Option<&str>) -> Result<Self, AutoscaleError> {
        Ok(Self {
            cpu_request: plan.cpu_request_milli.map(|milli| f64::from(milli) / 1_000.0),
            queue: plan.queue.as_ref().map(|queue| Queue::new(queue, redis)).transpose()?,
            before: BTreeMap::new(),
        })
    }

    /// One reading for each metric, in their order.
    pub(super) async fn read(&mut self, service: &ServiceStatus, scaler: &Autoscaler, at_ns: u64) -> Vec<Reading> {
        let everybody = Everybody::now();
        let now: BTreeMap<String, Look> = service
            .members
            .iter()
            .filter_map(|member| Some((member.name.clone(), look(member, &everybody, at_ns)?)))
            .collect();
        let did: Vec<(bool, Option<Did>)> = service
            .members
            .iter()
            .map(|member| (member.state == MemberState::Ready, self.did(&member.name, now.get(&member.name))))
            .collect();
        self.before = now;
        let seconds = match &mut self.queue {
            Some(queue) => queue.seconds_to_clear(at_ns, ready(service)).await,
            None => None,
        };
        let each = |value: &dyn Fn(Did) -> f64| {
            let replica = |(is_ready, did): &(bool, Option<Did>)| match (is_ready, did) {
                (false, _) => ReplicaReading::NotReady,
                (true, None) => ReplicaReading::Unmeasured,
                (true, Some(did)) => ReplicaReading::Ready(value(*did)),
            };
            Reading::Each(did.iter().map(replica).collect())
        };
        let request = self.cpu_request.unwrap_or(1.0);
        let reading = |metric: &Metric| match metric {
            Metric::Utilization { .. } => each(&|did| did.cores / request * 100.0),
            Metric::Resource { .. } => each(&|did| did.cores),
            Metric::Pods { .. } => each(&|did| did.requests_per_s),
            Metric::External { .. } | Metric::ExternalAverage { .. } => {
                seconds.map_or(Reading::Missing, |seconds| Reading::Whole(seconds, ready(service)))
            }
        };
        scaler.metrics.iter().map(reading).collect()
    }

    fn did(&self, name: &str, now: Option<&Look>) -> Option<Did> {
        let (before, now) = (self.before.get(name)?, now?);
        let passed_s = now.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
        if before.process != now.process || passed_s <= 0.0 {
            return None;
        }
        Some(Did {
            requests_per_s: now.requests.saturating_sub(before.requests) as f64 / passed_s,
            cores: (now.cpu_s - before.cpu_s).max(0.0) / passed_s,
        })
    }
}

/// A ready replica with a process, for the next look.
fn look(member: &MemberStatus, everybody: &Everybody, at_ns: u64) -> Option<Look> {
    let process = member.process.filter(|_| member.state == MemberState::Ready)?;
    Some(Look { at_ns, process, requests: member.requests, cpu_s: everybody.cpu_seconds(process) })
}

#[cfg(test)]
mod tests {
    use stampede_model::autoscale::{Amount, Rules, ScaleTarget};

    use super::*;
    use crate::chaos::processes::identity;

    fn member(name: &str, state: MemberState, requests: u64) -> MemberStatus {
        MemberStatus {
            name: name.into(),
            state,
            process: identity(std::process::id()),
            port: None,
            ended: 0,
            last_end: None,
            connections: 0,
            requests,
            under_way: 0,
            log: String::new(),
        }
    }

    fn service(members: Vec<MemberStatus>) -> ServiceStatus {
        let replicas = members.len() as u32;
        ServiceStatus { name: "api".into(), listen: None, balances_requests: true, replicas, members }
    }

    #[tokio::test]
    async fn a_rate_needs_two_looks_at_a_ready_replica() {
        let scaler = Autoscaler {
            name: "api".into(),
            namespace: None,
            target: ScaleTarget { kind: "Deployment".into(), name: "api".into() },
            min: 1,
            max: 9,
            metrics: vec![Metric::Pods { name: "requests".into(), average: Amount::of(5.0) }],
            up: Rules::up(),
            down: Rules::down(),
        };
        let mut gauges = Gauges { cpu_request: None, queue: None, before: BTreeMap::new() };
        let (ready, starting) = (MemberState::Ready, MemberState::Starting);
        let first = service(vec![member("api-1", ready, 100), member("api-2", starting, 0)]);
        let seen = gauges.read(&first, &scaler, 1_000_000_000).await;
        assert_eq!(seen, [Reading::Each(vec![ReplicaReading::Unmeasured, ReplicaReading::NotReady])]);
        let second = service(vec![member("api-1", ready, 130), member("api-2", ready, 7)]);
        let seen = gauges.read(&second, &scaler, 3_000_000_000).await;
        assert_eq!(seen, [Reading::Each(vec![ReplicaReading::Ready(15.0), ReplicaReading::Unmeasured])]);
        let mut stranger = member("api-1", ready, 150);
        stranger.process = Some(ProcessId { pid: std::process::id(), started: 0 });
        let third = service(vec![stranger, member("api-2", ready, 17)]);
        let seen = gauges.read(&third, &scaler, 5_000_000_000).await;
        assert_eq!(seen, [Reading::Each(vec![ReplicaReading::Unmeasured, ReplicaReading::Ready(5.0)])]);
    }
}
